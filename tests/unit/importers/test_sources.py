"""Texts in, text out: which gateway they are of, and where things are when there are several."""

from __future__ import annotations

import tomllib

import pytest

from fastgw.domain.errors import ConfigError
from fastgw.importers.sources import import_texts

RULES = b"""
name: limits
type: gateway-rate-limiting-config
rules: [{id: a, limit_to: 5, unit: requests_per_hour, note: x}]
"""
SETTINGS = b"litellm_settings: {max_budget: 5, drop_params: true}\n"


def test_findings_are_at_the_top_of_the_text() -> None:
    imported = import_texts([("f.yaml", RULES)])
    assert imported.partial
    assert tomllib.loads(imported.toml)["rate_limits"] == [
        {"id": "a", "group": "limits", "limit": 5, "unit": "requests_per_hour"}
    ]
    lines = imported.toml.splitlines()
    assert lines[0] == "# Made by `fastgw import`. Check it with `fastgw check`."
    assert lines[1 : 1 + len(imported.findings)] == [f"# {each.line}" for each in imported.findings]
    assert imported.findings[0].path == "rules[0].note"


def test_paths_of_several_documents_and_files() -> None:
    two = import_texts([("f.yaml", RULES + b"---" + RULES)])
    left = [each.path for each in two.findings if each.kind == "left out"]
    assert left == ["document[0].rules[0].note", "document[1].rules[0].note"]
    listed = import_texts([("f.json", b'[{"type": "gateway-x"}, {"type": "gateway-y"}]')])
    assert [each.path for each in listed.findings][:2] == ["[0].type", "[1].type"]
    files = import_texts([("a.yaml", SETTINGS), ("b.json", b'{"keys": [{"key_alias": "k", "expires": "x"}]}')])
    assert [each.path for each in files.findings if each.kind == "left out"] == [
        "b.json: keys[0].expires",
        "a.yaml: litellm_settings.drop_params",
    ]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([("f", b"")], "expected manifests"),
        ([("f", b"a: 1")], "expected manifests"),
        ([("f", b"5")], "expected manifests"),
        ([("f", RULES), ("g", SETTINGS)], "expected manifests"),
        ([("f", RULES), ("g", b"a: 1")], "g: expected manifests"),
        ([("f", RULES + b"---\na: 1")], "document[1]: expected manifests"),
        ([("f", b"a: [")], "f: line 1, column"),
        ([("f", b"\xff")], "f: expected UTF-8"),
    ],
)
def test_files_that_are_refused(files: list[tuple[str, bytes]], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        import_texts(files)
    assert said in str(caught.value)
