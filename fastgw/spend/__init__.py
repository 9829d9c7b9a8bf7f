"""Usage times price: reading what a provider counted, and what it costs to the last pico-USD. Pure: no IO, no clock,
no float money.
"""
