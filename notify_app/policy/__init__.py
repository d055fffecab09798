"""Pure deciders: they are handed values and `now`, and answer; no database, no clock, no network."""
