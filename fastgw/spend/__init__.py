"""Usage times price: what a provider counted, and what it costs to the last pico-USD. No IO, no clock, no float."""
