"""From settings to running parts: snapshot, provider accounts, prices. Here mypy proves that every port is implemented."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastgw._native.timers import TimerWheel
from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError
from fastgw.domain.text import show
from fastgw.gateway.limiting import Limiter
from fastgw.gateway.ports import TargetPricing
from fastgw.gateway.snapshot import AccountRoute, Snapshot
from fastgw.identity.table import KeyTable
from fastgw.limits.config import LimitRow
from fastgw.providers.config import ProviderConfig
from fastgw.providers.registry import account_of, build_endpoint
from fastgw.routing.table import AliasTable
from fastgw.spend.catalog import PriceBook
from fastgw.spend.config import RegionRow, load_regions
from fastgw.spend.learned import LearnedTable
from fastgw.spend.pricer import Pricer
from fastgw.upstream.account import AccountSettings, ProviderAccount


@cache
def price_book() -> PriceBook:
    """The shipped price book, read once a process tree (before the fork)."""
    return PriceBook.load(files("fastgw.spend").joinpath("data/prices.json").read_bytes())


@cache
def region_rows() -> tuple[RegionRow, ...]:
    """The shipped regional overlay."""
    return load_regions(files("fastgw.spend").joinpath("data/regions.toml").read_bytes())


class Pricing:
    """Implements the gateway's ``Pricing`` port: which prices a configured provider is charged by."""

    def __init__(self, settings: Settings) -> None:
        """Raises ConfigError when a price cannot be used."""
        book = price_book()
        for name, config in settings.providers.items():
            if config.price_source is not None and book.canonical_id(config.price_source) is None:
                problem = f"expected a provider of the price book {book.version}, got {show(config.price_source)}"
                raise ConfigError(f"providers.{name}.price_source", problem)
        self._sources = {
            name: config.price_source or (config.kind if config.base_url is None else None)
            for name, config in settings.providers.items()
        }
        self._pricer = Pricer(book, settings.providers, settings.prices, region_rows())

    def for_target(self, provider: str, model: str, region: str) -> TargetPricing | None:
        """The price of a target; None: unpriced. A base URL of one's own is not charged by the vendor's list unless
        ``price_source`` says so."""
        return self._pricer.for_target(provider, self._sources[provider], model, region)


def limiter_of(settings: Settings) -> Limiter | None:
    """The limits of a configuration; None when it has none."""
    rows: tuple[LimitRow, ...] = (*settings.anomalies, *settings.budgets, *settings.rate_limits)
    return Limiter(rows, settings.server.zone) if rows else None


class Builder:
    """Builds snapshots one after the other and keeps the connections of accounts that did not change between them."""

    def __init__(self, wheel: TimerWheel) -> None:
        self._wheel = wheel
        self._accounts: dict[str, ProviderAccount] = {}
        self._learned = LearnedTable()
        self._version = 0

    def snapshot(self, settings: Settings) -> Snapshot:
        """A new snapshot.

        Raises:
            ConfigError: the settings cannot be made to run (a certificate file, a price).
        """
        accounts: dict[str, ProviderAccount] = {}
        routes: dict[str, AccountRoute] = {}
        for name, config in settings.providers.items():
            endpoint = build_endpoint(name, config)
            wanted = _account_settings(name, config)
            known = self._accounts.get(name)
            accounts[name] = (
                known if known is not None and known.settings == wanted else ProviderAccount(wanted, self._wheel)
            )
            routes[name] = AccountRoute(accounts[name], endpoint)
        self._version += 1
        snapshot = Snapshot(
            version=self._version,
            keys=KeyTable(settings.keys, settings.users, settings.teams),
            aliases=AliasTable(
                settings.models, [account_of(name, config) for name, config in settings.providers.items()]
            ),
            accounts=routes,
            pricing=Pricing(settings),
            learned=self._learned,
            limiter=limiter_of(settings),
            drain_ns=settings.server.disconnect_drain_ns,
            drain_bytes=settings.server.disconnect_drain_kib * 1024,
        )
        for name, account in self._accounts.items():
            if accounts.get(name) is not account:
                account.close()
        self._accounts = accounts
        return snapshot

    def close(self) -> None:
        """Let go of the connections to providers."""
        for account in self._accounts.values():
            account.close()


def _account_settings(name: str, config: ProviderConfig) -> AccountSettings:
    endpoint = build_endpoint(name, config)
    return AccountSettings(
        name=name,
        host=endpoint.host,
        port=endpoint.port,
        tls=endpoint.scheme == "https",
        ca_file=str(config.ca_file) if config.ca_file is not None else "",
        connect_timeout_ns=config.connect_timeout_ns,
        first_byte_timeout_ns=config.first_byte_timeout_ns,
        idle_timeout_ns=config.idle_timeout_ns,
        total_timeout_ns=config.total_timeout_ns,
        max_connections=config.max_connections,
        max_idle=config.max_idle_connections,
        idle_connection_ns=config.idle_connection_ns,
    )
