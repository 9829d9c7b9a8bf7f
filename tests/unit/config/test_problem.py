"""A refusal names the path with every name in it, what was expected, and what came, unless that could be a secret."""

from __future__ import annotations

import pytest

from fastgw.config.load import load
from fastgw.domain.errors import ConfigError

ENV = {"K": "secret-0123456789abc"}
GOOD = '[providers.good]\nkind = "openai"\napi_key = "env:K"\n'
BAD = GOOD + '[providers.bad]\nkind = "openai"\n'
MODEL = '[[models]]\nname = "m"\n'
TEAM = '[[teams]]\nname = "a"\n'


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("[server]\nworkers = 0", "server.workers", "expected `int` >= 1, got 0"),
        ('[server]\nworkers = "2"', "server.workers", "expected `int`, got `str`"),
        ("providers = 3", "providers", "expected `object`, got `int`"),
        (GOOD + "connect_timeout_s = nan", "providers.good.connect_timeout_s", "expected `float` > 0.0, got nan"),
        (BAD + "api_key = 3", "providers.bad.api_key", "expected a reference env:NAME or file:PATH, got `int`"),
        (GOOD + "[providers.bad]", "providers.bad.kind", "expected this key, which is required, got nothing"),
        (
            GOOD + '[providers.bad]\nkind = "opnai"',
            "providers.bad.kind",
            'expected one of anthropic, openai, got "opnai"',
        ),
        (
            BAD + 'headers = { a = "canary\\n" }',
            "providers.bad.headers.a",
            "expected up to 4096 visible ASCII characters, with blanks inside only (what came is not shown)",
        ),
        (
            BAD + 'region = "eu west"',
            "providers.bad.region",
            'expected up to 64 letters, digits, dots, dashes and underscores, got "eu west"',
        ),
        (
            BAD + 'headers = { "a b" = "c" }',
            'providers.bad.headers."a b"',
            "expected a name of up to 128 characters that a header's name may have",
        ),
        (
            BAD + f'base_url = "http://canary{"x" * 3000}"',
            "providers.bad.base_url",
            "expected `str` of length <= 2048 (what came is not shown)",
        ),
        (MODEL + "targets = []", "models[0].targets", "expected `array` of length >= 1, got 0 elements"),
        (TEAM + "[[teams]]", "teams[1].name", "expected this key, which is required, got nothing"),
        (TEAM + 'metadata = { ok = "", "b c" = 1 }', 'teams[0].metadata."b c"', "expected `str`, got `int`"),
        (TEAM + 'metadata = { "" = "x" }', 'teams[0].metadata.""', "expected `str` of length >= 1 as a name"),
    ],
)
def test_the_whole_message(text: str, path: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, ENV)

    assert caught.value.path == path
    assert caught.value.problem == problem


@pytest.mark.parametrize("name", ["Bad", "a/b", "a\\n"])
def test_a_bad_name_of_a_provider_is_shown_in_the_path(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f'{GOOD}[providers."{name}"]\nkind = "openai"', ENV)

    assert caught.value.path.startswith("providers.")
    assert caught.value.path.isprintable()
    assert "expected a name of up to 64 lower-case letters" in caught.value.problem


@pytest.mark.parametrize(
    ("text", "path", "hint"),
    [
        ("[sever]", "sever", "did you mean `server`?"),
        ("[server]\nlitsen = 1", "server.litsen", "did you mean `listen`?"),
        (GOOD + 'key = "env:K"', "providers.good.key", "did you mean `api_key`?"),
        ('[[keys]]\nname = "k"\nsecret = "env:K"\nbudget = 3', "keys[0].budget", "expected one of name, secret, team"),
        ('[[models]]\nname = "m"\ntargets = [{ target = "a/b", weight = 1 }]', "models[0].targets[0].weight", "target"),
    ],
)
def test_an_unknown_key_is_named_with_the_known_ones(text: str, path: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text, ENV)

    assert caught.value.path == path
    assert caught.value.problem.startswith("unknown key, expected one of ")
    assert hint in caught.value.problem


def test_of_two_bad_entries_the_first_is_named() -> None:
    text = "".join(f'[providers.{name}]\nkind = "openai"\nregion = "{name} {name}"\n' for name in ("b", "a"))

    with pytest.raises(ConfigError) as caught:
        load(text, ENV)

    assert str(caught.value).startswith("providers.b.region")
    assert str(caught.value).endswith('got "b b"')


def test_an_error_further_down_does_not_put_the_blame_on_a_good_entry() -> None:
    with pytest.raises(ConfigError) as caught:
        load(BAD + 'region = "eu west"\n[[models]]', ENV)

    assert caught.value.path == "providers.bad.region"
