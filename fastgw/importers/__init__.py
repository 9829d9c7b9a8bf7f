"""Configurations of other gateways, turned into ``fastgw.toml``."""
