"""Reading wrk's result line."""

from __future__ import annotations

import pytest

from bench.wrk import ClosedLoop, parse_result


def test_parse_result() -> None:
    output = 'Running 5s test\n  1 threads\nRESULT {"requests": 123, "duration_us": 5000123, "failed": 2}\n'
    assert parse_result(output) == ClosedLoop(123, 5_000_123, 2)


def test_no_result() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        parse_result("unable to connect to 127.0.0.1:1")
