"""What is counted is the real thing."""

from __future__ import annotations

from bench.count.ops_http import BODY, OPERATIONS, PICKED, answer_head, request_head


def test_the_samples_are_whole_messages() -> None:
    assert request_head().content_length == len(BODY) == 1024
    assert answer_head().content_length == 1024


def test_what_the_operations_give() -> None:
    results = {name: operation()() for name, operation in OPERATIONS.items()}
    picked = results["http.pick_headers"]
    assert isinstance(picked, tuple)
    assert len(picked) == len(PICKED)
    assert picked[1] == b"req-1"
    assert results["http.body_counted_1k"] == (BODY, 1024)
    forwarded = results["http.forward_request"]
    assert isinstance(forwarded, bytes)
    assert forwarded.endswith(BODY)
    assert b"k" * 48 not in forwarded
    chunks = results["http.body_31_chunks"]
    assert isinstance(chunks, tuple)
    assert chunks[0].endswith(b"data: [DONE]\n\n")
