"""Wall time of the operations in ``bench/count/ops_ledger`` (``python -m pytest bench/micro``).

Compare only interleaved runs of one session: between sessions the machine differs by more than the code.
"""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.count.ops_ledger import OPERATIONS


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operation(benchmark: BenchmarkFixture, operation: str) -> None:
    benchmark(OPERATIONS[operation]())
