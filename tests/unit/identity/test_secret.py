"""Secrets do not show themselves, and a request presents exactly one."""

from __future__ import annotations

import copy
import json
import pickle

import msgspec
import orjson
import pytest

from fastgw.domain.errors import GatewayError
from fastgw.identity.secret import CREDENTIAL_HEADERS, SecretText, new_secret, presented_secret

CANARY = "canary-0123456789abcdef"
SECRET = SecretText(CANARY, "env:NAME")


def test_a_secret_shows_its_reference_only() -> None:
    for shown in (repr(SECRET), str(SECRET), f"{SECRET}", f"{[SECRET]}"):
        assert CANARY not in shown
        assert "env:NAME" in shown
    assert SECRET.reveal() == CANARY


@pytest.mark.parametrize(
    "encode", [json.dumps, orjson.dumps, msgspec.json.encode, msgspec.msgpack.encode, pickle.dumps, copy.deepcopy]
)
def test_a_secret_is_not_serialised(encode: object) -> None:
    assert callable(encode)
    with pytest.raises(TypeError) as caught:
        encode(SECRET)
    assert CANARY not in str(caught.value)


def test_secrets_compare_by_value_and_reference() -> None:
    assert SecretText("a", "env:A") == SecretText("a", "env:A")
    assert SecretText("a", "env:A") != SecretText("b", "env:A")
    assert SecretText("a", "env:A") != SecretText("a", "env:B")
    assert SECRET != CANARY
    assert hash(SecretText("a", "env:A")) == hash(SecretText("b", "env:A")), "the hash must not depend on the value"


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer key"},
        {b"authorization": b"bearer key"},
        {b"authorization": b"BEARER  key "},
        {b"x-api-key": b"key"},
        {b"x-goog-api-key": b"key"},
        {b"api-key": b"key"},
        {b"authorization": b"Bearer key", b"x-api-key": b"key"},
        {b"authorization": b"", b"x-api-key": b"key"},
        {b"authorization": b"Bearer key", b"x-api-key": b""},
    ],
)
def test_every_credential_header_is_read(headers: dict[bytes, bytes]) -> None:
    assert presented_secret(tuple(map(headers.get, CREDENTIAL_HEADERS))) == b"key"


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_key"),
        ({b"x-api-key": b""}, "missing_key"),
        ({b"authorization": b"Basic a2V5"}, "invalid_authorization"),
        ({b"authorization": b"key"}, "invalid_authorization"),
        ({b"authorization": b"Bearer "}, "invalid_authorization"),
        ({b"authorization": b"Basic a2V5", b"x-api-key": b"key"}, "invalid_authorization"),
        ({b"authorization": b"Bearer a", b"x-api-key": b"b"}, "ambiguous_credentials"),
        ({b"x-goog-api-key": b"a", b"api-key": b"b"}, "ambiguous_credentials"),
    ],
)
def test_none_or_two_are_refused_with_401(headers: dict[bytes, bytes], code: str) -> None:
    refusal = presented_secret(tuple(map(headers.get, CREDENTIAL_HEADERS)))

    assert isinstance(refusal, GatewayError)
    assert (refusal.code, refusal.status, refusal.source) == (code, 401, "client")


def test_a_refusal_does_not_repeat_what_was_presented() -> None:
    refusal = presented_secret(
        tuple(
            map({b"authorization": b"Basic " + CANARY.encode(), b"x-api-key": CANARY.encode()}.get, CREDENTIAL_HEADERS)
        )
    )

    assert isinstance(refusal, GatewayError)
    assert CANARY not in refusal.message + refusal.detail


def test_a_new_secret_carries_all_its_randomness() -> None:
    secret = new_secret(bytes(range(32)))

    assert secret.startswith("fgw-")
    assert secret != new_secret(bytes(range(31)) + b"\xff")
    assert len(secret) == len("fgw-") + 43
    with pytest.raises(ValueError, match="24"):
        new_secret(b"x" * 23)
