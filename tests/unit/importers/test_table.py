"""Tables: what was not read is told."""

from __future__ import annotations

from fastgw.importers.findings import Findings
from fastgw.importers.table import Table


def table(**members: object) -> Table:
    return Table(members, "top", Findings())


def lines(of: Table) -> list[str]:
    return [each.line for each in of.findings.all]


def test_members_of_the_right_type() -> None:
    read = table(text="a", flag=True, texts=["a", "b"], table={"x": 1}, tables=[{"y": 2}])
    assert read.text("text") == "a"
    assert read.flag("flag")
    assert read.texts("texts") == ["a", "b"]
    inner = read.table("table")
    assert (inner.path, inner.get("x")) == ("top.table", 1)
    [first] = read.tables("tables")
    assert (first.path, first.get("y")) == ("top.tables[0]", 2)
    read.finish()
    assert lines(read) == []


def test_absent_members() -> None:
    read = table(text="", none=None)
    assert read.text("text") is None
    assert read.text("other") is None
    assert not read.flag("flag")
    assert read.texts("texts") == []
    assert read.table("table").members == {}
    assert read.tables("tables") == []
    assert read.get("none") is None


def test_members_of_the_wrong_type_are_told_and_absent() -> None:
    read = table(text=1, flag="yes", texts="a", some=["a", 1], table=[], tables={}, list=[{"a": 1}, "hush"])
    assert read.text("text") is None
    assert not read.flag("flag")
    assert read.texts("texts") == []
    assert read.texts("some") == ["a"]
    assert read.table("table").members == {}
    assert read.tables("tables") == []
    assert len(read.tables("list")) == 1
    assert [line.partition(" = ")[0] for line in lines(read)] == [
        f"left out: top.{name}" for name in ("text", "flag", "texts", "some[1]", "table", "tables", "list[1]")
    ]
    assert "hush" not in "".join(lines(read))


def test_what_nobody_read_is_told_without_its_value() -> None:
    read = table(read=1, left="hush", hinted={"a": 1}, skipped="x", zero=0, none=None, empty="", off=False, nothing=[])
    read.get("read")
    read.skip(["skipped"])
    read.finish({"hinted": "do that"})
    read.finish()
    assert lines(read) == [
        "left out: top.left = a text (not shown): fastgw has nothing that does the same; decide whether you need it",
        "left out: top.hinted = a table of 1: fastgw has nothing that does the same; do that",
        "left out: top.zero = a number (not shown): fastgw has nothing that does the same; decide whether you need it",
    ]
