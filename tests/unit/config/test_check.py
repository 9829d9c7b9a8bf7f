"""Sections that do not agree with each other are refused before anything is built."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

from fastgw.config.load import load
from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError

ENV = {
    "A": "aaaa-0123456789abcdef",
    "B": "bbbb-0123456789abcdef",
    "SAME": "aaaa-0123456789abcdef",
    "SHORT": "0123456789abcde",
}
PROVIDER = '[providers.main]\nkind = "openai"\napi_key = "env:A"\n'


def good(text: str) -> Settings:
    return load(PROVIDER + text, ENV)


def refused(text: str, path: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(text if "[providers" in text else PROVIDER + text, ENV)
    assert caught.value.path == path
    assert not any(value in str(caught.value) for value in ENV.values())
    return caught.value.problem


def test_a_gateway_without_a_provider_serves_nobody() -> None:
    with pytest.raises(ConfigError, match=r"at least one \[providers\.NAME\]"):
        load("", ENV)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[server]\nlisten = "8787"', "server.listen"),
        ('[admin]\nlisten = "8787"', "admin.listen"),
        ('[admin]\nlisten = "0.0.0.0:1"', "admin.token"),
        ('[admin]\ntoken = "env:SHORT"', "admin.token"),
        ('[admin]\nlisten = "127.0.0.1:8787"', "admin.listen"),
    ],
)
def test_doors_that_would_be_open_or_in_each_others_way(text: str, path: str) -> None:
    assert refused(text, path)


@pytest.mark.parametrize(
    "text",
    [
        '[server]\nlisten = "0.0.0.0:1"',
        '[admin]\nlisten = "0.0.0.0:1"\ntoken = "env:A"',
        '[server]\nlisten = "127.0.0.1:0"\n[admin]\nlisten = "127.0.0.1:0"',
    ],
)
def test_doors_that_are_fine(text: str) -> None:
    assert good(text)


def test_providers_are_built_to_see_whether_they_can_be() -> None:
    assert refused('[providers.x]\nkind = "openai"', "providers.x.api_key")
    assert refused('[providers.x]\nkind = "openai"\nbase_url = "http://"', "providers.x.base_url")


def test_private_certificates_are_read(tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("not a certificate")
    (tmp_path / "ca.pem").write_bytes(Path(certifi.where()).read_bytes())

    def load_with(url: str, name: str) -> Settings:
        text = f'[providers.x]\nkind = "openai"\nbase_url = "{url}"\nca_file = "{name}"'
        return load(text, ENV, tmp_path)

    assert load_with("https://h", "ca.pem").providers["x"].ca_file == tmp_path / "ca.pem"
    for url, name, word in (
        ("https://h", "junk.pem", "PEM"),
        ("https://h", "absent.pem", "readable"),
        ("http://h", "ca.pem", "http://"),
    ):
        with pytest.raises(ConfigError, match=word) as caught:
            load_with(url, name)
        assert caught.value.path == "providers.x.ca_file"


def test_aliases() -> None:
    row = '[[models]]\nname = "m"\ntargets = [{{ target = "{}" }}]\n'

    assert good(row.format("main/a/b")).models[0].name == "m"
    assert refused(row.format("main"), "models[0].targets[0].target")
    assert refused(row.format("main/"), "models[0].targets[0].target")
    assert '(main) before the slash, got "other"' in refused(row.format("other/a"), "models[0].targets[0].target")
    assert "models[0]" in refused(row.format("main/a") * 2, "models[1].name")


@pytest.mark.parametrize("name", ["Mars/Olympus", "../etc/passwd", "/etc/passwd"])
def test_a_time_zone_that_there_is_not(name: str) -> None:
    assert "time zone" in refused(f'[server]\ntimezone = "{name}"', "server.timezone")


def test_limits_have_ids_of_their_own() -> None:
    budget = '[[budgets]]\nid = "a"\nlimit_usd = 1\nwindow = "day"\n'
    rate = '[[rate_limits]]\nid = "a"\nlimit = 1\nunit = "requests_per_day"\n'
    assert good('[server]\ntimezone = "Europe/Berlin"\n' + budget).budgets[0].id == "a"
    assert "as budgets[0]" in refused(budget * 2, "budgets[1].id")
    assert "as budgets[0]" in refused(budget + rate, "rate_limits[0].id")


def key(name: str, reference: str, more: str = "") -> str:
    return f'[[keys]]\nname = "{name}"\nsecret = "env:{reference}"\n{more}\n'


TEAM = '[[teams]]\nname = "ml"\n'
USER = '[[users]]\nname = "ada"\nteam = "ml"\n'


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (TEAM * 2, "teams[1].name"),
        (USER * 2, "users[1].name"),
        (key("k", "A") + key("k", "B"), "keys[1].name"),
        (key("k", "A") + key("l", "A"), "keys[1].secret"),
        (key("k", "A") + key("l", "SAME"), "keys[1].secret"),
        (key("k", "SHORT"), "keys[0].secret"),
        (TEAM + '[[users]]\nname = "ada"\nteam = "m1"', "users[0].team"),
        (TEAM + key("k", "A", 'team = "m1"'), "keys[0].team"),
        (USER + key("k", "A", 'user = "bob"'), "keys[0].user"),
        (USER + key("k", "A", 'user = "ada"\nteam = "ops"'), "keys[0].team"),
    ],
)
def test_keys_users_and_teams_that_contradict_each_other(text: str, path: str) -> None:
    assert refused(text, path)


@pytest.mark.parametrize(
    "text",
    [
        key("k", "A") + key("l", "B"),
        key("k", "A", 'team = "free"\nuser = "free"'),
        TEAM + USER + key("k", "A", 'user = "ada"') + key("l", "B", 'team = "ml"\nuser = "ada"'),
        '[[users]]\nname = "bob"\n' + key("k", "A", 'user = "bob"\nteam = "free"'),
        TEAM + USER + '[[users]]\nname = "bob"\n',
    ],
)
def test_keys_users_and_teams_that_agree(text: str) -> None:
    assert good(text)
