"""Rules as they are written: what is taken, and what is refused with its place."""

from __future__ import annotations

import msgspec
import pytest

from fastgw.domain.rule import RuleRow


def row(**fields: object) -> RuleRow:
    return msgspec.convert({"id": "r", **fields}, RuleRow)


def test_a_rule_of_every_kind_of_condition() -> None:
    found = row(
        group="g",
        when={
            "subjects": ["user:ada@example.com", "team:ml*", "key:k", "virtualaccount:v"],
            "not_models": ["openai/*"],
            "metadata": {"env": "dev", "tier": ["a", "b*"]},
            "hours": ["22:00-06:00", "12:30-24:00"],
            "not_weekdays": ["sat"],
        },
        per=["user", "metadata.customer_id"],
        mode="soft",
    )
    assert found.when.metadata == {"env": "dev", "tier": ("a", "b*")}
    assert (found.per, found.mode, row().mode) == (("user", "metadata.customer_id"), "soft", "enforce")


@pytest.mark.parametrize(
    "fields",
    [
        {"id": ""},
        {"id": "two words"},
        {"id": "r\n"},
        {"when": {"subjects": ["ada"]}},
        {"when": {"subjects": ["user:"]}},
        {"when": {"models": []}},
        {"when": {"hours": ["9:00-17:00"]}},
        {"when": {"hours": ["09:00-24:30"]}},
        {"when": {"weekdays": ["monday"]}},
        {"when": {"dialects": ["klingon"]}},
        {"when": {"metadata": {"": "x"}}},
        {"when": {"unknown": ["x"]}},
        {"per": ["metadata."]},
        {"per": ["colour"]},
        {"per": ["user", "team", "key", "model", "metadata.x"]},
        {"mode": "hope"},
        {"group": ""},
    ],
)
def test_what_is_no_rule(fields: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        row(**fields)
