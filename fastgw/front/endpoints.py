"""The paths of the fast lane, and what each one asks for.

Invariant: a path is matched byte for byte (no decoding, no trailing slash), so that no two spellings reach one
endpoint. The method is not looked at here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from fastgw.domain.operation import DIALECT_OF, Dialect, Operation


class Endpoint(msgspec.Struct, frozen=True):
    """One fast-lane path."""

    path: str
    operation: Operation
    dialect: Dialect


_PATHS: Final[Mapping[str, Operation]] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "complete",
    "/v1/embeddings": "embed",
    "/v1/responses": "respond",
    "/v1/messages": "message",
    "/v1/messages/count_tokens": "count_tokens",
}

ENDPOINTS: Final[Mapping[bytes, Endpoint]] = MappingProxyType(
    {path.encode(): Endpoint(path, operation, DIALECT_OF[operation]) for path, operation in _PATHS.items()}
)

_find: Final = dict(ENDPOINTS).get


def resolve(target: bytes) -> Endpoint | None:
    """The endpoint of a request target, with or without a query (the Anthropic client sends ``?beta=true``)."""
    return _find(target) or _find(target.partition(b"?")[0])


def query_of(target: bytes) -> bytes:
    """The query with its question mark, as it goes on to the provider; empty when there is none."""
    at = target.find(b"?")
    return target[at:] if at >= 0 else b""
