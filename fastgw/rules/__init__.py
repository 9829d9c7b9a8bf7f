"""Which rules match a call, and which of those govern it."""
