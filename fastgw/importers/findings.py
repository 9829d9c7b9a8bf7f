"""What an import could not say in our words, or said otherwise, or leaves to be done.

Invariant: no secret is shown: of values only numbers, truth values and texts of fields that are known are shown, and never one
that looks like a secret. A line is one line.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, Literal

import msgspec

from fastgw.domain.text import show

Kind = Literal["left out", "changed", "to do"]
SHOWN_CHARS: Final = 80
FILE_END: Final = ": "
"""Ends the name of a file at the beginning of a path."""

_SECRET: Final = re.compile(
    r"(?i)(?<![a-z0-9])(sk|pk|rk|xox[abp]|gh[pousr]|glpat)[-_][a-z0-9_-]{16,}"
    r"|(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])"
    r"|(?<![a-z0-9])eyJ[a-z0-9_-]{16,}"
    r"|(?<![a-z0-9])(AKIA|ASIA|AIza)[a-z0-9_-]{12,}"
    r"|://[^/\s@]*:[^/\s@]*@"
)
_SECRET_NAME: Final = re.compile(r"(?i)secret|passw|token|credential|api_?key|private|auth")


def looks_secret(text: str, name: str = "") -> bool:
    """Whether a text has the shape of a key, a hash of one, a token, or a URL with a password; or its ``name`` says so."""
    return _SECRET.search(text) is not None or _SECRET_NAME.search(name) is not None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """``left out``: it has no effect here. ``changed``: it has another one. ``to do``: it is expressed, but something is needed.

    ``value`` is ready to be shown, and may be empty.
    """

    kind: Kind
    path: str
    value: str
    why: str
    do: str

    @property
    def line(self) -> str:
        """Path, value, why, and what to do."""
        came = f" = {self.value}" if self.value else ""
        return show(f"{self.kind}: {self.path}{came}: {self.why}; {self.do}", 1000)


class Findings:
    """Collects them in the order of the source."""

    def __init__(self) -> None:
        self.all: list[Finding] = []

    @property
    def partial(self) -> bool:
        """Whether something was left out or changed."""
        return any(each.kind != "to do" for each in self.all)

    def left_out(self, path: str, value: object, why: str, do: str) -> None:
        """``value`` is shown; see :func:`shown`."""
        self._add("left out", path, value, why, do)

    def changed(self, path: str, value: object, why: str, do: str) -> None:
        """As :meth:`left_out`."""
        self._add("changed", path, value, why, do)

    def to_do(self, path: str, value: object, why: str, do: str) -> None:
        """As :meth:`left_out`. The same thing is told once."""
        self._add("to do", path, value, why, do)

    def _add(self, kind: Kind, path: str, value: object, why: str, do: str) -> None:
        path, why, do = (_SECRET.sub("(not shown)", each) for each in (path, why, do))
        finding = Finding(kind=kind, path=path, value=shown(value), why=why, do=do)
        if finding not in self.all:
            self.all.append(finding)


class Hidden(msgspec.Struct, frozen=True):
    """A value that is not shown, only what it is."""

    value: object


def shown(value: object) -> str:
    """A value as a message may have it."""
    if isinstance(value, Hidden):
        return _kind_of(value.value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return show(str(value), SHOWN_CHARS)
    if isinstance(value, str) and not looks_secret(value):
        return f'"{show(value, SHOWN_CHARS)}"'
    return _kind_of(value)


def step(path: str, name: str) -> str:
    """The path of a member, after the file's name if there are several files. A name that looks like a secret is not shown."""
    part = "(not shown)" if looks_secret(name) else show(name, SHOWN_CHARS)
    return path + part if not path or path.endswith(FILE_END) else f"{path}.{part}"


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"a table of {len(value)}"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return "a text (not shown)" if isinstance(value, str) else "a number (not shown)"
