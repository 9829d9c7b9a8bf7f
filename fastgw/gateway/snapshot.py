"""The frozen configuration that a call starts with and keeps: who may call, what names mean, how to reach it, what it costs.

Invariant: nothing in a snapshot changes but bounded memos. A reload builds another one; counters live elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from fastgw._native.http_write import HeaderFilter, header_line
from fastgw.domain.errors import GatewayError
from fastgw.domain.operation import Operation
from fastgw.domain.target import Target
from fastgw.gateway.ports import Account, Pricing, TargetPricing
from fastgw.identity.table import KeyTable
from fastgw.providers.base import REQUEST_PREFIXES_DROPPED, RESPONSE_PREFIXES_DROPPED, ProviderEndpoint
from fastgw.routing.table import AliasTable

MEMO_ROUTES: Final = 4096


class AccountRoute(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What is the same for all calls to one account. ``fixed_lines`` holds the credential: it goes onto the wire, nowhere else."""

    account: Account
    endpoint: ProviderEndpoint
    fixed_lines: bytes
    default_headers: tuple[tuple[bytes, bytes], ...]
    request_filter: HeaderFilter
    response_filter: HeaderFilter


class Route(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Everything a call needs to reach a target. ``price`` is None when the target is unpriced."""

    target: Target
    provider: str
    region: str
    via: AccountRoute
    path: bytes
    price: TargetPricing | None
    model_line: bytes


def account_route(account: Account, endpoint: ProviderEndpoint) -> AccountRoute:
    """The route part of an account, with its filters compiled."""
    dropped = {*endpoint.request_headers_dropped, b"x-request-id"}
    return AccountRoute(
        account=account,
        endpoint=endpoint,
        fixed_lines=endpoint.header_lines(),
        default_headers=endpoint.default_headers,
        request_filter=HeaderFilter(sorted(dropped), REQUEST_PREFIXES_DROPPED),
        response_filter=HeaderFilter(sorted(endpoint.response_headers_dropped), RESPONSE_PREFIXES_DROPPED),
    )


class Snapshot:
    """One configuration, ready to serve. ``version`` counts reloads."""

    __slots__ = ("_accounts", "_memo", "_pricing", "aliases", "keys", "version")

    def __init__(
        self,
        *,
        version: int,
        keys: KeyTable,
        aliases: AliasTable,
        accounts: Mapping[str, AccountRoute],
        pricing: Pricing,
    ) -> None:
        self.version: Final = version
        self.keys: Final = keys
        self.aliases: Final = aliases
        self._accounts = accounts
        self._pricing = pricing
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
        route = Route(
            target=target,
            provider=target.provider,
            region=target.region,
            via=via,
            path=via.endpoint.paths[operation],
            price=self._pricing.for_target(target.provider, target.model, target.region),
            model_line=header_line(b"x-fastgw-model", target.name.encode("ascii", "backslashreplace").strip()),
        )
        if len(self._memo) >= MEMO_ROUTES:
            self._memo.clear()
        self._memo[alias, operation] = route
        return route
