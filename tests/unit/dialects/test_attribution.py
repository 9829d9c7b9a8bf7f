"""A caller can tell who refused."""

from __future__ import annotations

import pytest

from fastgw.dialects.attribution import attributed_message
from fastgw.domain.errors import GatewayError, Source


@pytest.mark.parametrize(
    ("source", "who"), [("client", "gateway"), ("policy", "gateway"), ("internal", "gateway"), ("upstream", "provider")]
)
def test_the_message_says_who_refused(source: Source, who: str) -> None:
    assert attributed_message(GatewayError("c", "why", status=400, source=source)) == f"{who}: why"


def test_what_utf8_cannot_carry_is_escaped() -> None:
    assert attributed_message(GatewayError("c", "\ud800é", status=400, source="client")) == "gateway: \\ud800é"
