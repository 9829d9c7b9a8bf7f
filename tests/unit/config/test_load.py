"""A file becomes settings with resolved secrets, or an error that shows none."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastgw.config.load import MAX_FILE_BYTES, _Resolver, discover, load
from fastgw.domain.errors import ConfigError

ENV = {"OPENAI_API_KEY": "sk-canary-provider", "KEY": "fgw-canary-0123456789", "EMPTY": "", "BLANK": "canary canary"}
PROVIDER = '[providers.main]\nkind = "openai"\napi_key = "env:OPENAI_API_KEY"\n'


def problem(text: str, base_dir: Path | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(text, ENV, base_dir)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


def with_key(reference: str) -> str:
    return f'{PROVIDER}[[keys]]\nname = "k"\nsecret = "{reference}"\n'


def test_text_is_read_and_secrets_are_resolved() -> None:
    settings = load(with_key("env:KEY"), ENV)

    assert settings.keys[0].secret.reveal() == ENV["KEY"]
    assert settings.keys[0].secret.reference == "env:KEY"
    assert "canary" not in repr(settings)


def test_providers_keep_the_order_of_the_file() -> None:
    names = ["zeta", "alpha", "mid"]
    text = "".join(f'[providers.{name}]\nkind = "openai"\nbase_url = "http://h"\n' for name in names)

    assert list(load(text, {}).providers) == names


def test_a_file_is_read_and_its_folder_is_where_references_start(tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("fgw-0123456789abcdef\n")
    (tmp_path / "fastgw.toml").write_text(with_key("file:key.txt"))

    assert load(tmp_path / "fastgw.toml", ENV).keys[0].secret.reveal() == "fgw-0123456789abcdef"
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(ConfigError, match=r"keys\[0\]\.secret"):
        load(tmp_path / "fastgw.toml", ENV, tmp_path / "elsewhere")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_one_newline_at_the_end_of_a_secret_file_is_dropped(tmp_path: Path, end: str) -> None:
    (tmp_path / "s").write_bytes(b"fgw-0123456789abcdef" + end.encode())

    assert load(with_key("file:s"), ENV, tmp_path).keys[0].secret.reveal() == "fgw-0123456789abcdef"


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"canary-012345678\n\n", b"canary 0123456789", b"canary-\xff-01234567", b"canary" * 1000]
)
def test_a_secret_file_holds_one_line_of_visible_ascii(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "s").write_bytes(data)

    assert problem(with_key("file:s"), tmp_path).path == "keys[0].secret"


def test_a_secret_file_must_be_a_file(tmp_path: Path) -> None:
    assert "expected file:. to be a file" in str(problem(with_key("file:."), tmp_path))
    assert "expected file:none to be a file" in str(problem(with_key("file:none"), tmp_path))
    assert "to be readable: File name too long" in str(problem(with_key("file:" + "x" * 5000), tmp_path))


@pytest.mark.parametrize(
    "reference", ["sk-canary-literal-value", "canary", "", "env:", "env:canary-x", "ENV:KEY", "file:", " env:KEY"]
)
def test_a_literal_is_refused_and_not_repeated(reference: str) -> None:
    error = problem(with_key(reference))

    assert error.path == "keys[0].secret"
    assert "env:NAME or file:PATH" in error.problem


def test_a_secret_of_another_type_is_not_repeated() -> None:
    assert "got `int`" in problem(PROVIDER + '[[keys]]\nname = "k"\nsecret = 12345678901234567\n').problem


@pytest.mark.parametrize(
    ("name", "word"), [("NOT_THERE", "NOT_THERE to be set"), ("EMPTY", "empty"), ("BLANK", "visible ASCII")]
)
def test_a_variable_that_is_not_a_secret(name: str, word: str) -> None:
    assert word in problem(with_key(f"env:{name}")).problem


def test_a_path_of_another_type() -> None:
    assert str(problem(PROVIDER + "ca_file = 3")) == "providers.main.ca_file: expected a string, got `int`"


def test_a_type_that_nobody_taught_it_is_a_bug() -> None:
    with pytest.raises(NotImplementedError):
        _Resolver({}, Path()).decode(complex, "x")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a = \n", "line 1, column 5"),
        ("[a]\nb = 1\nb = 2\nc = 3\n", "line 3, column 6"),
        ("\n[a", "line 2, column 3"),
        ("a = [", "line 1, column 6"),
    ],
)
def test_bad_toml_is_named_by_line_and_column(text: str, path: str) -> None:
    error = problem(text)

    assert error.path == path
    assert error.problem.startswith("expected TOML: ")


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "9" * 5000])
def test_toml_that_is_made_to_hurt(text: str) -> None:
    assert "sensible" in problem(text).problem


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for name, data in (("absent", None), ("latin", b"a = '\xe9'"), ("big", b"#" * (MAX_FILE_BYTES + 1))):
        path = tmp_path / name
        if data is not None:
            path.write_bytes(data)
        with pytest.raises(ConfigError) as caught:
            load(path, {})
        assert caught.value.path == str(path)


def test_discovery_finds_a_provider_for_each_key() -> None:
    settings = discover(
        {"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "b", "OPENAI_BASE_URL": "http://h/v1", "ANTHROPIC_BASE_URL": ""}
    )

    assert list(settings.providers) == ["openai", "anthropic"]
    assert settings.providers["openai"].base_url == "http://h/v1"
    assert settings.providers["anthropic"].base_url is None
    key = settings.providers["anthropic"].api_key
    assert key is not None
    assert (key.reveal(), key.reference) == ("a", "env:ANTHROPIC_API_KEY")
    assert settings.keys == ()


@pytest.mark.parametrize("env", [{}, {"OPENAI_API_KEY": ""}, {"OPENAI_BASE_URL": "http://h"}])
def test_discovery_without_a_key_says_what_to_do(env: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY or ANTHROPIC_API_KEY"):
        discover(env)


def test_discovery_checks_what_it_found() -> None:
    with pytest.raises(ConfigError, match=r"providers\.openai\.base_url"):
        discover({"OPENAI_API_KEY": "x", "OPENAI_BASE_URL": "ftp://h"})
