"""The TOML of routing: ``[[models]]``, the names that applications ask for."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

MAX_ALIAS_CHARS = 256
"""Longer than any model name in public use, with a provider's name in front."""

ModelName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_ALIAS_CHARS,
        pattern=r"^[^\x00-\x1f\x7f]+\Z",
        description=f"1 to {MAX_ALIAS_CHARS} characters without control characters",
    ),
]


class TargetRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One element of ``models[].targets``: ``<provider name>/<upstream model>``."""

    target: ModelName


class ModelRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One ``[[models]]``: an alias of exactly one target."""

    name: ModelName
    targets: Annotated[tuple[TargetRow, ...], Meta(min_length=1, max_length=1)]
