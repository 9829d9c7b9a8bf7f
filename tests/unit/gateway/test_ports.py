"""The implementations that the gateway is given have the members of its ports, with the same parameters."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from fastgw._native.provider_conn import ProviderConn
from fastgw.app.build import Pricing
from fastgw.front.respond import WireResponder
from fastgw.gateway import ports
from fastgw.ledger.recorder import Recorder
from fastgw.spend.pricer import TargetPrice
from fastgw.upstream.account import ProviderAccount
from tests.unit.gateway.playbook import Books, FakeAccount


@pytest.mark.parametrize(
    ("port", "implementation"),
    [
        (ports.Recorder, Recorder),
        (ports.Recorder, Books),
        (ports.Answer, ProviderConn),
        (ports.Account, ProviderAccount),
        (ports.Account, FakeAccount),
        (ports.TargetPricing, TargetPrice),
        (ports.Pricing, Pricing),
        (ports.Responder, WireResponder),
    ],
)
def test_an_implementation_fits_its_port(port: type, implementation: type) -> None:
    members = {name: member for name, member in vars(port).items() if not name.startswith("_")}
    assert members
    for name, member in members.items():
        if isinstance(member, property):
            continue
        given = getattr(implementation, name)
        assert callable(given)
        assert inspect.iscoroutinefunction(given) == inspect.iscoroutinefunction(member), name
        assert parameters(given)[: len(parameters(member))] == parameters(member), name


def parameters(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_the_recorder_says_whether_it_must_be_waited_for() -> None:
    assert Books().durable is None
    assert "durable" in Recorder.__slots__
