"""Reads a configuration: TOML text to :class:`Settings`, with secrets resolved and everything checked.

Invariant: either the whole configuration is good, or a :class:`ConfigError` names the field, what was expected and
what came, and shows no secret. The environment is a mapping that the caller passes in; nothing else than it and named
files is read.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from fastgw.config.check import verify
from fastgw.config.problem import explain
from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError
from fastgw.domain.text import show
from fastgw.identity.secret import MAX_SECRET_BYTES, SecretText

MAX_FILE_BYTES: Final = 16 * 1024 * 1024

_ENV: Final = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)", re.ASCII)
_FILE: Final = re.compile(r"file:([^\x00-\x1f\x7f]+)")
_VISIBLE: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)
_TOML_PLACE: Final = re.compile(r"(?P<problem>.*) \(at (?P<place>line \d+, column \d+|end of document)\)", re.DOTALL)

_DISCOVERED: Final = (
    ("openai", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    ("anthropic", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
)


def load(source: Path | str, env: Mapping[str, str], base_dir: Path | None = None) -> Settings:
    """Read and check a configuration: a file when ``source`` is a path, else the text itself.

    Relative ``file:`` references and ``ca_file`` start at ``base_dir``: by default the file's folder, for text the
    current one.

    Raises:
        ConfigError: anything is wrong.
    """
    if isinstance(source, Path):
        text, base_dir = _read_text(source), base_dir or source.parent
    else:
        text = source
    return _convert(_parse(text), env, base_dir or Path())


def discover(env: Mapping[str, str]) -> Settings:
    """The configuration when there is no file: a provider for each vendor whose key is in the environment. It has no
    keys.

    Raises:
        ConfigError: there is none, or one cannot be used.
    """
    providers = {}
    for kind, key, url in _DISCOVERED:
        if env.get(key):
            providers[kind] = {
                "kind": kind,
                "api_key": f"env:{key}",
                **({"base_url": env[url]} if env.get(url) else {}),
            }
    if not providers:
        names = " or ".join(key for _, key, _ in _DISCOVERED)
        raise ConfigError("providers", f"expected a configuration file, or {names} in the environment; got neither")
    return _convert({"providers": providers}, env, Path())


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ConfigError(str(path), f"expected at most {MAX_FILE_BYTES} bytes")
        return data.decode("utf-8")
    except OSError as error:
        raise ConfigError(str(path), f"expected a readable file: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"expected UTF-8, got other bytes at offset {error.start}") from None


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConfigError("", "expected TOML of a sensible depth") from None
    except tomllib.TOMLDecodeError as error:
        found = _TOML_PLACE.fullmatch(str(error))
        place, problem = (found["place"], found["problem"]) if found else ("", str(error))
        if place == "end of document":
            place = f"line {text.count(chr(10)) + 1}, column {len(text) - text.rfind(chr(10))}"
        raise ConfigError(place, f"expected TOML: {show(problem)}") from None
    except ValueError:
        raise ConfigError("", "expected numbers of a sensible length") from None


def _convert(document: dict[str, Any], env: Mapping[str, str], base_dir: Path) -> Settings:
    resolver = _Resolver(env, base_dir)

    def convert(candidate: dict[str, Any]) -> Settings:
        return msgspec.convert(candidate, Settings, strict=True, dec_hook=resolver.decode)

    try:
        settings = convert(document)
    except msgspec.ValidationError as error:
        raise explain(document, error, convert) from None
    verify(settings)
    return settings


class _Resolver:
    """Makes the types that TOML does not know. Texts of its ``ValueError`` become the problem of a ``ConfigError``."""

    def __init__(self, env: Mapping[str, str], base_dir: Path) -> None:
        self._env = env
        self._base_dir = base_dir

    def decode(self, kind: type, raw: object) -> object:
        if kind is SecretText:
            return self._secret(raw)
        if not isinstance(raw, str):
            raise ValueError(f"expected a string, got `{type(raw).__name__}`")  # noqa: TRY004 - the text is the point
        if kind is Path:
            return self._base_dir / raw
        raise NotImplementedError(f"no decoding for {kind}")  # what msgspec asks of a dec_hook

    def _secret(self, raw: object) -> SecretText:
        expected = "expected a reference env:NAME or file:PATH"
        if not isinstance(raw, str):
            raise ValueError(f"{expected}, got `{type(raw).__name__}`")  # noqa: TRY004 - the text is the point
        if found := _ENV.fullmatch(raw):
            value = self._env.get(found[1])
            if value is None:
                raise ValueError(f"expected the environment variable {found[1]} to be set, got nothing")
        elif found := _FILE.fullmatch(raw):
            value = self._read_secret(found[1])
        else:
            raise ValueError(f"{expected}, got something else (not shown)")
        if not value:
            raise ValueError(f"expected a secret in {show(raw)}, got an empty one")
        if len(value) > MAX_SECRET_BYTES or _VISIBLE.fullmatch(value) is None:
            raise ValueError(
                f"expected the secret in {show(raw)} to be 1 to {MAX_SECRET_BYTES} visible ASCII characters (not shown)"
            )
        return SecretText(value, raw)

    def _read_secret(self, name: str) -> str:
        path = self._base_dir / name
        try:
            if not path.is_file():
                raise ValueError(f"expected file:{show(name)} to be a file, got none")
            with path.open("rb") as file:
                data = file.read(MAX_SECRET_BYTES + 3)
        except OSError as error:
            raise ValueError(f"expected file:{show(name)} to be readable: {error.strerror}") from None
        return data.removesuffix(b"\n").removesuffix(b"\r").decode("latin-1")
