"""A target's name is its account's name and the upstream model."""

from __future__ import annotations

import pytest

from fastgw.domain.target import Account, target_of

ACCOUNT = Account(name="onprem", kind="openai", operations=frozenset({"chat"}), region="eu-west")


def test_the_upstream_model_may_have_slashes() -> None:
    target = target_of(ACCOUNT, "meta-llama/Llama-3")

    assert target.name == "onprem/meta-llama/Llama-3"
    assert target.model == "meta-llama/Llama-3"
    assert (target.provider, target.region) == ("onprem", "eu-west")


def test_the_model_is_ready_to_be_spliced_as_json() -> None:
    assert target_of(ACCOUNT, 'a"b\\é').model_json == '"a\\"b\\\\é"'.encode()


def test_a_lone_surrogate_cannot_be_a_model() -> None:
    with pytest.raises(UnicodeEncodeError):
        target_of(ACCOUNT, "\ud800")


def test_a_target_does_not_change() -> None:
    with pytest.raises(AttributeError):
        target_of(ACCOUNT, "m").name = "other"  # type: ignore[misc]
