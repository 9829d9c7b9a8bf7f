"""The least that settings need for a gateway to start: one provider, one key."""

PROVIDER_AND_KEY = """
[providers.up]
kind = "openai"
base_url = "http://127.0.0.1:9/v1"
[[keys]]
name = "k"
secret = "env:K"
"""
ENV = {"K": "sk-" + "k" * 40}
