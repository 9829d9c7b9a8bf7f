"""``fastgw import``: reads files of another gateway, and writes our configuration when the loader takes it.

Invariant: what is written has passed the checks of ``serve``; a file that is there stays unless told otherwise.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fastgw.app.serve import AnySecret, check_prices
from fastgw.config.load import load
from fastgw.domain.errors import ConfigError
from fastgw.importers.document import MAX_BYTES
from fastgw.importers.sources import Imported, import_texts

PARTIAL = 3
"""Exit code: something was left out or changed."""


def import_files(paths: Sequence[Path], output: Path | None, *, force: bool, allow_partial: bool) -> int:
    """Import files into ``output``, or to standard output; findings go to standard error. Returns the exit code.

    Raises:
        ConfigError: a file cannot be used, or ``output`` is there already.
    """
    if output is not None and output.exists() and not force:
        raise ConfigError(str(output), "expected no file there, got one; --force replaces it")
    imported = import_texts([(str(path), _read(path)) for path in paths])
    _prove(imported)
    if output is None:
        print(imported.toml, end="")
    else:
        _write(output, imported.toml, force=force)
    for finding in imported.findings:
        print(finding.line, file=sys.stderr)
    return PARTIAL if imported.partial and not allow_partial else 0


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(str(path), f"expected a readable file: {error.strerror}") from None


def _prove(imported: Imported) -> None:
    try:
        check_prices(load(imported.toml, AnySecret()))
    except ConfigError as error:
        raise ConfigError(error.path, f"what was made of it is refused: {error.problem}") from None


def _write(path: Path, text: str, *, force: bool) -> None:
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(str(path), "expected no file there, got one; --force replaces it") from None
    except OSError as error:
        raise ConfigError(str(path), f"expected a place to write to: {error.strerror}") from None
