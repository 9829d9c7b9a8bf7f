"""Words that both generations of TrueFoundry's limits use: subjects, conditions, who has a counter, amounts, alerts.

Invariant: a condition that cannot be written never makes a rule wider: the entry of a list goes, or the whole rule does.

Sources: https://www.truefoundry.com/docs/ai-gateway/ratelimiting, .../ratelimiting-v2, .../budgetlimiting and
.../budget-limiting-v2 (read in November 2026).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from fastgw.importers.draft import Draft, literal
from fastgw.importers.findings import Findings, step
from fastgw.importers.quantity import Number, count_of, decimal_of, usd_of
from fastgw.importers.table import Table
from fastgw.importers.toml_text import Value

When = dict[str, Value]
RATE_UNITS: Final = frozenset(
    f"{what}_per_{period}" for what in ("requests", "tokens") for period in ("second", "minute", "hour", "day")
)
WINDOWS: Final[Mapping[str, str]] = {
    f"cost_per_{window}": window for window in ("day", "week", "month", "quarter", "lifetime")
}
DEFAULT_THRESHOLDS: Final = (75, 90, 95, 100)
EVERYBODY: Final = "team:everyone"

_SUBJECTS: Final[Mapping[str, str]] = {
    "user": "user",
    "team": "team",
    "virtualaccount": "key",
    "virtual-account": "key",
    "virtual_account": "key",
}
_ACCOUNT_KINDS: Final = (("anthropic", "anthropic"), ("claude", "anthropic"), ("openai", "openai"))


class Unwritable(Exception):  # noqa: N818 - it is not an error of ours
    """A rule that cannot be written. ``value`` is shown as a finding's is."""

    def __init__(self, path: str, value: object, why: str) -> None:
        super().__init__(why)
        self.path = path
        self.value = value
        self.why = why


def words(path: str, value: object) -> list[str]:
    """The texts of a list in a condition; a number or a truth value stands for its text. Absent is empty.

    Raises:
        Unwritable: it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unwritable(path, None, "expected a list")
    return [word(f"{path}[{index}]", each) for index, each in enumerate(value)]


def word(path: str, value: object) -> str:
    """One text of a condition.

    Raises:
        Unwritable: it is empty, or no text.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    if not isinstance(value, str) or not value:
        raise Unwritable(path, None, "expected a text")
    return value


def subjects_of(path: str, names: Iterable[str], findings: Findings) -> list[str]:
    """``user:``, ``team:`` and ``virtualaccount:`` in our words; entries of other kinds are left out."""
    found: list[str] = []
    for index, text in enumerate(names):
        kind, _, name = text.partition(":")
        ours = _SUBJECTS.get(kind)
        place = f"{path}[{index}]"
        if ours is None or not name:
            findings.left_out(
                place, text, "expected user:, team: or virtualaccount: and a name", "add who is meant to the rule"
            )
            continue
        if text == EVERYBODY:
            findings.changed(
                place,
                text,
                "there it is every user, here a team of that name",
                "take the condition out, or give users that team",
            )
        found.append(f"{ours}:{literal(name)}")
    return found


def literals(names: Iterable[str]) -> list[str]:
    """Globs that match these texts alone."""
    return [literal(name) for name in names]


def counted_per(path: str, names: Iterable[str]) -> list[str]:
    """``user``, ``model``, ``virtualaccount``, ``team`` and ``metadata.KEY`` as our ``per``.

    Raises:
        Unwritable: another one.
    """
    found: list[str] = []
    for index, name in enumerate(names):
        ours = name if name.startswith("metadata.") and len(name) > len("metadata.") else None
        ours = ours or ("model" if name == "model" else _SUBJECTS.get(name))
        if ours is None:
            raise Unwritable(f"{path}[{index}]", name, "expected user, team, model, virtualaccount or metadata.KEY")
        if ours not in found:
            found.append(ours)
    return found


def amount_of(path: str, unit: str, value: object, findings: Findings) -> dict[str, Number]:
    """``limit`` and ``unit`` of a rate limit, or ``limit_usd`` and ``window`` of a budget; empty when it cannot be said."""
    if unit in WINDOWS:
        usd = usd_of(path, value, findings)
        return {} if usd is None else {"limit_usd": usd, "window": WINDOWS[unit]}
    count = count_of(path, value, findings)
    return {} if count is None else {"limit": count, "unit": unit}


def alerts_of(rule: Table) -> list[Number]:
    """Thresholds as parts of the limit. Where they are sent to is left out."""
    if not isinstance(rule.members.get("alerts"), dict):
        rule.table("alerts")
        return []
    alerts = rule.table("alerts")
    thresholds = alerts.get("thresholds")
    if thresholds is not None and not isinstance(thresholds, list):
        rule.findings.left_out(
            alerts.at("thresholds"), None, "expected a list of percentages", "write `alerts` by hand"
        )
        thresholds = []
    found: list[Number] = []
    for index, each in enumerate(DEFAULT_THRESHOLDS if thresholds is None else thresholds):
        percent = decimal_of(each)
        if percent is None or not 0 < percent <= 1000:
            place = f"{alerts.at('thresholds')}[{index}]"
            rule.findings.left_out(place, None, "expected a percentage over 0 and up to 1000", "add it to `alerts`")
        else:
            found.append(float(percent / 100))
    alerts.finish({"notification_target": "send alerts on from where fastgw reports them"})
    return found


def note_accounts(path: str, accounts: Iterable[str], draft: Draft) -> None:
    """Provider accounts that rules name: each becomes a provider when its name says of which kind."""
    for account in dict.fromkeys(accounts):
        if account in draft.accounts:
            continue
        draft.accounts.add(account)
        kind = next((kind for part, kind in _ACCOUNT_KINDS if part in account.lower()), None)
        if kind is None or draft.new_provider(account) != account:
            draft.findings.to_do(
                path,
                account,
                "limits do not say what this account is",
                "write [providers.NAME] under this name, in lower-case letters, or a [[models]] row with the whole name",
            )
            continue
        env = draft.new_env(f"{account}_API_KEY")
        draft.add_provider(path, account, {"kind": kind, "api_key": f"env:{env}"})
        draft.findings.to_do(
            path,
            account,
            f'limits do not say what this account is; taken for kind "{kind}"',
            f"set {env}, and base_url if it is not the vendor's own address",
        )


def accounts_of(models: Iterable[str]) -> list[str]:
    """The first parts of ``account/model``."""
    return [account for account, slash, _ in (model.partition("/") for model in models) if slash and account]


def members_of(path: str, value: object) -> Mapping[str, object]:
    """A table in a condition; absent is empty.

    Raises:
        Unwritable: it is no table.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unwritable(path, None, "expected a table")
    return value


def only(path: str, members: Mapping[str, object], known: Iterable[str]) -> None:
    """Refuse conditions that are not known.

    Raises:
        Unwritable: there is one.
    """
    for name in members:
        if name not in known:
            raise Unwritable(step(path, name), None, "a condition that fastgw does not have")
