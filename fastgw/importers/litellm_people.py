"""LiteLLM's keys, teams and users, as its management API lists them (``/key/list?return_full_object=true``, ``/team/list``,
``/user/list``, and the single ``/key/info``, ``/team/info``, ``/user/info``).

A team's list of models narrows the lists of its keys, because our teams have none. LiteLLM keeps hashes of keys, not keys: secrets
are references to variables that the operator sets.

Source: https://docs.litellm.ai/docs/proxy/virtual_keys, .../proxy/users and .../proxy/team_budgets (read in November 2026).

Invariant: no secret and no hash of one is written; a key may ask for no model that it could not before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final

from fastgw.identity.metadata import MAX_VALUE_CHARS
from fastgw.importers.draft import Draft, literal
from fastgw.importers.findings import Hidden, looks_secret
from fastgw.importers.litellm_limits import PER_MODEL, Scope, import_limits
from fastgw.importers.table import Table
from fastgw.importers.toml_text import Value

Models = Sequence[str] | None
"""Names and globs; None is all."""

_STATE: Final = (
    "budget_id",
    "budget_reset_at",
    "created_at",
    "created_by",
    "created_by_user",
    "last_active",
    "last_refreshed_at",
    "model_spend",
    "spend",
    "team_spend",
    "team_member_spend",
    "updated_at",
    "updated_by",
)
_KEY_STATE: Final = (
    "key_name",
    "token",
    "token_id",
    "key",
    "last_rotation_at",
    "rotation_count",
    "team_alias",
    "user_email",
)
_TEAM_STATE: Final = ("keys", "keys_count", "members_count", "model_id", "members", "admins")
_USER_STATE: Final = ("keys", "key_count", "teams", "sso_user_id", "user_alias", "user_email", "user_role", "password")
_ALL: Final = frozenset({"all-proxy-models", "*"})
_OF_TEAM: Final = "all-team-models"
_NONE: Final = "no-default-models"
_NO_PER_TEAM: Final = "fastgw has no rule for callers who are a team's and a user's at once"


class People:
    """Teams and users first, then the keys, which point to them. ``offered``: the names of a ``model_list``, None without one."""

    def __init__(self, draft: Draft, offered: Models) -> None:
        self._draft = draft
        self._offered = offered
        self._teams: dict[str, str] = {}
        self._users: dict[str, str] = {}
        self._models: dict[tuple[str, str], Models] = {}
        self._blocked: set[str] = set()

    def add_team(self, team: Table) -> None:
        """One element of ``/team/list``."""
        said_id, alias = team.text("team_id"), team.text("team_alias")
        if said_id is None and alias is None:
            self._draft.findings.left_out(team.path, None, "expected a team_id or a team_alias", "correct it")
            return
        identity = said_id or alias or ""
        name = self._name(team, alias if alias and alias not in self._teams.values() else identity, "team")
        self._teams[identity] = name
        self._models["team", identity] = self._list(team, None)
        if team.flag("blocked"):
            self._blocked.add(identity)
        row: dict[str, Value] = {"name": name}
        if metadata := self._tags(team.table("metadata")):
            row["metadata"] = metadata
        if not self._draft.add("teams", team.path, row):
            return
        import_limits(team, Scope(name=f"team-{name}", when={"subjects": [f"team:{literal(name)}"]}), self._draft)
        if team.members.get("members_with_roles"):
            self._draft.findings.to_do(
                team.at("members_with_roles"),
                Hidden(team.get("members_with_roles")),
                "roles are for LiteLLM's own pages",
                "nothing: each key says its user and its team",
            )
        for member in team.tables("team_memberships"):
            self._draft.findings.left_out(member.path, None, _NO_PER_TEAM, "give the member's key a budget")
        team.skip((*_STATE, *_TEAM_STATE))
        team.finish({"organization_id": "an organisation's budget can be written for each of its teams"})

    def add_user(self, user: Table) -> None:
        """One element of ``/user/list``."""
        identity = user.text("user_id") or user.text("user_email")
        if identity is None:
            self._draft.findings.left_out(user.path, None, "expected a user_id", "correct it")
            return
        name = self._name(user, identity, "user")
        self._users[identity] = name
        self._models["user", identity] = self._list(user, None)
        row: dict[str, Value] = {"name": name}
        if metadata := self._tags(user.table("metadata")):
            row["metadata"] = metadata
        if not self._draft.add("users", user.path, row):
            return
        subjects: dict[str, Value] = {"subjects": [f"user:{literal(name)}"]}
        scope = Scope(name=f"user-{name}", when=subjects, personal={"not_subjects": ["team:*"]})
        import_limits(user, scope, self._draft)
        user.skip((*_STATE, *_USER_STATE))
        user.finish()

    def add_key(self, key: Table) -> None:
        """One element of ``/key/list``."""
        findings = self._draft.findings
        team, user = key.text("team_id"), key.text("user_id")
        if key.flag("blocked") or team in self._blocked:
            findings.to_do(key.path, None, "the key or its team is blocked, so it is not written", "nothing")
            return
        alias = key.text("key_alias")
        name = self._draft.new_key(self._name(key, alias or f"key-{len(self._draft.rows['keys']) + 1}", "key"))
        models = self._allowed(key, team, user)
        if models is not None and not models:
            findings.left_out(key.at("models"), None, "it may use no model at all, so the key is left out", "nothing")
            return
        env = self._draft.new_env(f"FASTGW_KEY_{name}")
        row: dict[str, Value] = {"name": name, "secret": f"env:{env}"}
        row.update(self._owners(key, team, user))
        if models is not None:
            row["models"] = list(models)
        if metadata := self._tags(key.table("metadata")):
            row["metadata"] = metadata
        if not self._draft.add("keys", key.path, row):
            return
        findings.to_do(
            key.path,
            name,
            "LiteLLM keeps a hash of the key, and secrets are not written",
            f"set {env} to the key that its callers hold, or to a new one of 16 characters or more",
        )
        import_limits(key, Scope(name=f"key-{name}", when={"subjects": [f"key:{literal(name)}"]}), self._draft)
        key.skip((*_STATE, *_KEY_STATE))
        key.finish({"expires": "take the key out when its time is over", "duration": "as `expires`"})

    def _owners(self, key: Table, team: str | None, user: str | None) -> dict[str, Value]:
        found: dict[str, Value] = {}
        if team is not None:
            name = self._teams.setdefault(team, team)
            if self._draft.declare("teams", key.at("team_id"), name):
                found["team"] = name
        if user is not None:
            name = self._users.setdefault(user, user)
            if self._draft.declare("users", key.at("user_id"), name):
                found["user"] = name
        return found

    def _name(self, table: Table, text: str, kind: str) -> str:
        if not looks_secret(text):
            return text
        name = f"{kind}-{len(self._draft.rows[f'{kind}s']) + 1}"
        self._draft.findings.changed(
            table.path, None, f"its name looks like a secret; it is `{name}` here", "give it another name"
        )
        return name

    def _list(self, table: Table, of_team: Models) -> Models:
        """What ``models`` says; ``of_team`` is what ``all-team-models`` stands for."""
        names = table.texts("models")
        if not names or _ALL & set(names):
            return None
        if _OF_TEAM in names and of_team is None:
            return None
        found = [_glob(name) for name in names if name not in (_OF_TEAM, _NONE)]
        return [*found, *(of_team or ())] if _OF_TEAM in names else found

    def _allowed(self, key: Table, team: str | None, user: str | None) -> Models:
        of_team = self._models.get(("team", team)) if team is not None else None
        allowed = _both(self._list(key, of_team), of_team)
        if team is None and user is not None:
            allowed = _both(allowed, self._models.get(("user", user)))
        if allowed is None and self._offered is not None:
            return [_glob(name) for name in self._offered]
        if allowed is None:
            self._draft.findings.to_do(
                "keys[].models",
                None,
                "without a list a key may use every name of `model_list` there, every model of a provider here",
                "import config.yaml and the keys together, or give the keys lists",
            )
        return allowed

    def _tags(self, metadata: Table) -> dict[str, str]:
        """Texts, numbers and truth values; the rest is left out, and what may be a secret is not shown."""
        metadata.skip(PER_MODEL)
        tags: dict[str, str] = {}
        for name, value in metadata.members.items():
            text = _tag_text(value)
            if name in PER_MODEL or text is None:
                continue
            metadata.get(name)
            if len(text) > MAX_VALUE_CHARS or len(name) > MAX_VALUE_CHARS or looks_secret(text, name):
                why = f"a tag has up to {MAX_VALUE_CHARS} characters, and is no secret"
                self._draft.findings.left_out(metadata.at(name), Hidden(value), why, "decide whether you need it")
            else:
                tags[name] = text
        metadata.finish()
        return tags


def _tag_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return str(value)
    return value if isinstance(value, str) and value else None


def _glob(name: str) -> str:
    """A star is the only thing that is not itself in LiteLLM's names of models."""
    return literal(name).replace("[*]", "*")


def _both(one: Models, other: Models) -> Models:
    """What two lists of globs both allow."""
    if one is None or other is None:
        return one if other is None else other
    found = [name for name in one if any(fnmatchcase(name, pattern) for pattern in other)]
    found += [name for name in other if name not in found and any(fnmatchcase(name, pattern) for pattern in one)]
    return found


def kind_of(entry: Mapping[str, object]) -> str | None:
    """Whether a table is a ``key``, a ``team`` or a ``user`` of LiteLLM."""
    if not entry.keys().isdisjoint({"token", "key", "key_name", "key_alias", "token_id"}):
        return "key"
    if not entry.keys().isdisjoint({"team_alias", "members_with_roles", "team_id"}):
        return "team"
    return None if entry.keys().isdisjoint({"user_id", "user_email"}) else "user"
