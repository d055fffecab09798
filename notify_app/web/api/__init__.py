"""What programs call: signed webhooks and the health of the hub."""
