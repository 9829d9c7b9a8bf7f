"""LiteLLM: the ``config.yaml`` of its proxy, and the lists of keys, teams and users that its management API gives.

Source: https://docs.litellm.ai/docs/proxy/config_settings (read in November 2026).

Invariant: settings that only LiteLLM has are among the findings, without their values, which may be secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from fastgw.importers.draft import Draft
from fastgw.importers.findings import Findings, Hidden
from fastgw.importers.litellm_limits import COUNTS, Scope, import_budget, import_count
from fastgw.importers.litellm_models import DEFAULT_ENV, Deployments
from fastgw.importers.litellm_people import People, kind_of
from fastgw.importers.table import Table

_SETTINGS: Final = ("litellm_settings", "general_settings", "router_settings", "environment_variables")
_LISTS: Final[Mapping[str, str]] = {"keys": "key", "teams": "team", "users": "user"}
_INNER: Final[Mapping[str, str]] = {"team_info": "team", "user_info": "user"}
_PAGES: Final = ("total_count", "current_page", "page", "page_size", "total")
_HINTS: Final[Mapping[str, str]] = {
    "cache": "see what fastgw caches",
    "master_key": "set admin.token for operators, and [[keys]] for callers",
    "database_url": "see [ledger]; fastgw keeps its own database",
    "callbacks": "see the ledger and /metrics",
    "success_callback": "see the ledger and /metrics",
    "failure_callback": "see the ledger and /metrics",
    "max_internal_user_budget": 'write [[budgets]] with per = ["user"]',
    "request_timeout": "set the timeouts of [providers.NAME]",
    "fallbacks": "a [[models]] row has one target",
    "model_group_alias": "write [[models]] rows for the aliases",
    "provider_budget_config": "write [[budgets]] with when.providers",
}
_HASHED: Final = "the list has hashes only"


class _Entries:
    """Everything of all documents, sorted."""

    def __init__(self, findings: Findings) -> None:
        self.findings = findings
        self.models: list[Table] = []
        self.settings: list[Table] = []
        self.people: dict[str, list[Table]] = {"key": [], "team": [], "user": []}

    def add(self, path: str, document: object) -> None:
        if isinstance(document, list):
            for index, each in enumerate(document):
                self._entry(f"{path}[{index}]", each, None)
        elif isinstance(document, dict) and not _holds(document):
            self._entry(path, document, None)
        elif isinstance(document, dict):
            self._container(Table(document, path, self.findings))

    def _container(self, table: Table) -> None:
        self.models += table.tables("model_list")
        self.settings += [table.table(name) for name in _SETTINGS]
        for name, kind in _LISTS.items():
            for index, each in enumerate(table.entries(name)):
                self._entry(f"{table.at(name)}[{index}]", each, kind)
        for name, kind in _INNER.items():
            if table.members.get(name):
                inner = table.table(name)
                merged = {"team_memberships": table.get("team_memberships"), **inner.members}
                self._entry(inner.path, merged if kind == "team" else inner.members, kind)
        if table.members.get("info"):
            self._entry(table.at("info"), {**table.table("info").members, "key": None}, "key")
            table.skip(("key",))
        pages = table.get("total_pages")
        if isinstance(pages, int) and pages > 1:
            self.findings.left_out(table.at("total_pages"), pages, "it is one page of several", "import all of them")
        table.skip(_PAGES)
        if any(table.members.get(name) for name in _INNER):
            table.skip(("team_id", "user_id"))
        table.finish()

    def _entry(self, path: str, value: object, kind: str | None) -> None:
        if isinstance(value, dict):
            kind = kind or kind_of(value)
            if kind is not None:
                self.people[kind].append(Table(value, path, self.findings))
                return
        if isinstance(value, str) and kind == "key":
            self.findings.left_out(path, Hidden(value), _HASHED, "ask /key/list with return_full_object=true")
        else:
            self.findings.left_out(path, Hidden(value), "expected a key, a team or a user", "correct it")


def is_litellm(document: object) -> bool:
    """Whether a document is a configuration of LiteLLM, or a list of what it knows of callers."""
    if isinstance(document, list):
        return bool(document) and all(isinstance(each, dict) and kind_of(each) is not None for each in document)
    return isinstance(document, dict) and (_holds(document) or kind_of(document) is not None)


def import_litellm(documents: Sequence[tuple[str, object]], draft: Draft) -> None:
    """Add what documents say, each with its path, to a draft."""
    entries = _Entries(draft.findings)
    for path, document in documents:
        entries.add(path, document)
    deployments = Deployments(draft)
    for model in entries.models:
        deployments.reserve(model)
    for model in entries.models:
        deployments.add(model)
    people = People(draft, deployments.names if entries.models else None)
    for team in entries.people["team"]:
        people.add_team(team)
    for user in entries.people["user"]:
        people.add_user(user)
    for key in entries.people["key"]:
        people.add_key(key)
    for settings in entries.settings:
        _import_settings(settings, draft)
    _tell_what_is_missing(draft)


def _import_settings(settings: Table, draft: Draft) -> None:
    proxy = Scope(name="proxy", when={})
    if settings.path.endswith("litellm_settings"):
        import_budget(settings, proxy, draft)
        zone = settings.text("timezone")
        if zone is not None and _is_zone(zone):
            draft.server["timezone"] = zone
        elif zone is not None:
            draft.findings.left_out(settings.at("timezone"), zone, "no time zone has this name", "set server.timezone")
    parallel = settings.get("global_max_parallel_requests")
    if parallel is not None:
        path = settings.at("global_max_parallel_requests")
        import_count(path, parallel, COUNTS["max_parallel_requests"], proxy, draft)
    if settings.path.endswith("environment_variables"):
        settings.finish(dict.fromkeys(settings.members, "set it where fastgw runs"))
    settings.finish(_HINTS)


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _holds(document: Mapping[str, object]) -> bool:
    """Whether it holds lists or settings, rather than being one key, team or user."""
    if "model_list" in document or not document.keys().isdisjoint((*_SETTINGS, *_INNER)):
        return True
    if isinstance(document.get("info"), dict) and "key" in document:
        return True
    return any(isinstance(document.get(name), list) for name in _LISTS) and kind_of(document) is None


def _tell_what_is_missing(draft: Draft) -> None:
    if not draft.providers:
        name = draft.new_provider("openai")
        draft.add_provider("providers", name, {"kind": "openai", "api_key": f"env:{DEFAULT_ENV['openai']}"})
        draft.findings.to_do(
            f"providers.{name}",
            None,
            "a configuration needs a provider, and the source names none",
            "put yours in its place",
        )
    if not draft.rows["keys"]:
        draft.findings.to_do(
            "keys", None, "the source has no keys", "import the list of /key/list too, or write [[keys]]"
        )
    if draft.rows["budgets"] or draft.rows["rate_limits"]:
        draft.findings.to_do(
            "budgets, rate_limits", None, "what was spent before is not known here", "counters begin at nothing"
        )
