"""The frozen configuration that a call starts with and keeps: who may call, what names mean, how to reach it, what it costs.

Invariant: nothing in a snapshot changes but bounded memos. A reload builds another one; counters live elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fastgw._native.http_write import HeaderFilter, header_line
from fastgw.domain.errors import GatewayError
from fastgw.domain.operation import Operation
from fastgw.domain.target import Target
from fastgw.gateway.limiting import Limiter
from fastgw.gateway.ports import Account, Pricing, TargetPricing
from fastgw.identity.table import KeyTable
from fastgw.providers.base import REQUEST_PREFIXES_DROPPED, RESPONSE_PREFIXES_DROPPED, ProviderEndpoint
from fastgw.routing.table import AliasTable
from fastgw.spend.learned import Learned, LearnedTable

MEMO_ROUTES: Final = 4096


class AccountRoute:
    """What is the same for all calls to one account. ``fixed_lines`` holds the credential: it goes onto the wire, nowhere else."""

    __slots__ = ("account", "default_headers", "endpoint", "fixed_lines", "request_filter", "response_filter")

    def __init__(self, account: Account, endpoint: ProviderEndpoint) -> None:
        dropped = {*endpoint.request_headers_dropped, b"x-request-id"}
        self.account: Final = account
        self.endpoint: Final = endpoint
        self.fixed_lines: Final = endpoint.header_lines()
        self.default_headers: Final = endpoint.default_headers
        self.request_filter: Final = HeaderFilter(sorted(dropped), REQUEST_PREFIXES_DROPPED)
        self.response_filter: Final = HeaderFilter(sorted(endpoint.response_headers_dropped), RESPONSE_PREFIXES_DROPPED)


class Route:
    """Everything a call needs to reach a target. ``price`` is None when the target is unpriced. ``learned`` outlives it."""

    __slots__ = (
        "cap_member",
        "learned",
        "model",
        "model_json",
        "model_line",
        "name",
        "path",
        "price",
        "provider",
        "region",
        "via",
    )

    def __init__(
        self, target: Target, via: AccountRoute, operation: Operation, price: TargetPricing | None, learned: Learned
    ) -> None:
        self.name: Final = target.name
        self.model: Final = target.model
        self.model_json: Final = target.model_json
        self.provider: Final = target.provider
        self.region: Final = target.region
        self.via: Final = via
        self.path: Final = via.endpoint.paths[operation]
        self.price: Final = price
        self.learned: Final = learned
        self.cap_member: Final = via.endpoint.output_cap_member(operation)
        self.model_line: Final = header_line(b"x-fastgw-model", target.name.encode("ascii", "backslashreplace").strip())


class Snapshot:
    """One configuration, ready to serve. ``version`` counts reloads; ``limiter`` is None when nothing limits; an answer whose
    client has gone is read on for ``drain_ns`` and ``drain_bytes``, 0: not at all."""

    __slots__ = (
        "_accounts",
        "_learned",
        "_memo",
        "_pricing",
        "aliases",
        "drain_bytes",
        "drain_ns",
        "keys",
        "limiter",
        "version",
    )

    def __init__(  # noqa: PLR0913 - by name, and in one place
        self,
        *,
        version: int,
        keys: KeyTable,
        aliases: AliasTable,
        accounts: Mapping[str, AccountRoute],
        pricing: Pricing,
        learned: LearnedTable,
        limiter: Limiter | None = None,
        drain_ns: int = 0,
        drain_bytes: int = 0,
    ) -> None:
        self.version: Final = version
        self.keys: Final = keys
        self.aliases: Final = aliases
        self._accounts = accounts
        self._pricing = pricing
        self._learned = learned
        self.limiter: Final = limiter
        self.drain_ns: Final = drain_ns
        self.drain_bytes: Final = drain_bytes
        self._memo: dict[tuple[str, Operation], Route] = {}

    def route(self, alias: str, operation: Operation) -> Route:
        """Where a call for this model name goes.

        Raises:
            GatewayError: 404, no such model, or its provider does not serve the operation.
        """
        known = self._memo.get((alias, operation))
        if known is not None:
            return known
        target = self.aliases.resolve(alias, operation)
        if isinstance(target, GatewayError):
            raise target
        via = self._accounts[target.provider]
        price = self._pricing.for_target(target.provider, target.model, target.region)
        route = Route(target, via, operation, price, self._learned.of(target.name))
        if len(self._memo) >= MEMO_ROUTES:
            self._memo.clear()
        self._memo[alias, operation] = route
        return route
