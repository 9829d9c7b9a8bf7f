"""The wire shapes that clients and providers speak. Pure."""
