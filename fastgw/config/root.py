"""The whole configuration: one field a section, each struct owned by the package that it configures.

A new section is one line here, its keys in ``docs/configuration.md``, and its cross-checks, if any, in
``config/check``.
"""

from __future__ import annotations

import msgspec

from fastgw.admin.config import AdminConfig
from fastgw.alerts.config import AlertChannelRow
from fastgw.front.config import ServerConfig
from fastgw.identity.config import KeyRow, TeamRow, UserRow
from fastgw.ledger.config import LedgerConfig
from fastgw.limits.config import AnomalyRow, BudgetRow, RateLimitRow
from fastgw.providers.config import ProviderConfig, ProviderName
from fastgw.routing.config import ModelRow
from fastgw.spend.config import PriceRow


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A configuration that was read; secrets are resolved, nothing is constructed yet. Order of the file is kept."""

    server: ServerConfig = ServerConfig()
    admin: AdminConfig = AdminConfig()
    ledger: LedgerConfig = LedgerConfig()
    providers: dict[ProviderName, ProviderConfig] = {}
    prices: tuple[PriceRow, ...] = ()
    models: tuple[ModelRow, ...] = ()
    teams: tuple[TeamRow, ...] = ()
    users: tuple[UserRow, ...] = ()
    keys: tuple[KeyRow, ...] = ()
    budgets: tuple[BudgetRow, ...] = ()
    rate_limits: tuple[RateLimitRow, ...] = ()
    anomalies: tuple[AnomalyRow, ...] = ()
    alert_channels: tuple[AlertChannelRow, ...] = ()
