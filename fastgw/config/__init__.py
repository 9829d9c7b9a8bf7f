"""One file, composed of each package's own section, read, resolved and checked."""
