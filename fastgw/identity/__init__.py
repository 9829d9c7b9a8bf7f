"""Who calls: secrets, virtual keys, and the metadata that callers send about themselves. Pure."""
