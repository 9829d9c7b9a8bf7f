"""The configuration that an import makes: rows, each of which the loader will take, and names that are used once.

Invariant: a row is added only when its struct takes it and nothing in it looks like a secret; what is refused is among the
findings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from fastgw.domain.errors import ConfigError
from fastgw.identity.config import KeyRow, TeamRow, UserRow
from fastgw.identity.secret import SecretText
from fastgw.importers.findings import Findings, looks_secret
from fastgw.importers.toml_text import Row, Value
from fastgw.limits.config import BudgetRow, RateLimitRow
from fastgw.providers.config import ProviderConfig
from fastgw.providers.registry import build_endpoint
from fastgw.routing.config import ModelRow
from fastgw.spend.config import PriceRow, period_of

_Struct = TypeVar("_Struct", bound=msgspec.Struct)
_ROWS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "prices": PriceRow,
    "models": ModelRow,
    "teams": TeamRow,
    "users": UserRow,
    "keys": KeyRow,
    "budgets": BudgetRow,
    "rate_limits": RateLimitRow,
}
_GLOB: Final = re.compile(r"([*?\[])")
_NO_ID: Final = re.compile(r"[^A-Za-z0-9_.:-]+")
_NO_PROVIDER: Final = re.compile(r"[^a-z0-9._-]+")
_NO_ENV: Final = re.compile(r"[^A-Z0-9_]+")
_MAX_ID_CHARS: Final = 120
_MAX_PROVIDER_CHARS: Final = 56


class Draft:
    """Grows while sources are read."""

    def __init__(self) -> None:
        self.findings: Final = Findings()
        self.server: dict[str, Value] = {}
        self.providers: dict[str, Row] = {}
        self.rows: Final[dict[str, list[Row]]] = {section: [] for section in _ROWS}
        self.accounts: Final[set[str]] = set()
        """Accounts of a source that were told of."""
        self._taken: dict[str, set[str]] = {"id": set(), "group": set(), "env": set(), "key": set(), "provider": set()}

    def add(self, section: str, path: str, row: Row) -> bool:
        """Add a row; ``path`` says where it comes from. Whether it was taken."""
        problem = _problem(section, row)
        if problem is not None:
            self.findings.left_out(path, None, problem, "correct it, or write it by hand")
            return False
        self.rows[section].append(row)
        return True

    def add_provider(self, path: str, name: str, row: Row) -> bool:
        """As :meth:`add`."""
        try:
            if _has_secret(row):
                raise ConfigError("", "it has what looks like a secret")
            build_endpoint(name, _convert(row, ProviderConfig))
        except (ConfigError, msgspec.ValidationError) as error:
            problem = error.problem if isinstance(error, ConfigError) else str(error)
            self.findings.left_out(path, None, problem, "write [providers.NAME] by hand")
            return False
        self.providers[name] = row
        return True

    def declare(self, section: str, path: str, name: str) -> bool:
        """See to it that a team or a user of this name is there."""
        return any(row["name"] == name for row in self.rows[section]) or self.add(section, path, {"name": name})

    def new_id(self, text: str) -> str:
        """An id for a rule, made of a text."""
        plain = "" if looks_secret(text) else _NO_ID.sub("-", text).strip("-_.:")[:_MAX_ID_CHARS]
        return self._once("id", plain or "rule", "-")

    def new_group(self, text: str) -> str:
        """A name for a group."""
        return self._once("group", "imported" if looks_secret(text) or not text else text[:_MAX_ID_CHARS], "-")

    def new_key(self, text: str) -> str:
        """A name for a key."""
        return self._once("key", text, "-")

    def new_env(self, text: str) -> str:
        """The name of an environment variable that nothing else uses."""
        plain = _NO_ENV.sub("_", text.upper()).strip("_")
        return self._once("env", plain if plain[:1].isalpha() else f"FASTGW_{plain}".rstrip("_"), "_")

    def new_provider(self, text: str) -> str:
        """A name for a provider."""
        plain = _NO_PROVIDER.sub("-", text.lower()).strip("-_.")[:_MAX_PROVIDER_CHARS]
        return self._once("provider", plain or "provider", "-")

    def keep_env(self, name: str) -> None:
        """A variable that the source itself names."""
        self._taken["env"].add(name)

    def sections(self) -> dict[str, Row | list[Row]]:
        """For :func:`fastgw.importers.toml_text.document`."""
        found: dict[str, Row | list[Row]] = {"server": self.server, "providers": self.providers}
        found.update(self.rows)
        return found

    def _once(self, space: str, wanted: str, separator: str) -> str:
        name, number = wanted, 1
        while name in self._taken[space]:
            number += 1
            name = f"{wanted}{separator}{number}"
        self._taken[space].add(name)
        return name


def literal(text: str) -> str:
    """A glob that matches this text alone."""
    return _GLOB.sub(r"[\1]", text)


def _problem(section: str, row: Row) -> str | None:
    if _has_secret(row):
        return "it has what looks like a secret, and secrets are not written"
    try:
        taken = _convert(row, _ROWS[section])
        if isinstance(taken, PriceRow):
            period_of(taken, "prices")
    except msgspec.ValidationError as error:
        return str(error)
    except ConfigError as error:
        return str(error)
    return None


def _convert(row: Row, kind: type[_Struct]) -> _Struct:
    def decode(wanted: type, raw: object) -> object:
        if wanted is SecretText and isinstance(raw, str):
            return SecretText("x", raw)
        raise ValueError("expected nothing here")

    return msgspec.convert(row, kind, strict=True, dec_hook=decode)


def _has_secret(value: Value) -> bool:
    if isinstance(value, str):
        return not value.startswith("env:") and looks_secret(value)
    if isinstance(value, Mapping):
        return any(looks_secret(name) or _has_secret(each) for name, each in value.items())
    return not isinstance(value, (bool, int, float)) and any(_has_secret(each) for each in value)
