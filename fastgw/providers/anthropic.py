"""Anthropic.

Source: https://docs.anthropic.com/en/api/overview (authentication, versions, messages, token counting), read in the
official client 2.12.0. The base URL has no ``/v1``, as in that client.
"""

from __future__ import annotations

from typing import Final

from fastgw.providers.base import Vendor

ANTHROPIC: Final = Vendor(
    kind="anthropic",
    dialect="anthropic",
    default_base_url="https://api.anthropic.com",
    paths={
        "message": "/v1/messages",
        "count_tokens": "/v1/messages/count_tokens",
    },
    auth_header=b"x-api-key",
    default_headers=((b"anthropic-version", b"2023-06-01"),),
    response_headers_dropped=(b"anthropic-organization-id",),
)
