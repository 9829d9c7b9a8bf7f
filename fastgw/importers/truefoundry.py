"""TrueFoundry's limits: the first generation, ``gateway-rate-limiting-config`` and ``gateway-budget-config``; the manifests of the
second are in ``truefoundry_v2``.

In the first generation the first rule of a list that matches decides, and all that match count: a list becomes one group.
Source: https://www.truefoundry.com/docs/ai-gateway/budgetlimiting (read in November 2026).

Invariant: the order of a list is kept; a rule is there with its own limit, or is among the findings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from fastgw.importers.draft import Draft
from fastgw.importers.findings import Hidden
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
    word,
    words,
)
from fastgw.importers.truefoundry_v2 import MANIFESTS, Manifests

RATE_LIMITS: Final = "gateway-rate-limiting-config"
BUDGETS: Final = "gateway-budget-config"
MAX_MATCHED: Final = 64
"""How many rules of ours may match one call."""

_UNITS: Final = {
    RATE_LIMITS: RATE_UNITS - {"requests_per_second", "tokens_per_second"},
    BUDGETS: WINDOWS.keys() - {"cost_per_lifetime"},
}
_SECTIONS: Final = {RATE_LIMITS: "rate_limits", BUDGETS: "budgets"}
_PER: Final = {RATE_LIMITS: "rate_limit_applies_per", BUDGETS: "budget_applies_per"}
_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_FAMILIES: Final = ("gateway-", "tenant-", "team-", "provider-account/", "mcp-server", "virtual-account")


def is_truefoundry(document: object) -> bool:
    """Whether a document is one of TrueFoundry's manifests, or what its API wraps around one."""
    kind = _manifest(document).get("type")
    return isinstance(kind, str) and kind.startswith(_FAMILIES)


def import_truefoundry(documents: Sequence[tuple[str, object]], draft: Draft) -> None:
    """Add the limits of manifests, each with the path of its document, to a draft."""
    manifests = Manifests(draft)
    for path, document in documents:
        table = Table(_manifest(document), path, draft.findings)
        kind = table.text("type")
        if kind in _SECTIONS:
            _import_rules(table, kind, draft)
        elif kind in MANIFESTS:
            manifests.add(table, kind)
        else:
            draft.findings.left_out(
                table.at("type"), kind, "only rate limits and budgets are imported", "write what it says by hand"
            )
    manifests.finish()
    _tell_what_is_missing(draft)


def _manifest(document: object) -> dict[str, object]:
    if not isinstance(document, dict):
        return {}
    inner = document.get("manifest")
    return inner if isinstance(inner, dict) else document


def _import_rules(table: Table, kind: str, draft: Draft) -> None:
    group = draft.new_group(table.text("name") or kind)
    for rule in table.tables("rules"):
        try:
            row = _row(rule, kind, group, draft)
        except Unwritable as problem:
            draft.findings.left_out(
                problem.path,
                problem.value,
                f"{problem.why}, so the whole rule `{rule.path}` is left out",
                "write it by hand in its place; until then the rules after it govern its calls",
            )
        else:
            draft.add(_SECTIONS[kind], rule.path, row)
            rule.finish()
    table.finish()


def _row(rule: Table, kind: str, group: str, draft: Draft) -> dict[str, Value]:
    unit = rule.text("unit") or ""
    if unit not in _UNITS[kind]:
        raise Unwritable(rule.at("unit"), unit, f"expected one of {', '.join(sorted(_UNITS[kind]))}")
    said = rule.text("id") or ""
    when = _when(rule, draft)
    per = counted_per(rule.at(_PER[kind]), words(rule.at(_PER[kind]), rule.get(_PER[kind])))
    per += [each for each in _placeholders(rule, said) if each not in per]
    amount = amount_of(rule.at("limit_to"), unit, rule.get("limit_to"), draft.findings)
    if not amount:
        raise Unwritable(rule.at("limit_to"), None, "the limit cannot be written")
    row: dict[str, Value] = {"id": draft.new_id(_PLACEHOLDER.sub("", said)), "group": group}
    if row["id"] != said:
        draft.findings.to_do(rule.at("id"), said, f"its id is `{row['id']}` here", "look for it by that name")
    if when:
        row["when"] = when
    row.update(amount)
    if per:
        row["per"] = per
    if kind == BUDGETS:
        if rule.flag("audit_mode"):
            row["mode"] = "audit"
        if alerts := alerts_of(rule):
            row["alerts"] = alerts
    return row


def _placeholders(rule: Table, text: str) -> list[str]:
    """Before ``..._applies_per`` a rule had a counter for each value that its id named: ``{user}-daily``."""
    return counted_per(rule.at("id"), _PLACEHOLDER.findall(text))


def _when(rule: Table, draft: Draft) -> When:
    path = rule.at("when")
    members = members_of(path, rule.get("when"))
    only(path, members, ("subjects", "models", "metadata"))
    when: When = {}
    names = words(f"{path}.subjects", members.get("subjects"))
    if names:
        subjects = subjects_of(f"{path}.subjects", names, draft.findings)
        if not subjects:
            raise Unwritable(f"{path}.subjects", Hidden(names), "none of its subjects is known here")
        when["subjects"] = subjects
    models = words(f"{path}.models", members.get("models"))
    if models:
        when["models"] = literals(models)
        note_accounts(f"{path}.models", accounts_of(models), draft)
    metadata = members_of(f"{path}.metadata", members.get("metadata"))
    if metadata:
        values = {name: word(f"{path}.metadata", value) for name, value in metadata.items()}
        when["metadata"] = {name: literals([value])[0] for name, value in values.items()}
    return when


def _tell_what_is_missing(draft: Draft) -> None:
    if not draft.providers:
        env = draft.new_env("OPENAI_API_KEY")
        name = draft.new_provider("openai")
        draft.add_provider("providers", name, {"kind": "openai", "api_key": f"env:{env}"})
        draft.findings.to_do(
            f"providers.{name}",
            None,
            "a configuration needs a provider, and limits name none",
            "put yours in its place",
        )
    draft.findings.to_do(
        "keys",
        None,
        "limits do not say who there is",
        "write [[keys]] named as the virtual accounts, and [[users]] and [[teams]]",
    )
    if draft.rows["rate_limits"]:
        draft.findings.to_do(
            "rate_limits",
            None,
            "there a window slides, here a bucket of `limit` refills evenly",
            "set `burst` where a full bucket at once is too much",
        )
    if len(draft.rows["budgets"]) + len(draft.rows["rate_limits"]) > MAX_MATCHED:
        draft.findings.to_do(
            "budgets, rate_limits",
            None,
            f"a call that more than {MAX_MATCHED} rules match is refused",
            "see with `fastgw explain` how many match",
        )
