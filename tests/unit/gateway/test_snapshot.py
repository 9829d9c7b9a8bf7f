"""A snapshot finds where a name leads, remembers it within bounds, and compiles what is the same for every call."""

from __future__ import annotations

import pytest

from fastgw.domain.errors import GatewayError
from fastgw.gateway.snapshot import MEMO_ROUTES
from tests.unit.gateway.playbook import UPSTREAM_KEY, Play


def test_a_route_has_all_that_a_call_needs(play: Play) -> None:
    route = play.snapshot.route("gpt", "chat")
    assert (route.name, route.provider, route.region) == ("up/gpt-real", "up", "")
    assert route.path == b"/v1/chat/completions"
    assert route.model_line == b"x-fastgw-model: up/gpt-real\r\n"
    assert route.price is not None
    assert route.via.account is play.up
    assert UPSTREAM_KEY.encode() in route.via.fixed_lines


def test_each_operation_has_its_own_path(play: Play) -> None:
    assert play.snapshot.route("gpt", "embed").path == b"/v1/embeddings"
    assert play.snapshot.route("gpt", "respond").path == b"/v1/responses"
    assert play.snapshot.route("claude/c", "count_tokens").path == b"/v1/messages/count_tokens"


def test_an_unpriced_target_has_no_price(play: Play) -> None:
    assert play.snapshot.route("nobody-knows/llama", "chat").price is None


@pytest.mark.parametrize(("alias", "status"), [("nowhere/x", 404), ("claude/c", 400), ("", 404)])
def test_a_name_that_leads_nowhere(play: Play, alias: str, status: int) -> None:
    for _ in range(2):
        with pytest.raises(GatewayError) as caught:
            play.snapshot.route(alias, "chat")
        assert caught.value.status == status


def test_routes_are_remembered_within_bounds(play: Play) -> None:
    first = play.snapshot.route("up/m", "chat")
    assert play.snapshot.route("up/m", "chat") is first
    assert play.snapshot.route("up/m", "embed") is not first
    for number in range(MEMO_ROUTES):
        play.snapshot.route(f"up/m{number}", "chat")
    again = play.snapshot.route("up/m", "chat")
    assert again is not first, "names come from callers: the memo is emptied when it is full"
    assert (again.name, again.path) == (first.name, first.path)


def test_a_name_of_any_script_makes_a_line_that_is_a_header(play: Play) -> None:
    line = play.snapshot.route("up/modèle 中 ", "chat").model_line
    assert line == b"x-fastgw-model: up/mod\\xe8le \\u4e2d\r\n"


def test_the_filters(play: Play) -> None:
    via = play.snapshot.route("gpt", "chat").via
    for dropped in (b"authorization", b"x-request-id", b"X-Fastgw-User", b"accept-encoding", b"openai-organization"):
        assert dropped in via.request_filter
    for kept in (b"user-agent", b"x-stainless-os", b"openai-beta"):
        assert kept not in via.request_filter
    for dropped in (b"set-cookie", b"server", b"x-request-id", b"x-fastgw-cost-usd", b"openai-organization"):
        assert dropped in via.response_filter
    for kept in (b"content-type", b"content-encoding", b"retry-after", b"x-ratelimit-limit-requests"):
        assert kept not in via.response_filter
