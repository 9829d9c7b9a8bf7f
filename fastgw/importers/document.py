"""Reads the text of a configuration of another gateway, YAML or JSON, into plain values.

Invariant: what comes out has at most :data:`MAX_NODES` values with every alias expanded, no repeated key, and texts that can be
written as UTF-8; numbers are exact (``int`` or ``Decimal``). YAML is read by the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema): ``on`` and ``yes`` are texts, as are dates. No tag makes an object.

Problems of the text are told by line; words of it are not repeated, because they may be a secret.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Final

import yaml

from fastgw.domain.errors import ConfigError
from fastgw.domain.text import show

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 64

_QUOTED: Final = re.compile(r"'[^']{2,}'|\"[^\"]{2,}\"")
_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = _TAG + "merge"


def parse_documents(data: bytes) -> list[object]:
    """The documents of a file: one of JSON, or any number of YAML. Empty ones are left away.

    Raises:
        ConfigError: it is neither, or larger than is taken.
    """
    if len(data) > MAX_BYTES:
        raise ConfigError("", f"expected at most {MAX_BYTES} bytes, got more")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("", f"expected UTF-8, got other bytes at offset {error.start}") from None
    try:
        documents = _json(text) if text.lstrip()[:1] in {"{", "["} else None
        if documents is None:
            documents = _yaml(text)
    except RecursionError:
        raise ConfigError("", f"expected at most {MAX_DEPTH} levels, got more") from None
    found = [document for document in documents if document is not None]
    _check(found, 0, {})
    return found


def _json(text: str) -> list[object] | None:
    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        table = dict(items)
        if len(table) != len(items):
            raise ConfigError("", "expected each key of a JSON object once, got one twice")
        return table

    try:
        return [json.loads(text, parse_float=Decimal, object_pairs_hook=pairs)]
    except ValueError:
        return None  # YAML in braces looks the same


def _yaml(text: str) -> list[object]:
    try:
        loader = _Loader(text)
        documents: list[object] = []
        while loader.check_node():
            node = loader.get_node()
            if node is not None:
                _expanded_nodes(node, {})
                documents.append(loader.construct_document(node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise ConfigError(place, f"expected YAML or JSON: {_wordless(error.problem or '')}") from None
    except yaml.YAMLError:
        raise ConfigError("", "expected YAML or JSON, got characters that it may not have") from None
    except ValueError:
        raise ConfigError("", "expected numbers of a sensible length, and tags that fit what they are before") from None
    return documents


def _wordless(problem: str) -> str:
    return show(_QUOTED.sub("(not shown)", problem))


def _expanded_nodes(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for with aliases expanded; each node is visited once."""
    if id(node) in known:
        count = known[id(node)]
        if not count:
            raise ConfigError(_place(node), "expected no value inside itself, got an alias of what is around it")
        return count
    known[id(node)] = 0
    count = 1
    if isinstance(node, yaml.CollectionNode):
        for child in node.value:
            for each in child if isinstance(child, tuple) else (child,):
                count += _expanded_nodes(each, known)
    if count > MAX_NODES:
        raise ConfigError(_place(node), f"expected at most {MAX_NODES} values with aliases expanded, got more")
    known[id(node)] = count
    return count


def _check(value: object, depth: int, known: dict[int, int]) -> int:
    """As :func:`_expanded_nodes`, of values that were read."""
    if isinstance(value, str):
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise ConfigError("", "expected texts of whole characters, got half a surrogate pair")
        return 1
    if not isinstance(value, (list, dict)):
        return 1
    if id(value) in known:
        return known[id(value)]
    if depth > MAX_DEPTH:
        raise ConfigError("", f"expected at most {MAX_DEPTH} levels, got more")
    children = [*value, *value.values()] if isinstance(value, dict) else value
    count = 1 + sum(_check(each, depth + 1, known) for each in children)
    if count > MAX_NODES:
        raise ConfigError("", f"expected at most {MAX_NODES} values, got more")
    known[id(value)] = count
    return count


def _place(node: yaml.Node) -> str:
    return f"line {node.start_mark.line + 1}, column {node.start_mark.column + 1}"


class _Loader(yaml.SafeLoader):
    """Composes with bounds, and constructs nothing but texts, numbers, truth values, lists and tables."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - declared so where it comes from
    yaml_constructors: ClassVar[dict[Any, Any]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._nodes = 0
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:  # type: ignore[explicit-override] # 3.12
        self._nodes += 1
        self._depth += 1
        if self._nodes > MAX_NODES or self._depth > MAX_DEPTH:
            raise ConfigError("", f"expected at most {MAX_NODES} values and {MAX_DEPTH} levels, got more")
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # type: ignore[explicit-override] # 3.12
        mapping = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in mapping.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(_place(key), "expected a plain key, got a list or a table")
            if key.value in seen:
                raise ConfigError(_place(key), "expected each key of a table once, got one twice")
            seen.add(key.value)
            if key.tag != _MERGE:
                key.tag = _TAG + "str"
        return mapping


def _number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> object:
    text = loader.construct_scalar(node)
    try:
        return Decimal(text)
    except InvalidOperation:
        return text  # .inf and .nan: no number of ours


def _truth(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> bool:
    text = loader.construct_scalar(node).lower()
    if text not in {"true", "false"}:
        raise ValueError("neither true nor false")
    return text == "true"


def _whole(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = loader.construct_scalar(node)
    return int(text, 0) if text[:2] in {"0x", "0o"} else int(text)


def _fill() -> None:
    first = "-+0123456789."
    resolvers: tuple[tuple[str, str, str], ...] = (
        ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
        ("null", r"^(?:~|null|Null|NULL|)$", "~nN"),
        ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", first),
        ("float", r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?)$", first),
        ("merge", r"^(?:<<)$", "<"),
    )
    for name, pattern, starts in resolvers:
        chars = [*starts, ""] if name == "null" else list(starts)
        _Loader.add_implicit_resolver(_TAG + name, re.compile(pattern), chars)
    kinds = {
        "str": yaml.SafeLoader.construct_yaml_str,
        "null": yaml.SafeLoader.construct_yaml_null,
        "bool": _truth,
        "int": _whole,
        "float": _number,
        "seq": yaml.SafeLoader.construct_yaml_seq,
        "map": yaml.SafeLoader.construct_yaml_map,
        None: yaml.SafeLoader.construct_undefined,
    }
    for kind, make in kinds.items():
        _Loader.add_constructor(None if kind is None else _TAG + kind, make)


_fill()
