"""TOML that is written is read back as it was meant."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fastgw.importers.toml_text import document, inline

WHOLE = st.characters(exclude_categories=["Cs"])
TEXTS = st.text(WHOLE, max_size=12)
SCALARS = st.one_of(TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda each: st.one_of(st.lists(each, max_size=4), st.dictionaries(TEXTS, each, max_size=4)), max_leaves=8
)


@given(VALUES)
def test_a_value_is_read_back(value: Any) -> None:
    assert tomllib.loads(f"v = {inline(value)}") == {"v": value}


@given(
    st.lists(st.text(WHOLE)),
    st.dictionaries(TEXTS, st.dictionaries(TEXTS, SCALARS, min_size=1, max_size=3), max_size=3),
    st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=3),
)
def test_a_document_is_read_back(comments: list[str], tables: Any, rows: Any) -> None:
    text = document(comments, {"tables": tables, "rows": rows, "plain": {"a": 1}, "none": {}, "no_rows": []})
    expected: dict[str, Any] = {"plain": {"a": 1}}
    if tables:
        expected["tables"] = tables
    if rows:
        expected["rows"] = rows
    assert tomllib.loads(text) == expected


def test_how_it_looks() -> None:
    text = document(["why"], {"server": {"a": 1, "inner": {"b": 'x"y'}}, "rows": [{"when": {"m k": ["a"]}}]})
    assert text == '# why\n\n[server]\na = 1\n\n[server.inner]\nb = "x\\"y"\n\n[[rows]]\nwhen = { "m k" = ["a"] }\n'
