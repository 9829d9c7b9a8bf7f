"""What the sections of a configuration must agree on with each other: everything ``serve`` would find wrong, without
a socket.

Invariant: a configuration that passes can be built; the only files touched are the ``ca_file`` of providers.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

from fastgw.config.check_alerts import verify_anomaly, verify_channel
from fastgw.config.root import Settings
from fastgw.domain.address import Address, parse_address
from fastgw.domain.errors import ConfigError
from fastgw.domain.rule import RuleRow
from fastgw.domain.text import show
from fastgw.identity.config import KeyRow, UserRow
from fastgw.identity.secret import MIN_SECRET_CHARS, SecretText
from fastgw.identity.table import digest_of
from fastgw.providers.config import ProviderConfig
from fastgw.providers.registry import build_endpoint
from fastgw.routing.config import ModelRow


def verify(settings: Settings) -> None:
    """Raise the first :class:`ConfigError`, in the order of the sections; return when there is none."""
    _check_listeners(settings)
    if not settings.providers:
        raise ConfigError("providers", "expected at least one [providers.NAME], got none")
    for name, provider in settings.providers.items():
        _check_provider(name, provider)
    _check_models(settings.models, settings.providers)
    _check_identity(settings)
    _check_limits(settings)
    _check_unique("alert_channels", settings.alert_channels, lambda row: row.name)
    for index, channel in enumerate(settings.alert_channels):
        verify_channel(f"alert_channels[{index}]", channel)


def _check_listeners(settings: Settings) -> None:
    admin, server = settings.admin, settings.server
    server_address = _parse("server.listen", server.listen)
    address = _parse("admin.listen", admin.listen)
    if admin.token is not None:
        _check_length("admin.token", admin.token)
    if admin.token is None and not address.is_loopback:
        raise ConfigError(
            "admin.token", f"expected a token, because {address} can be reached from other machines; got none"
        )
    if address == server_address and server_address.port != 0:
        raise ConfigError("admin.listen", f"expected another address than server.listen ({server.listen})")


def _parse(path: str, text: str) -> Address:
    try:
        return parse_address(text)
    except ValueError as error:
        raise ConfigError(path, f'{error}, got "{show(text, 80)}"') from None


def _check_provider(name: str, provider: ProviderConfig) -> None:
    endpoint = build_endpoint(name, provider)
    if provider.ca_file is None:
        return
    path = f"providers.{name}.ca_file"
    if endpoint.scheme != "https":
        raise ConfigError(path, "expected nothing here with an http:// base_url")
    try:
        ssl.create_default_context(cafile=str(provider.ca_file))
    except ssl.SSLError:
        raise ConfigError(path, f"expected certificates in PEM in {provider.ca_file}") from None
    except OSError as error:
        raise ConfigError(path, f"expected a readable file, got {provider.ca_file}: {error.strerror}") from None


def _check_models(models: Sequence[ModelRow], providers: Mapping[str, ProviderConfig]) -> None:
    _check_unique("models", models, lambda row: row.name)
    for index, row in enumerate(models):
        for place, each in enumerate(row.targets):
            path = f"models[{index}].targets[{place}].target"
            provider, _, model = each.target.partition("/")
            if not model:
                raise ConfigError(path, f'expected "provider/model", got "{show(each.target)}"')
            if provider not in providers:
                known = ", ".join(providers)
                raise ConfigError(
                    path, f'expected a configured provider ({known}) before the slash, got "{show(provider)}"'
                )


def _check_identity(settings: Settings) -> None:
    _check_unique("teams", settings.teams, lambda row: row.name)
    _check_unique("users", settings.users, lambda row: row.name)
    _check_unique("keys", settings.keys, lambda row: row.name)
    teams = {row.name for row in settings.teams}
    users = {row.name: row for row in settings.users}
    for index, user in enumerate(settings.users):
        _check_declared(f"users[{index}].team", user.team, teams, "[[teams]]")
    digests: dict[bytes, int] = {}
    for index, key in enumerate(settings.keys):
        path = f"keys[{index}]"
        _check_declared(f"{path}.team", key.team, teams, "[[teams]]")
        _check_declared(f"{path}.user", key.user, users.keys(), "[[users]]")
        _check_team_of_user(path, key, users)
        _check_length(f"{path}.secret", key.secret)
        first = digests.setdefault(digest_of(key.secret.reveal().encode()), index)
        if first != index:
            raise ConfigError(
                f"{path}.secret", f"expected a secret of its own, got the same as keys[{first}] (not shown)"
            )


def _check_limits(settings: Settings) -> None:
    try:
        _ = settings.server.zone
    except (ZoneInfoNotFoundError, ValueError):
        problem = f'expected the name of a time zone such as "Europe/Berlin", got "{show(settings.server.timezone)}"'
        raise ConfigError("server.timezone", problem) from None
    seen: dict[str, str] = {}
    sections: tuple[tuple[str, Sequence[RuleRow]], ...] = (
        ("budgets", settings.budgets),
        ("rate_limits", settings.rate_limits),
        ("anomalies", settings.anomalies),
    )
    for section, rows in sections:
        for index, row in enumerate(rows):
            path = f"{section}[{index}]"
            first = seen.setdefault(row.id, path)
            if first != path:
                raise ConfigError(f"{path}.id", f'expected an id of its own, got "{show(row.id)}", as {first}')
    for index, anomaly in enumerate(settings.anomalies):
        verify_anomaly(f"anomalies[{index}]", anomaly)


def _check_unique(section: str, rows: Sequence[Any], name_of: Callable[[Any], str]) -> None:
    seen: dict[str, int] = {}
    for index, row in enumerate(rows):
        first = seen.setdefault(name_of(row), index)
        if first != index:
            raise ConfigError(
                f"{section}[{index}].name",
                f'expected a name of its own, got "{show(name_of(row))}", as {section}[{first}]',
            )


def _check_declared(path: str, name: str | None, declared: set[str] | Any, section: str) -> None:
    if name is not None and declared and name not in declared:
        raise ConfigError(path, f'expected a name that {section} declares, got "{show(name)}"')


def _check_team_of_user(path: str, key: KeyRow, users: Mapping[str, UserRow]) -> None:
    user = users.get(key.user) if key.user is not None else None
    if user is not None and user.team is not None and key.team is not None and user.team != key.team:
        raise ConfigError(
            f"{path}.team",
            f'expected "{show(user.team)}", the team of user "{show(user.name)}", got "{show(key.team)}"',
        )


def _check_length(path: str, secret: SecretText) -> None:
    if len(secret.reveal()) < MIN_SECRET_CHARS:
        raise ConfigError(
            path, f"expected a secret of at least {MIN_SECRET_CHARS} characters in {secret.reference}, got fewer"
        )
