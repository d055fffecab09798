"""The journeys of people through the product, in a real Chromium, on the real web server with a real worker."""
