"""Six paths, matched byte for byte."""

from __future__ import annotations

import pytest

from fastgw.domain.operation import DIALECT_OF, OPERATIONS
from fastgw.front.endpoints import ENDPOINTS, query_of, resolve


@pytest.mark.parametrize(
    ("path", "operation"),
    [
        (b"/v1/chat/completions", "chat"),
        (b"/v1/completions", "complete"),
        (b"/v1/embeddings", "embed"),
        (b"/v1/responses", "respond"),
        (b"/v1/messages", "message"),
        (b"/v1/messages/count_tokens", "count_tokens"),
    ],
)
def test_the_paths_of_the_fast_lane(path: bytes, operation: str) -> None:
    for target in (path, path + b"?beta=true", path + b"?"):
        endpoint = resolve(target)
        assert endpoint is not None
        assert endpoint.operation == operation
        assert endpoint.path.encode() == path


def test_every_operation_has_one_path_in_its_dialect() -> None:
    assert sorted(endpoint.operation for endpoint in ENDPOINTS.values()) == sorted(OPERATIONS)
    assert all(endpoint.dialect == DIALECT_OF[endpoint.operation] for endpoint in ENDPOINTS.values())


@pytest.mark.parametrize(
    "path",
    [
        b"",
        b"/",
        b"*",
        b"?",
        b"/v1/messages/",
        b"//v1/messages",
        b"/V1/messages",
        b"/v1/%6dessages",
        b"/chat/completions",
        b"/v1/models",
        b"/v1/responses/resp_1",
        b"http://h/v1/messages",
        b"/v1/messages;a",
        b"/v1/messages#a",
    ],
)
def test_no_other_spelling_reaches_one(path: bytes) -> None:
    assert resolve(path) is None


@pytest.mark.parametrize(
    ("target", "query"), [(b"/a", b""), (b"/a?", b"?"), (b"/a?b=c", b"?b=c"), (b"/a?b?c", b"?b?c")]
)
def test_the_query_goes_on_as_it_came(target: bytes, query: bytes) -> None:
    assert query_of(target) == query
