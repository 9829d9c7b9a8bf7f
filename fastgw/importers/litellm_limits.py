"""Budgets and rate limits of LiteLLM, which stand beside a key, a team, a user, a model or the whole proxy.

A budget resets at midnight, on Mondays or on the first of a month, as LiteLLM's do since they align their resets
(https://docs.litellm.ai/docs/proxy/budget_reset_and_tz, read in November 2026); earlier releases counted from the
creation of the key. All that is written must allow a call: every row is a group of its own.

Invariant: a limit is a row, or among the findings.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from fastgw.importers.draft import Draft, literal
from fastgw.importers.findings import Hidden
from fastgw.importers.quantity import count_of, decimal_of, usd_of
from fastgw.importers.table import Table
from fastgw.importers.toml_text import Value

WINDOWS: Final[Mapping[str, str]] = {
    "1d": "day",
    "24h": "day",
    "7d": "week",
    "1w": "week",
    "30d": "month",
    "1mo": "month",
}
COUNTS: Final[Mapping[str, str]] = {
    "rpm_limit": "requests_per_minute",
    "tpm_limit": "tokens_per_minute",
    "tpd_limit": "tokens_per_day",
    "max_parallel_requests": "concurrent_requests",
}
PER_MODEL: Final[Mapping[str, str]] = {
    "model_rpm_limit": "requests_per_minute",
    "model_tpm_limit": "tokens_per_minute",
}
_MONEY: Final = ("max_budget", "budget_duration", "soft_budget")
_SUFFIXES: Final[Mapping[str, str]] = {
    "requests_per_minute": "rpm",
    "tokens_per_minute": "tpm",
    "tokens_per_day": "tpd",
    "concurrent_requests": "parallel",
}


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Whom limits are for. ``name`` begins the ids of rules; ``personal``: what a budget's condition has besides, because LiteLLM
    does not apply a user's budget to the keys of teams (https://docs.litellm.ai/docs/proxy/users)."""

    name: str
    when: dict[str, Value]
    personal: dict[str, Value] = {}
    per: tuple[str, ...] = ()


def import_limits(table: Table, scope: Scope, draft: Draft) -> None:
    """Read every member of a table that is a limit, and of its ``litellm_budget_table``, and write the rows."""
    tier = table.table("litellm_budget_table")
    members = {name: _member(table, tier, name, draft) for name in (*_MONEY, *COUNTS)}
    _budget(members, table.path, scope, draft)
    for entry in table.tables("budget_limits"):
        _budget({name: entry.get(name) for name in _MONEY}, entry.path, scope, draft)
        entry.skip(("reset_at", "budget_reset_at", "spend"))
        entry.finish()
    for name, unit in COUNTS.items():
        if members[name] is not None:
            import_count(table.at(name), members[name], unit, scope, draft)
    metadata = table.table("metadata")
    for name, unit in PER_MODEL.items():
        for source in (table, metadata):
            counts = source.table(name)
            for model, value in counts.members.items():
                counts.get(model)
                if value is not None:
                    import_count(counts.at(model), value, unit, _of_model(scope, model), draft)
    for source in (table, tier):
        _model_budgets(source.table("model_max_budget"), scope, draft)
    tier.skip(("budget_id", "created_at", "created_by", "updated_at", "updated_by", "budget_reset_at"))
    tier.finish()


def import_count(path: str, value: object, unit: str, scope: Scope, draft: Draft) -> None:
    """A rate limit, or calls at once."""
    count = count_of(path, value, draft.findings)
    if count is None:
        return
    row: dict[str, Value] = {"id": draft.new_id(f"{scope.name}-{_SUFFIXES[unit]}")}
    if scope.when:
        row["when"] = scope.when
    row.update({"limit": count, "unit": unit})
    if scope.per:
        row["per"] = scope.per
    draft.add("rate_limits", path, row)


def import_budget(table: Table, scope: Scope, draft: Draft) -> None:
    """``max_budget``, ``budget_duration`` and ``soft_budget`` of a table."""
    _budget({name: table.get(name) for name in _MONEY}, table.path, scope, draft)


def window_of(path: str, value: object, draft: Draft) -> str | None:
    """The window of a ``budget_duration``; without one a budget is for ever. None when there is none of ours."""
    if value in (None, "", "None", "null"):
        return "lifetime"
    window = WINDOWS.get(value) if isinstance(value, str) else None
    if window is None:
        draft.findings.left_out(
            path,
            value if isinstance(value, str) else Hidden(value),
            f"the budget is left out, for fastgw has no such window; it has those of {', '.join(WINDOWS)}",
            "write the budget with another window",
        )
    elif value in ("30d", "7d", "1w", "1mo"):
        draft.findings.to_do(
            path,
            value,
            f"it is the calendar's {window}, as in LiteLLM since resets are aligned; before, it began with the key",
            "nothing, unless your release is older than that",
        )
    return window


def _member(table: Table, tier: Table, name: str, draft: Draft) -> object:
    own, other = table.get(name), tier.get(name)
    if own is not None and other is not None and own != other:
        draft.findings.left_out(
            tier.at(name), Hidden(other), f"`{table.at(name)}` says otherwise", "see which of the two you want"
        )
    return other if own is None else own


def _budget(members: Mapping[str, object], path: str, scope: Scope, draft: Draft) -> None:
    hard, soft = members["max_budget"], members["soft_budget"]
    if hard is None and soft is None:
        return
    window = window_of(f"{path}.budget_duration", members["budget_duration"], draft)
    name = "max_budget" if hard is not None else "soft_budget"
    usd = usd_of(f"{path}.{name}", hard if hard is not None else soft, draft.findings)
    if usd is None or window is None:
        return
    row: dict[str, Value] = {"id": draft.new_id(f"{scope.name}-budget")}
    if scope.when or scope.personal:
        row["when"] = {**scope.when, **scope.personal}
    row.update({"limit_usd": usd, "window": window})
    if scope.per:
        row["per"] = scope.per
    if hard is None:
        row.update({"mode": "audit", "alerts": [1.0]})
    elif soft is not None and (alert := _share(f"{path}.soft_budget", soft, hard, draft)) is not None:
        row["alerts"] = [alert]
    draft.add("budgets", path, row)


def _share(path: str, soft: object, hard: object, draft: Draft) -> float | None:
    part, whole = decimal_of(soft), decimal_of(hard)
    if part is None or not whole or not 0 < part / whole <= Decimal(10):
        came = Hidden(soft) if part is None else soft
        draft.findings.left_out(path, came, "an alert is over 0 and up to 10 times the limit", "set `alerts` by hand")
        return None
    return float(part / whole)


def _model_budgets(budgets: Table, scope: Scope, draft: Draft) -> None:
    for model in budgets.members:
        said = budgets.table(model)
        value, duration = said.get("budget_limit"), said.get("time_period")
        members = {
            "max_budget": said.get("max_budget") if value is None else value,
            "budget_duration": said.get("budget_duration") if duration is None else duration,
            "soft_budget": None,
        }
        of_model = _of_model(scope, model)
        _budget(members, said.path, of_model, draft)
        for name, unit in COUNTS.items():
            if said.get(name) is not None:
                import_count(said.at(name), said.get(name), unit, of_model, draft)
        said.finish()


def _of_model(scope: Scope, model: str) -> Scope:
    return Scope(
        name=f"{scope.name}-{model}",
        when={**scope.when, "models": [literal(model)]},
        personal=scope.personal,
        per=scope.per,
    )
