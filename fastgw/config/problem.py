"""Turns msgspec's words into ours: a path with every name in it, what was expected, what came.

msgspec writes ``$.providers[...].kind`` for the values of a table, without the name; the name is found by converting
the document again with one entry at a time. That runs only when a configuration is refused.

Invariant: a value is shown only when it is a number, or a string of a field that is known to be no secret.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

import msgspec
from msgspec import inspect

from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError
from fastgw.domain.text import show

Convert = Callable[[dict[str, Any]], Settings]

_PLACE: Final = re.compile(r"(?P<problem>.*?)(?: - at (?P<key>`key` in )?`\$(?P<path>.*)`)?", re.DOTALL)
_STEP: Final = re.compile(r"\.(?P<name>[A-Za-z0-9_]+)|\[(?P<index>\d+)\]|(?P<any>\[\.\.\.\])")
_FIELD: Final = re.compile(r"Object (?P<kind>contains unknown|missing required) field `(?P<name>.*)`", re.DOTALL)
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_SHOWN_STRINGS: Final = frozenset({"kind", "name", "region", "target", "team", "user"})


def explain(document: dict[str, Any], error: msgspec.ValidationError, convert: Convert) -> ConfigError:
    """The :class:`ConfigError` for a refused document. ``convert`` is what refused it."""
    text = str(error)
    found = _PLACE.fullmatch(text)
    assert found is not None  # noqa: S101 - every part of the pattern is optional
    steps: list[str | int] = []
    for step in _STEP.finditer(found["path"] or ""):
        if step["any"]:
            steps.append(_name_at_fault(document, steps, text, convert))
        else:
            steps.append(step["name"] if step["name"] is not None else int(step["index"]))
    if found["key"]:
        steps.append(_name_at_fault(document, steps, text, convert))
        return ConfigError(_path(steps), _key_problem(steps, found["problem"]))
    if error.__cause__ is not None:  # written by load's resolver, complete as it is
        return ConfigError(_path(steps), found["problem"])
    if field := _FIELD.fullmatch(found["problem"]):
        return _field_error(steps, field["kind"], field["name"])
    return ConfigError(_path(steps), _value_problem(document, steps, found["problem"]))


def _name_at_fault(document: dict[str, Any], steps: list[str | int], text: str, convert: Convert) -> str:
    entries = _at(document, steps).items()
    refusals = ((name, _refusal(_replaced(document, steps, {name: value}), convert)) for name, value in entries)
    return next((str(name) for name, refusal in refusals if refusal == text), "...")


def _refusal(document: dict[str, Any], convert: Convert) -> str | None:
    try:
        convert(document)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _field_error(steps: list[str | int], kind: str, name: str) -> ConfigError:
    path = _path([*steps, name])
    if kind == "missing required":
        return ConfigError(path, "expected this key, which is required, got nothing")
    node = _plain(_type_at(steps))
    known = [field.encode_name for field in node.fields] if isinstance(node, inspect.StructType) else []
    close = get_close_matches(name, known, n=1)
    hint = f"; did you mean `{close[0]}`?" if close else ""
    return ConfigError(path, f"unknown key, expected one of {', '.join(known)}{hint}")


def _key_problem(steps: list[str | int], problem: str) -> str:
    table = _plain(_type_at(steps[:-1]))
    description = _description(table.key_type) if isinstance(table, inspect.DictType) else None
    return f"expected a name of {description}" if description else f"{_lower(problem)} as a name"


def _value_problem(document: dict[str, Any], steps: list[str | int], problem: str) -> str:
    value = _at(document, steps)
    node = _type_at(steps)
    plain, description = _plain(node), _description(node)
    if isinstance(plain, inspect.LiteralType) and isinstance(value, str):
        problem = f"expected one of {', '.join(str(each) for each in plain.values)}"
    elif isinstance(value, str) and description:
        problem = f"expected {description}"
    problem = _lower(problem)
    if ", got " in problem:
        return problem
    if isinstance(value, (int, float)):
        return f"{problem}, got {value}"
    if isinstance(value, str) and steps[-1] in _SHOWN_STRINGS:
        return f'{problem}, got "{show(value, 80)}"'
    return (
        f"{problem}, got {len(value)} elements"
        if isinstance(value, (list, dict))
        else f"{problem} (what came is not shown)"
    )


def _type_at(steps: list[str | int]) -> inspect.Type:
    node: inspect.Type = inspect.type_info(Settings)
    for step in steps:
        node = _plain(node)
        if isinstance(node, inspect.StructType):
            node = next(field.type for field in node.fields if field.encode_name == step)
        elif isinstance(node, inspect.DictType):
            node = node.value_type
        elif isinstance(node, inspect.VarTupleType):
            node = node.item_type
    return node


def _description(node: inspect.Type) -> str | None:
    if isinstance(node, inspect.Metadata):
        found = (node.extra_json_schema or {}).get("description")
        return found if isinstance(found, str) else None
    return None


def _plain(node: inspect.Type) -> inspect.Type:
    if isinstance(node, inspect.UnionType):  # ``X | None``: TOML has no null
        node = next(each for each in node.types if not isinstance(each, inspect.NoneType))
    return _plain(node.type) if isinstance(node, inspect.Metadata) else node


def _at(document: Any, steps: list[str | int]) -> Any:
    for step in steps:
        document = document[step]
    return document


def _replaced(node: Any, steps: list[str | int], value: Mapping[str, Any]) -> Any:
    if not steps:
        return value
    copy = node.copy()
    copy[steps[0]] = _replaced(node[steps[0]], steps[1:], value)
    return copy


def _path(steps: list[str | int]) -> str:
    path = ""
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            name = step if _BARE.fullmatch(step) else f'"{show(step, 80)}"'
            path += f".{name}" if path else name
    return path


def _lower(problem: str) -> str:
    return problem[:1].lower() + problem[1:]
