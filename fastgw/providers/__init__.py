"""What is known about each vendor: addresses, credentials, headers, and what its failures mean. Pure."""
