"""What a caller is told of its own limits over HTTP."""

from __future__ import annotations

import orjson

from fastgw.front.usage_routes import usage_routes
from tests.unit.front.slow_side import code_of, request, talk
from tests.unit.gateway.playbook import ALIASED_KEY, Play

LIMITS = """
[[budgets]]
id = "each"
window = "day"
limit_usd = 1
per = ["user", "metadata.customer"]
"""


def test_limits_of_who_asks_as_whom_it_says() -> None:
    play = Play(LIMITS)
    routes = usage_routes(lambda: play.snapshot, play.counter_map, lambda: 5)
    headers = {
        "authorization": f"Bearer {ALIASED_KEY}",
        "x-fastgw-user": "ada",
        "x-fastgw-metadata": '{"customer":"acme"}',
    }
    told, unknown, odd = talk(
        routes,
        request("GET", "/v1/usage", headers),
        request("GET", "/v1/usage", {"authorization": "Bearer nobody"}),
        request("GET", "/v1/usage", {**headers, "x-fastgw-metadata": "nonsense"}),
    )
    assert told.status == 200
    document = orjson.loads(told.body)
    assert (document["object"], document["user"]) == ("usage", "ada")
    assert [(row["id"], row["scope"]) for row in document["limits"]] == [
        ("each", {"user": "ada", "metadata.customer": "acme"})
    ]
    assert (unknown.status, code_of(unknown)) == (401, "unknown_key")
    assert (odd.status, code_of(odd)) == (400, "invalid_metadata")
