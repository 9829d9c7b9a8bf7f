"""Wall time of the ledger entry's codec (``python -m pytest bench/micro``).

Compare only interleaved runs of one session: between sessions the machine differs by more than the code.
"""

from __future__ import annotations

from pytest_benchmark.fixture import BenchmarkFixture

from bench.count.ops_entry import decode, encode, sample_entry


def test_encode(benchmark: BenchmarkFixture) -> None:
    assert benchmark(encode()) is not None


def test_decode(benchmark: BenchmarkFixture) -> None:
    assert benchmark(decode()) == sample_entry()
