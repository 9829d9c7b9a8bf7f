"""fastgw: an LLM gateway with a native data plane. See ARCHITECTURE.md for the house and its floors."""

__version__ = "0.1.0"
