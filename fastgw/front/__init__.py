"""The door towards clients."""
