"""Failure classes are stable words: they are in logs and metrics."""

from __future__ import annotations

from fastgw.domain.failure import FailureClass


def test_the_set_is_closed_and_its_words_are_stable() -> None:
    assert [str(each) for each in FailureClass] == [
        "transient",
        "rate_limited",
        "quota",
        "credential",
        "model_access",
        "model_gone",
        "region_blocked",
        "caller_fault",
        "protocol",
        "client_gone",
        "unknown",
    ]
