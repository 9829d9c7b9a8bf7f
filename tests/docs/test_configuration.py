"""The page of settings says what the structs say: every key, no other, and the default that is in force."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import certifi
import pytest
from msgspec import NODEFAULT, inspect

from fastgw.admin.config import DEFAULT_LISTEN
from fastgw.config.load import load
from fastgw.config.root import Settings
from fastgw.spend.config import Price

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `([^`]+)` \| (.+?) \| (.*?) ?\| (.+) \|$", re.MULTILINE)
# Written as what takes effect, where the struct says that nothing was given.
EFFECTIVE = {"admin.listen": f'`"{DEFAULT_LISTEN}"`'}


def plain(node: inspect.Type) -> inspect.Type:
    if isinstance(node, inspect.Metadata):
        return plain(node.type)
    if isinstance(node, inspect.UnionType):
        return plain(next(each for each in node.types if not isinstance(each, inspect.NoneType)))
    return node


def keys_of(node: inspect.Type, prefix: str) -> Iterator[tuple[str, str]]:
    node = plain(node)
    if isinstance(node, inspect.VarTupleType):
        yield from keys_of(node.item_type, f"{prefix}[]")
    elif isinstance(node, inspect.DictType):
        yield from keys_of(node.value_type, f"{prefix}.NAME")
    elif isinstance(node, inspect.StructType):
        for field in node.fields:
            path = f"{prefix}.{field.encode_name}" if prefix else field.encode_name
            nested = list(keys_of(field.type, path))
            if not isinstance(plain(field.type), inspect.StructType) and prefix:
                yield path, default_of(field)
            yield from nested


def default_of(field: inspect.Field) -> str:
    default = field.default if field.default is not NODEFAULT else field.default_factory
    if default is NODEFAULT:
        return "required"
    value = default() if callable(default) else default
    return "none" if value is None else f"`{json.dumps(list(value) if isinstance(value, tuple) else value)}`"


def as_documented(key: str) -> str:
    """The rates of a price are listed once, under ``prices[]``; elsewhere the page speaks of any ``RATE``."""
    prefix, _, leaf = key.rpartition(".")
    return f"{prefix}.RATE" if leaf in Price.__struct_fields__ and prefix != "prices[]" else key


def test_every_key_is_documented_with_its_default_and_no_other() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    rows = [(key, default) for key, default, _, _ in ROW.findall(page)]
    expected = {
        as_documented(key): EFFECTIVE.get(key, default) for key, default in keys_of(inspect.type_info(Settings), "")
    }

    assert dict(rows) == expected
    assert len(rows) == len(expected), "a key is documented twice"


CONFIGS = [path for path in sorted((ROOT / "configs").glob("*.toml")) if not path.name.endswith(".test.toml")]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_example_is_a_good_configuration(path: Path, tmp_path: Path) -> None:
    names = re.findall(r'"env:([A-Z_]+)"', path.read_text("utf-8"))
    (tmp_path / "onprem.key").write_text("a-secret-of-the-server\n")
    (tmp_path / "private-ca.pem").write_bytes(Path(certifi.where()).read_bytes())

    settings = load(path, {name: f"https://{name}.invalid/0123456789abcdef" for name in names}, tmp_path)

    assert settings.providers
    assert settings.keys


def test_the_full_example_holds_every_key() -> None:
    text = (ROOT / "configs" / "full.toml").read_text("utf-8")
    leaves = {key.rpartition(".")[2] for key, _ in keys_of(inspect.type_info(Settings), "")}

    missing = {leaf for leaf in leaves if not re.search(rf"\b{leaf}\b", text)}

    assert not missing
