"""OpenAI's paths and credential, as its official client sends them."""

from __future__ import annotations

from fastgw.domain.operation import DIALECT_OF
from fastgw.providers.openai import OPENAI


def test_it_serves_every_operation_of_its_dialect_and_no_other() -> None:
    assert set(OPENAI.paths) == {operation for operation, dialect in DIALECT_OF.items() if dialect == "openai"}


def test_paths_are_relative_to_a_base_with_the_version() -> None:
    assert OPENAI.default_base_url == "https://api.openai.com/v1"
    assert OPENAI.paths == {
        "chat": "/chat/completions",
        "complete": "/completions",
        "embed": "/embeddings",
        "respond": "/responses",
    }


def test_whose_account_is_billed_is_not_the_callers_choice() -> None:
    assert {b"openai-organization", b"openai-project"} <= set(OPENAI.request_headers_dropped)
