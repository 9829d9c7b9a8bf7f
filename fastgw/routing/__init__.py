"""Which target serves a model name. Pure."""
