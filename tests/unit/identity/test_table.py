"""Only a known secret finds a subject, and nothing of it stays in the table."""

from __future__ import annotations

from fastgw.domain.errors import GatewayError
from fastgw.domain.subject import Subject
from fastgw.identity.config import KeyRow, TeamRow, UserRow
from fastgw.identity.secret import CREDENTIAL_HEADERS, MAX_SECRET_BYTES, SecretText
from fastgw.identity.table import KeyTable

ADA = UserRow(name="ada", team="ml", metadata={"who": "user", "floor": "2"})
ML = TeamRow(name="ml", metadata={"who": "team", "floor": "1", "center": "7"})


def row(secret: str, **fields: object) -> KeyRow:
    return KeyRow(name=f"key-{secret}", secret=SecretText(secret, "env:X"), **fields)  # type: ignore[arg-type]


def test_a_known_secret_finds_its_key_and_no_other() -> None:
    table = KeyTable([row("one"), row("two")])

    found = table.find(b"two")

    assert found is not None
    assert found.key == "key-two"
    assert len(table) == 2
    for unknown in (b"", b"three", b"TWO", b"two ", b"key-two", b"two" * MAX_SECRET_BYTES):
        assert table.find(unknown) is None


def test_a_secret_longer_than_any_is_not_even_hashed() -> None:
    longest = "x" * MAX_SECRET_BYTES
    table = KeyTable([row(longest), row(longest + "x")])

    assert table.find(longest.encode()) is not None
    assert table.find(longest.encode() + b"x") is None


def test_the_table_holds_no_secret() -> None:
    table = KeyTable([row("canary-0123456789")])

    assert "canary" not in repr(table._subjects).replace("key-canary", "")


def test_the_team_comes_from_the_user_unless_the_key_has_one() -> None:
    table = KeyTable([row("a", user="ada"), row("b", team="ops"), row("c", user="bob")], [ADA], [ML])

    def of(secret: bytes) -> tuple[str, str]:
        found = table.find(secret)
        assert found is not None
        return found.user, found.team

    assert of(b"a") == ("ada", "ml")
    assert of(b"b") == ("", "ops")
    assert of(b"c") == ("bob", "")


def test_metadata_is_merged_and_the_key_wins() -> None:
    table = KeyTable([row("a", user="ada", metadata={"who": "key"})], [ADA], [ML])

    found = table.find(b"a")

    assert found is not None
    assert found.metadata == {"who": "key", "floor": "2", "center": "7"}


def test_keys_with_the_same_globs_share_one_memo() -> None:
    table = KeyTable([row("a", models=("x",)), row("b", models=("x",)), row("c")])
    a, b, c = (table.find(secret) for secret in (b"a", b"b", b"c"))

    assert isinstance(a, Subject)
    assert isinstance(b, Subject)
    assert isinstance(c, Subject)
    assert a.models is b.models
    assert not a.may_use("y")
    assert c.may_use("y")


def test_identify_reads_the_headers() -> None:
    table = KeyTable([row("one")])
    known = table.identify(tuple(map({b"x-api-key": b"one"}.get, CREDENTIAL_HEADERS)))
    unknown = table.identify(tuple(map({b"x-api-key": b"canary"}.get, CREDENTIAL_HEADERS)))
    missing = table.identify(tuple(map({}.get, CREDENTIAL_HEADERS)))

    assert isinstance(known, Subject)
    assert isinstance(unknown, GatewayError)
    assert isinstance(missing, GatewayError)
    assert (unknown.code, unknown.status) == ("unknown_key", 401)
    assert "canary" not in unknown.message
    assert missing.code == "missing_key"
