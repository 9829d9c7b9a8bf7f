"""Telling operators: channels, and the patience to reach them."""
