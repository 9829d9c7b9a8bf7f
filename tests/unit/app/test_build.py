"""From settings to running parts, and what two snapshots share."""

from __future__ import annotations

from pathlib import Path

from fastgw._native.timers import TimerWheel
from fastgw.app.build import Builder, Pricing, price_book, region_rows
from fastgw.config.load import load
from fastgw.config.root import Settings
from fastgw.domain.usage import Usage
from fastgw.gateway.ports import Account

TEXT = """
[providers.openai]
kind = "openai"
api_key = "env:K"
[providers.mine]
kind = "openai"
base_url = "http://127.0.0.1:9/v1"
[providers.resold]
kind = "openai"
base_url = "http://127.0.0.1:9/v1"
price_source = "openai"
[[keys]]
name = "k"
secret = "env:G"
"""
ENV = {"K": "sk-" + "k" * 40, "G": "sk-fgw-" + "g" * 40}
MODEL = "gpt-4o-mini"


def settings(text: str = TEXT) -> Settings:
    return load(text, ENV, Path())


def accounts(builder: Builder, of: Settings) -> dict[str, Account]:
    snapshot = builder.snapshot(of)
    return {name: snapshot.route(f"{name}/{MODEL}", "chat").via.account for name in of.providers}


def test_an_account_that_did_not_change_keeps_its_connections() -> None:
    builder = Builder(TimerWheel())
    first = accounts(builder, settings())
    again = accounts(builder, settings())
    assert all(again[name] is account for name, account in first.items())
    changed = accounts(builder, settings(TEXT.replace('price_source = "openai"', "max_idle_connections = 1")))
    assert changed["mine"] is first["mine"]
    assert changed["resold"] is not first["resold"]
    gone = accounts(builder, settings(TEXT.replace("[providers.mine]", "[providers.yours]")))
    assert "mine" not in gone
    builder.close()


def test_a_new_credential_needs_no_new_connections() -> None:
    builder = Builder(TimerWheel())
    first = accounts(builder, settings())
    other = load(TEXT, {**ENV, "K": "sk-" + "x" * 40}, Path())
    assert accounts(builder, other)["openai"] is first["openai"]
    builder.close()


def test_snapshots_are_numbered() -> None:
    builder = Builder(TimerWheel())
    assert [builder.snapshot(settings()).version for _ in range(3)] == [1, 2, 3]


def test_an_address_of_ones_own_is_charged_by_a_vendors_list_only_when_told() -> None:
    pricing = Pricing(settings())
    usage = Usage(1_000_000, 0)
    listed = pricing.for_target("openai", MODEL, "")
    resold = pricing.for_target("resold", MODEL, "")
    assert listed is not None
    assert resold is not None
    cost = listed.cost(usage, 1_790_000_000_000_000_000, None)
    assert cost is not None
    assert cost == resold.cost(usage, 1_790_000_000_000_000_000, None)
    assert cost[0] > 0
    assert pricing.for_target("mine", MODEL, "") is None


def test_the_price_book_is_read_once() -> None:
    assert price_book() is price_book()
    assert region_rows() is region_rows()
