"""Who a call is for, and which models that caller may ask for.

Invariant: a subject never changes; a reload builds new ones. The only thing that moves is a bounded memo of answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import Final

MEMO_ENTRIES: Final = 512
MEMO_NAME_CHARS: Final = 200
"""Longer names are answered but not remembered, so that the memo is bounded in bytes too."""


class ModelGlobs:
    """A set of case-sensitive globs (``*``, ``?``, ``[abc]``; ``*`` also crosses slashes) over model names.

    An answer costs a dict lookup once it is known. Names come from callers, so the memo is emptied when it is full.
    """

    __slots__ = ("_all", "_match", "_memo", "patterns")

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns: Final = tuple(patterns)
        self._all = "*" in self.patterns
        self._match = re.compile("|".join(translate(pattern) for pattern in self.patterns) or r"(?!)").match
        self._memo: dict[str, bool] = {}

    def allow(self, name: str) -> bool:
        """Whether any glob matches the whole name."""
        if self._all:
            return True
        known = self._memo.get(name)
        if known is not None:
            return known
        answer = self._match(name) is not None
        if len(name) <= MEMO_NAME_CHARS:
            if len(self._memo) >= MEMO_ENTRIES:
                self._memo.clear()
            self._memo[name] = answer
        return answer

    def __repr__(self) -> str:  # type: ignore[explicit-override]  # typing.override is 3.12
        return f"ModelGlobs({self.patterns!r})"


class Subject:
    """An identified caller. ``user``, ``team``: empty when the key has none; ``metadata``: the operator's, merged."""

    __slots__ = ("key", "metadata", "models", "team", "user")

    def __init__(
        self, *, key: str, metadata: dict[str, str], models: ModelGlobs, user: str = "", team: str = ""
    ) -> None:
        self.key: Final = key
        self.user: Final = user
        self.team: Final = team
        self.metadata: Final = metadata
        self.models: Final = models

    def may_use(self, alias: str) -> bool:
        """Whether the key may ask for this model name."""
        return self.models.allow(alias)
