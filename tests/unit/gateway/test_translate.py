"""Errors of the native floor, told as what they mean to the caller: the client's side and the provider's."""

from __future__ import annotations

import pytest

from fastgw._native.errors import (
    ConnectionLost,
    DeadlineExceeded,
    HttpLimitError,
    HttpSyntaxError,
    NativeError,
    SseLimitError,
)
from fastgw.gateway.translate import client_error, upstream_error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (DeadlineExceeded("body"), 408, "request_timeout"),
        (HttpLimitError("too large", 413), 413, "body_too_large"),
        (HttpLimitError("too many headers", 431), 431, "invalid_request"),
        (HttpSyntaxError("bad chunk"), 400, "invalid_request"),
        (HttpSyntaxError("unknown coding", 501), 501, "invalid_request"),
        (NativeError("odd"), 400, "invalid_request"),
    ],
)
def test_the_clients_side(error: NativeError, status: int, code: str) -> None:
    told = client_error(error)
    assert (told.status, told.code, told.source, told.retry) == (status, code, "client", "never")
    assert told.message


@pytest.mark.parametrize(
    ("error", "status", "code", "words"),
    [
        (DeadlineExceeded("first_byte"), 504, "provider_timeout", "sent no answer in time"),
        (DeadlineExceeded("idle"), 504, "provider_timeout", "stopped in the middle"),
        (DeadlineExceeded("total"), 504, "provider_timeout", "did not finish"),
        (DeadlineExceeded("another"), 504, "provider_timeout", "too slow"),
        (HttpSyntaxError("bad header `x: sk-leaked`"), 502, "provider_protocol", "not valid HTTP"),
        (HttpLimitError("head too large", 431), 502, "provider_protocol", "not valid HTTP"),
        (ConnectionLost("it closed"), 502, "provider_connection_lost", "it closed"),
        (SseLimitError("event too large"), 502, "provider_connection_lost", "event too large"),
    ],
)
def test_the_providers_side(error: NativeError, status: int, code: str, words: str) -> None:
    told = upstream_error("acme", error)
    assert (told.status, told.code, told.source, told.retry) == (status, code, "upstream", "other_target")
    assert told.message.startswith("provider `acme`")
    assert words in told.message
    assert "leaked" not in told.message
    assert code == "provider_timeout" or told.detail == str(error)
