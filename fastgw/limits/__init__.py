"""What callers may spend and send: windows, rows of limits, and what a refusal says."""
