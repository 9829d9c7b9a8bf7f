"""The TOML of identity: ``[[teams]]``, ``[[users]]``, ``[[keys]]``.

Ranges and shapes are here; what rows must agree on with each other (unique names, teams that exist) is in
``config/check``.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from fastgw.identity.metadata import MAX_ENTRIES, MAX_VALUE_CHARS
from fastgw.identity.secret import SecretText

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=128,
        pattern=r"^[^\x00-\x1f\x7f]+\Z",
        description="1 to 128 characters without control characters",
    ),
]
"""The name of a key, user or team, without control characters."""
Glob = Annotated[str, Meta(min_length=1, max_length=256)]
Metadata = Annotated[
    dict[
        Annotated[str, Meta(min_length=1, max_length=MAX_VALUE_CHARS)], Annotated[str, Meta(max_length=MAX_VALUE_CHARS)]
    ],
    Meta(max_length=MAX_ENTRIES),
]

ALL_MODELS: tuple[str, ...] = ("*",)


class TeamRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[teams]]``."""

    name: Name
    metadata: Metadata = {}


class UserRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[users]]``."""

    name: Name
    team: Name | None = None
    metadata: Metadata = {}


class KeyRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[keys]]``: a virtual key. ``models`` are globs over the model names that callers ask for."""

    name: Name
    secret: SecretText
    team: Name | None = None
    user: Name | None = None
    models: Annotated[tuple[Glob, ...], Meta(min_length=1, max_length=1000)] = ALL_MODELS
    metadata: Metadata = {}
