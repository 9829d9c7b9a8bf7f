"""The door towards operators."""
