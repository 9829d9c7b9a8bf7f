"""Health, readiness, and the models that a caller may ask for."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from fastgw.front.public_routes import public_routes
from fastgw.telemetry.stats_page import StatsPage
from tests.unit.front.slow_side import code_of, request, talk
from tests.unit.gateway.playbook import ALIASED_KEY, APP_KEY, NARROW_KEY, Play, Reply


def get(play: Play, *paths_and_headers: Any, stats: StatsPage | None = None) -> list[Reply]:
    routes = public_routes(lambda: play.snapshot, stats or StatsPage(1))
    return talk(routes, *(request("GET", path, headers) for path, headers in paths_and_headers))


def test_health(play: Play) -> None:
    for reply in get(play, ("/", {}), ("/healthz", {})):
        assert (reply.status, orjson.loads(reply.body)) == (200, {"status": "ok"})


def test_readiness_tells_what_is_wrong(play: Play) -> None:
    stats = StatsPage(2)
    stats.row(0).put("ready", 1)
    (well,) = get(play, ("/readyz", {}), stats=stats)
    assert orjson.loads(well.body) == {"status": "ok", "workers_ready": 1, "reasons": []}
    stats.row(1).put("ledger_problem", 1)
    (ill,) = get(play, ("/readyz", {}), stats=stats)
    assert ill.status == 200, "degraded still serves"
    assert orjson.loads(ill.body)["status"] == "degraded"


@pytest.mark.parametrize(
    ("headers", "listed"),
    [
        ({"authorization": f"Bearer {APP_KEY}"}, ["gpt"]),
        ({"x-api-key": ALIASED_KEY}, ["gpt"]),
        ({"x-goog-api-key": APP_KEY}, ["gpt"]),
        ({"api-key": APP_KEY}, ["gpt"]),
    ],
)
def test_the_models_of_a_caller(play: Play, headers: dict[str, str], listed: list[str]) -> None:
    (reply,) = get(play, ("/v1/models", headers))
    assert reply.status == 200
    document = orjson.loads(reply.body)
    assert document["object"] == "list"
    assert [row["id"] for row in document["data"]] == listed
    assert document["data"][0] == {
        "id": "gpt",
        "object": "model",
        "created": 0,
        "owned_by": "up",
        "fastgw_target": "up/gpt-real",
    }


def test_models_allowed_by_their_target_are_listed(play: Play) -> None:
    # A call for `gpt` with this key is served, so the list names it.
    (reply,) = get(play, ("/v1/models", {"x-api-key": NARROW_KEY}))
    assert [row["id"] for row in orjson.loads(reply.body)["data"]] == ["gpt"]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_key"),
        ({"x-api-key": "nobody-0123456789"}, "unknown_key"),
        ({"x-api-key": APP_KEY, "api-key": NARROW_KEY}, "ambiguous_credentials"),
        ({"x-api-key": "h\xe9llo"}, "unknown_key"),
    ],
)
def test_strangers_learn_nothing(play: Play, headers: dict[str, str], code: str) -> None:
    (reply,) = get(play, ("/v1/models", headers))
    assert (reply.status, code_of(reply)) == (401, code)


def test_the_configuration_in_force_is_asked_each_time(play: Play) -> None:
    asked = []
    routes = public_routes(lambda: asked.append(1) or play.snapshot, StatsPage(1))  # type: ignore[func-returns-value]
    talk(routes, *[request("GET", "/v1/models", {"api-key": APP_KEY})] * 2)
    assert len(asked) == 2
