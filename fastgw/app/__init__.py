"""The composition root: reads arguments, environment and signals, and constructs everything."""
