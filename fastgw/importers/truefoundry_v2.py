"""The second generation of TrueFoundry's limits: one manifest a limit, and every limit that matches must allow.

A manifest with several windows becomes a row for each, without a group. Entities with an override have rows of their own, and the
row for all others excepts them. ``soft_enforce`` (blocks only when no other matching budget lets the call through) is our ``soft``
in one group behind the budget that must allow; that says the same as long as there is one such budget, with one window.

Sources: https://www.truefoundry.com/docs/ai-gateway/budget-limiting-v2 and .../ratelimiting-v2 (read in November 2026).

Invariant: as in ``truefoundry_terms``; an override that cannot be written leaves its entities under the limit of all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from fastgw.importers.draft import Draft
from fastgw.importers.findings import Hidden, step
from fastgw.importers.table import Table
from fastgw.importers.toml_text import Value
from fastgw.importers.truefoundry_terms import (
    RATE_UNITS,
    WINDOWS,
    Unwritable,
    When,
    accounts_of,
    alerts_of,
    amount_of,
    counted_per,
    literals,
    members_of,
    note_accounts,
    only,
    subjects_of,
    words,
)

RATE_LIMITS: Final = "tenant-rate-limit-config/model"
TENANT_BUDGET: Final = "tenant-budget-config"
TEAM_BUDGET: Final = "team-budget-config"
MANIFESTS: Final = frozenset({RATE_LIMITS, TENANT_BUDGET, TEAM_BUDGET})

_CALLERS: Final = {"users": "user", "teams": "team", "virtual_accounts": "virtualaccount"}
_APPLIES: Final = {
    "aggregate": (None, ""),
    "per-user": ("user", "users"),
    "per-model": ("model", "models"),
    "per-virtual-account": ("virtualaccount", "virtual_accounts"),
    "per-team": ("team", "teams"),
    "metadata": ("metadata", "metadata_values"),
}
_NO_AND: Final = "fastgw has no rule for callers who are in two lists at once"


class _Limit(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest became. ``windows``: the most that hold for one call."""

    mode: str
    rows: tuple[dict[str, Value], ...]
    path: str
    windows: int


