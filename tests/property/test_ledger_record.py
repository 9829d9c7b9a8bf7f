"""The native row and msgspec write the same bytes for the same values, and the entry that is read back is the one meant."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._native.journal import SETTLED, JournalReader, JournalWriter
from fastgw.domain.entry import LedgerEntry
from tests.model.calls import record_of

# Around every power of two as often as anywhere: those are where an integer's form changes.
INTS = st.integers(-(2**63), 2**63 - 1) | st.builds(
    lambda bits, off, sign: max(min(sign * (1 << bits) + off, 2**63 - 1), -(2**63)),
    st.integers(0, 63),
    st.integers(-2, 2),
    st.sampled_from((-1, 1)),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": INTS,
    "str": TEXTS,
    "bool": st.booleans(),
    "int | None": st.none() | INTS,
    "Outcome": st.sampled_from(("settled", "unknown")),
    "UsageSource": st.sampled_from(("reported", "clamped", "estimated", "none")),
    "dict[str, int] | None": st.none() | st.dictionaries(TEXTS, INTS, max_size=20),
    "dict[str, str] | None": st.none() | st.dictionaries(TEXTS, TEXTS, max_size=20),
}
ROWS = st.fixed_dictionaries(
    {name: VALUES[LedgerEntry.__annotations__[name]] for name in LedgerEntry.__struct_fields__}
)


@given(ROWS)
@settings(max_examples=200, deadline=None)
def test_the_bytes_are_those_of_the_struct(values: dict[str, Any]) -> None:
    entry = LedgerEntry(**values)
    wire = record_of(entry).encode()
    assert wire == msgspec.msgpack.encode(entry)
    assert msgspec.msgpack.decode(wire, type=LedgerEntry) == entry


@given(st.lists(ROWS, max_size=12))
@settings(max_examples=50, deadline=None)
def test_a_journal_gives_back_the_records_appended_to_it(tmp_path_factory: Any, rows: list[dict[str, Any]]) -> None:
    """One buffer serves records of all sizes, one after the other."""
    directory = tmp_path_factory.mktemp("journal")
    writer = JournalWriter(str(directory), 0, 1, 1 << 18)
    records = [record_of(LedgerEntry(**values)) for values in rows]
    for record in records:
        assert writer.append_record(SETTLED, record)
    found = [row for path in sorted(directory.glob("*.seg")) for row in JournalReader(str(path)).read()]
    writer.close()
    assert found == [(SETTLED, record.id, record.encode()) for record in records]
