"""What limits would say: the examples of the configurations, and cases of every kind."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fastgw.app.policy import Case, explain, run_cases
from fastgw.domain.errors import ConfigError
from tests.unit.app.settings_text import PROVIDER_AND_KEY

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[3]
LIMITS = """
[[prices]]
provider = "up"
models = ["*"]
input_usd_per_mtok = 1
output_usd_per_mtok = 1
[[budgets]]
id = "night"
when = { hours = ["22:00-06:00"] }
limit_usd = 0
window = "day"
[[budgets]]
id = "day"
limit_usd = 1
window = "day"
per = ["user"]
[[rate_limits]]
id = "tokens"
limit = 1000
unit = "tokens_per_minute"
mode = "audit"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "fastgw.toml"
    path.write_text(PROVIDER_AND_KEY + LIMITS)
    return path


def cases(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cases.toml"
    path.write_text(text)
    return path


def test_the_examples_do_what_they_say() -> None:
    text, passed = run_cases(ROOT / "configs" / "limits.test.toml", None, None)
    assert passed, text
    assert text.endswith("11 of 11 cases as expected")


def test_every_rule_is_explained(config: Path) -> None:
    text, is_allowed = explain(config, Case(key="k", model="up/m", user="ada", at=NOON))
    assert is_allowed
    assert "target    up/m" in text
    assert "rule      day: governs, enforce, 1 USD usd_per_day for user=ada" in text
    assert "rule      tokens: governs, audit, 1000 tokens_per_minute" in text
    assert "verdict   passes, with 0.00" in text


def test_what_refuses_is_told_with_its_reason(config: Path) -> None:
    text, is_allowed = explain(config, Case(key="k", model="nobody/m", at=NOON))
    assert not is_allowed
    assert "verdict   model_not_found: " in text


def test_cases_that_do_not_come_out_are_told(tmp_path: Path, config: Path) -> None:
    path = cases(
        tmp_path,
        """
[[cases]]
name = "at night nothing"
key = "k"
model = "up/m"
at = 2026-11-22T23:00:00
expect = "night"
[[cases]]
key = "k"
model = "up/m"
at = 2026-11-22T12:00:00Z
spent_usd = { day = 1 }
used = { tokens = 5000 }
expect = "allow"
[[cases]]
key = "k"
model = "nobody/m"
expect = "model_not_found"
[[cases]]
key = "k"
model = "up/m"
operation = "respond"
at = 2026-11-22T12:00:00Z
""",
    )
    text, passed = run_cases(path, config, None)
    assert not passed
    lines = text.splitlines()
    assert lines[0] == "ok    at night nothing"
    assert lines[1].startswith("FAIL  case 1: expected allow, got day budget `day` refuses")
    assert (lines[2], lines[3], lines[4]) == ("ok    case 2", "ok    case 3", "3 of 4 cases as expected")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('[[cases]]\nkey = "nobody"\nmodel = "up/m"', "cases[0].key"),
        ('[[cases]]\nkey = "k"\nmodel = "up/m"\nspent_usd = { tokens = 1 }', "cases[0].spent_usd"),
        ('[[cases]]\nkey = "k"\nmodel = "up/m"\nused = { day = 1 }', "cases[0].used"),
        ('[[cases]]\nkey = "k"\nmodel = "up/m"\nused = { unheard-of = 1 }', "cases[0].used"),
    ],
)
def test_cases_that_make_no_sense(tmp_path: Path, config: Path, text: str, path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run_cases(cases(tmp_path, text), config, None)
    assert caught.value.path == path


def test_files_that_cannot_be_used(tmp_path: Path, config: Path) -> None:
    for text in ("not toml", '[[cases]]\nkey = "k"', '[[cases]]\nkey = "k"\nmodel = "m"\nspend = 1'):
        with pytest.raises(ConfigError):
            run_cases(cases(tmp_path, text), config, None)
    with pytest.raises(ConfigError, match="config"):
        run_cases(cases(tmp_path, '[[cases]]\nkey = "k"\nmodel = "up/m"'), None, None)
    with pytest.raises(ConfigError, match="configuration"):
        explain(None, Case(key="k", model="m"))