class Manifests:
    """Budgets wait for each other: what ``soft_enforce`` means depends on the others."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._budgets: list[_Limit] = []

    def add(self, manifest: Table, kind: str) -> None:
        """Take one of :data:`MANIFESTS`."""
        try:
            limit = _limit(manifest, kind, self._draft)
        except Unwritable as problem:
            why = f"{problem.why}, so the whole limit is left out"
            self._draft.findings.left_out(problem.path, problem.value, why, "write it by hand")
            return
        manifest.finish({"log_request_body_on_block": "see [ledger] for what is kept of a call"})
        if kind == RATE_LIMITS:
            self._write(limit, "rate_limits")
        else:
            self._budgets.append(limit)

    def finish(self) -> None:
        """Write the budgets."""
        soft = [each for each in self._budgets if each.mode == "soft"]
        firm = [each for each in self._budgets if each.mode == "enforce"]
        together = soft + firm
        group: str | None = None
        if soft and len(firm) <= 1 and all(each.windows == 1 for each in together):
            group = self._draft.new_group("budgets")
        for each in sorted(self._budgets, key=lambda each: each.mode == "soft"):
            if each.mode != "soft":
                self._write(each, "budgets", group if each.mode == "enforce" else None)
            elif group is not None:
                self._write(each, "budgets", group)
            else:
                self._write_alone(each)

    def _write_alone(self, limit: _Limit) -> None:
        self._draft.findings.changed(
            f"{limit.path}.mode",
            "soft_enforce",
            "it is one of several budgets or windows, so here it blocks whether or not another lets the call through",
            "put it behind the one budget that goes before it, in one group, with mode soft",
        )
        self._write(limit, "budgets")

    def _write(self, limit: _Limit, section: str, group: str | None = None) -> None:
        for row in limit.rows:
            grouped = {"id": row["id"], **({"group": group} if group is not None else {}), **row}
            self._draft.add(section, limit.path, grouped)


def _limit(manifest: Table, kind: str, draft: Draft) -> _Limit:
    name = manifest.text("name") or kind.replace("/", "-")
    modes = {"enforce": "enforce", "audit": "audit"}
    if kind != RATE_LIMITS:
        modes["soft_enforce"] = "soft"
    said_mode = manifest.text("mode") or "enforce"
    if said_mode not in modes:
        raise Unwritable(manifest.at("mode"), said_mode, f"expected one of {', '.join(modes)}")
    mode = modes[said_mode]
    when = _when(manifest, kind, draft)
    applies = manifest.table("applies_to")
    per, entity = _per(applies)
    units = RATE_UNITS if kind == RATE_LIMITS else frozenset(WINDOWS)
    tail: dict[str, Value] = {"per": per} if per else {}
    if mode != "enforce":
        tail["mode"] = mode
    if kind != RATE_LIMITS and (alerts := alerts_of(manifest)):
        tail["alerts"] = alerts
    base = _amounts(manifest, "limits", units)
    if not base:
        raise Unwritable(manifest.at("limits"), None, "none of its limits can be written")
    rows: list[dict[str, Value]] = []
    windows = len(base)
    for index, override in enumerate(applies.tables("overrides")):
        try:
            own, when_others = _override(override, entity, when)
            amounts = _amounts(override, "limits", units)
            if not amounts:
                raise Unwritable(override.at("limits"), None, "none of its limits can be written")
        except Unwritable as problem:
            why = f"{problem.why}, so the override is left out"
            draft.findings.left_out(problem.path, problem.value, why, "its entities have the limit of all others")
            continue
        override.finish()
        windows = max(windows, len(amounts))
        rows += _rows(f"{name}.override-{index + 1}", own, amounts, tail, draft)
        when = when_others
    rows += _rows(name, when, base, tail, draft)
    applies.finish()
    return _Limit(mode=mode, rows=tuple(rows), path=manifest.path, windows=windows)


def _rows(
    name: str, when: When, amounts: Mapping[str, dict[str, Value]], tail: Mapping[str, Value], draft: Draft
) -> list[dict[str, Value]]:
    rows: list[dict[str, Value]] = []
    for unit, amount in amounts.items():
        row: dict[str, Value] = {"id": draft.new_id(name if len(amounts) == 1 else f"{name}.{unit}")}
        if when:
            row["when"] = when
        rows.append({**row, **amount, **tail})
    return rows


def _amounts(table: Table, name: str, units: frozenset[str]) -> dict[str, dict[str, Value]]:
    limits = table.table(name)
    found: dict[str, dict[str, Value]] = {}
    for unit, value in limits.members.items():
        if unit in units and value is not None:
            limits.get(unit)
            amount = amount_of(limits.at(unit), unit, value, table.findings)
            if amount:
                found[unit] = dict(amount)
    limits.finish()
    return found


def _per(applies: Table) -> tuple[list[str], str]:
    said = applies.text("type") or "aggregate"
    if said not in _APPLIES:
        raise Unwritable(applies.at("type"), said, f"expected one of {', '.join(_APPLIES)}")
    per, entity = _APPLIES[said]
    if per == "metadata":
        key = applies.text("metadata") or applies.text("key") or applies.text("metadata_key")
        if key is None:
            raise Unwritable(applies.at("metadata"), None, "expected the name of a tag")
        per = f"metadata.{key}"
    return ([] if per is None else counted_per(applies.at("type"), [per])), f"{entity}.{per}"


def _when(manifest: Table, kind: str, draft: Draft) -> When:
    path = manifest.at("when")
    members = members_of(path, manifest.get("when"))
    only(path, members, ("subjects", "models", "provider_accounts", "metadata"))
    when: When = {}
    _add_callers(f"{path}.subjects", members.get("subjects"), when, draft)
    models, not_models = _lists(f"{path}.models", members.get("models"))
    accounts, not_accounts = _lists(f"{path}.provider_accounts", members.get("provider_accounts"))
    _put(when, "models", literals(models), literals(not_models))
    _put(when, "providers", literals(accounts), literals(not_accounts))
    note_accounts(f"{path}.models", accounts_of([*models, *not_models]), draft)
    note_accounts(f"{path}.provider_accounts", [*accounts, *not_accounts], draft)
    wanted: dict[str, Value] = {}
    unwanted: dict[str, Value] = {}
    for name, value in members_of(f"{path}.metadata", members.get("metadata")).items():
        some, none = _lists(step(f"{path}.metadata", name), value)
        wanted.update({name: literals(some)} if some else {})
        unwanted.update({name: literals(none)} if none else {})
    when.update({"metadata": wanted} if wanted else {})
    when.update({"not_metadata": unwanted} if unwanted else {})
    if kind == TEAM_BUDGET:
        team = manifest.text("team_name") or manifest.text("team")
        if team is None:
            raise Unwritable(manifest.at("team_name"), None, "expected the name of the team")
        if "subjects" in when:
            raise Unwritable(f"{path}.subjects", None, _NO_AND)
        when["subjects"] = subjects_of(manifest.at("team_name"), [f"team:{team}"], draft.findings)
    return when


def _add_callers(path: str, value: object, when: When, draft: Draft) -> None:
    members = members_of(path, value)
    only(path, members, _CALLERS)
    wanted: list[str] = []
    unwanted: list[str] = []
    kinds = 0
    for name, kind in _CALLERS.items():
        some, none = _lists(f"{path}.{name}", members.get(name))
        kinds += bool(some)
        wanted += subjects_of(f"{path}.{name}.in", [f"{kind}:{each}" for each in some], draft.findings)
        unwanted += subjects_of(f"{path}.{name}.not_in", [f"{kind}:{each}" for each in none], draft.findings)
    if kinds > 1:
        draft.findings.to_do(
            path,
            None,
            "it names callers of several kinds; taken as: one of them is enough",
            "check that it is meant so",
        )
    _put(when, "subjects", wanted, unwanted)


def _lists(path: str, value: object) -> tuple[list[str], list[str]]:
    members = members_of(path, value)
    only(path, members, ("in", "not_in"))
    return words(f"{path}.in", members.get("in")), words(f"{path}.not_in", members.get("not_in"))


def _put(when: When, name: str, wanted: list[str], unwanted: list[str]) -> None:
    if wanted:
        when[name] = wanted
    if unwanted:
        when[f"not_{name}"] = unwanted


def _override(override: Table, entity: str, when: When) -> tuple[When, When]:
    """The conditions of an override's own row, and those of the row for all others."""
    field, _, per = entity.partition(".")
    if not field:
        raise Unwritable(override.path, None, "a limit for all together has no entities")
    names = words(override.at(field), override.get(field))
    if not names:
        raise Unwritable(override.at(field), None, "expected those whom it is for")
    if per.startswith("metadata."):
        return _except_tag(override.at(field), per.removeprefix("metadata."), literals(names), when)
    place = "models" if per == "model" else "subjects"
    own = literals(names)
    if place == "subjects":
        own = subjects_of(override.at(field), [f"{per}:{name}" for name in names], override.findings)
    listed = when.get(place)
    if isinstance(listed, list) and not set(own) <= set(listed):
        raise Unwritable(
            override.at(field), Hidden(names), f"not all of them are in the limit's own list, and {_NO_AND}"
        )
    excepted = when.get(f"not_{place}")
    return {**when, place: own}, {**when, f"not_{place}": [*(excepted if isinstance(excepted, list) else []), *own]}


def _except_tag(path: str, key: str, own: list[str], when: When) -> tuple[When, When]:
    wanted, unwanted = when.get("metadata", {}), when.get("not_metadata", {})
    assert isinstance(wanted, dict)  # noqa: S101 - made by _when
    assert isinstance(unwanted, dict)  # noqa: S101
    if key in wanted and not set(own) <= set(wanted[key]):
        raise Unwritable(path, Hidden(own), f"not all of them are in the limit's own list, and {_NO_AND}")
    others = {**when, "not_metadata": {**unwanted, key: [*unwanted.get(key, []), *own]}}
    return {**when, "metadata": {**wanted, key: own}}, others
