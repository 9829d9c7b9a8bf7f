"""OpenAI, and every server that speaks its dialect (vLLM, SGLang, Ollama, TGI).

Source: https://platform.openai.com/docs/api-reference (authentication, chat, completions, embeddings, responses),
read in the official client 3.54.0.
"""

from __future__ import annotations

from typing import Final

from fastgw.providers.base import Vendor

OPENAI: Final = Vendor(
    kind="openai",
    dialect="openai",
    default_base_url="https://api.openai.com/v1",
    paths={
        "chat": "/chat/completions",
        "complete": "/completions",
        "embed": "/embeddings",
        "respond": "/responses",
    },
    auth_header=b"authorization",
    auth_prefix=b"Bearer ",
    request_headers_dropped=(b"openai-organization", b"openai-project"),
    response_headers_dropped=(b"openai-organization", b"openai-project"),
)
