"""What is counted is the real thing."""

from __future__ import annotations

import json

from bench.count.ops_json import OPERATIONS


def test_what_the_operations_give() -> None:
    results = {name: operation()() for name, operation in OPERATIONS.items()}
    spliced = results["json.splice_model"]
    assert isinstance(spliced, bytes)
    assert json.loads(spliced)["model"] == "gpt-4o-mini-2024-07-18"
    usage = results["json.tap_answer_1k"]
    assert isinstance(usage, bytes)
    assert json.loads(usage)["prompt_tokens"] == 250
    assert results["json.read_counts"] == (250, 180, 0, 0, 0, 0)
