"""A channel has what its kind needs and nothing else, and no address of one is ever shown."""

from __future__ import annotations

import pytest

from fastgw.config.load import load
from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError

ENV = {"A": "a" * 20, "HOOK": "https://hooks.example.com/s3cret", "NO": "ftp://s3cret", "PW": "s3cret"}
PROVIDER = '[providers.main]\nkind = "openai"\napi_key = "env:A"\n'
MAIL = '[[alert_channels]]\nname = "m"\nkind = "smtp"\nhost = "mail"\nsender = "a@b"\nto = ["c@d"]\n'
HOOK = '[[alert_channels]]\nname = "h"\nkind = "webhook"\nurl = "env:HOOK"\n'


def good(text: str) -> Settings:
    return load(PROVIDER + text, ENV)


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        good(text)
    assert "s3cret" not in str(caught.value)
    return f"{caught.value.path}: {caught.value.problem}"


def test_channels_that_are_fine() -> None:
    texts = [
        HOOK + 'headers = { X-Team = "a" }\n',
        HOOK.replace("webhook", "slack"),
        MAIL,
        MAIL + 'user = "u"\npassword = "env:PW"\n',
        MAIL.replace('"mail"', '"127.0.0.1"') + 'user = "u"\npassword = "env:PW"\ntls = "none"\n',
        MAIL + 'tls = "none"\n',
        '[[alert_channels]]\nname = "l"\nkind = "log"\n',
    ]
    assert [good(text).alert_channels[0].kind for text in texts] == [
        "webhook",
        "slack",
        "smtp",
        "smtp",
        "smtp",
        "smtp",
        "log",
    ]
    assert len(good(HOOK + MAIL).alert_channels) == 2
    assert good("").alert_channels == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HOOK * 2, 'alert_channels[1].name: expected a name of its own, got "h"'),
        (
            HOOK.replace('url = "env:HOOK"', ""),
            'alert_channels[0].url: expected this key, which kind = "webhook" requires',
        ),
        (
            HOOK.replace("HOOK", "NO"),
            "alert_channels[0].url: expected an http:// or https:// URL in env:NO (not shown)",
        ),
        (HOOK.replace("HOOK", "PW"), "alert_channels[0].url: expected an http:// or https:// URL in env:PW"),
        (HOOK.replace("env:HOOK", "https://hooks.example.com/s3cret"), "alert_channels[0].url: expected a reference"),
        (HOOK + 'to = ["a@b"]\n', 'alert_channels[0].to: expected nothing here with kind = "webhook"'),
        (HOOK + 'headers = { Host = "x" }\n', "alert_channels[0].headers.Host: expected another header"),
        (
            HOOK.replace("webhook", "slack") + 'headers = { X-A = "x" }\n',
            'alert_channels[0].headers: expected nothing here with kind = "slack"',
        ),
        (MAIL + 'url = "env:HOOK"\n', 'alert_channels[0].url: expected nothing here with kind = "smtp"'),
        (MAIL.replace('host = "mail"', ""), "alert_channels[0].host: expected this key"),
        (MAIL.replace('to = ["c@d"]', ""), "alert_channels[0].to: expected this key"),
        (MAIL.replace('to = ["c@d"]', "to = []"), "alert_channels[0].to: expected this key"),
        (MAIL.replace('sender = "a@b"', ""), "alert_channels[0].sender: expected this key"),
        (MAIL + 'user = "u"\n', "alert_channels[0].password: expected this key beside `user`"),
        (MAIL + 'password = "env:PW"\n', "alert_channels[0].user: expected this key beside `password`"),
        (
            MAIL + 'user = "u"\npassword = "env:PW"\ntls = "none"\n',
            'alert_channels[0].tls: expected "starttls" or "tls"',
        ),
        (
            '[[alert_channels]]\nname = "l"\nkind = "log"\ntls = "none"\n',
            'alert_channels[0].tls: expected nothing here with kind = "log"',
        ),
    ],
)
def test_channels_that_are_not(text: str, said: str) -> None:
    assert refused(text).startswith(said)


ANOMALY = '[[anomalies]]\nid = "a"\n'


def test_anomalies_that_are_fine() -> None:
    settings = good(ANOMALY + "max_multiple = 10\n" + ANOMALY.replace('"a"', '"b"') + 'repeats = 3\nmode = "audit"\n')
    assert [row.per for row in settings.anomalies] == [("key",), ("key",)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ANOMALY, "anomalies[0].max_multiple: expected this key, or `repeats`, or both"),
        (ANOMALY + "repeats = 3\nmin_usd = 0\n", "anomalies[0].min_usd: expected more than 0"),
        (
            ANOMALY + "repeats = 3\nwindow_s = 61\nrecent_s = 60\n",
            "anomalies[0].recent_s: expected at least `window_s` (61)",
        ),
        (ANOMALY + 'repeats = 3\nmode = "soft"\n', 'anomalies[0].mode: expected "enforce" or "audit", got "soft"'),
        (
            ANOMALY + 'repeats = 3\n[[budgets]]\nid = "a"\nlimit_usd = 1\nwindow = "day"\n',
            'anomalies[0].id: expected an id of its own, got "a", as budgets[0]',
        ),
    ],
)
def test_anomalies_that_are_not(text: str, said: str) -> None:
    assert refused(text).startswith(said)
