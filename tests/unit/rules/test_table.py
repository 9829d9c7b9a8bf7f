"""Which rules match and which govern. Random rules are compared with the model in tests/property/test_rules.py."""

from __future__ import annotations

from fastgw._native.rule_program import members
from fastgw.domain.rule import RuleRow, When
from fastgw.rules.table import Fixed, RuleTable, governing

CALL = Fixed("checkout", "ada", "ml", "gpt-4", "main/gpt-4o", "main", "eu", "openai", "chat")


def matched(table: RuleTable, metadata: dict[str, str] | None = None, minute: int | None = None) -> tuple[int, ...]:
    return members(table.program.match(table.base(CALL), metadata, minute))


def table_of(*whens: When) -> RuleTable:
    return RuleTable([RuleRow(id=f"r{number}", when=when) for number, when in enumerate(whens)])


def test_fields_are_anded_and_lists_ored() -> None:
    table = table_of(
        When(),
        When(subjects=("team:ops", "user:a*")),
        When(subjects=("user:ada",), models=("main/*",)),
        When(subjects=("user:ada",), models=("other/*",)),
        When(subjects=("virtualaccount:checkout",), not_regions=("us*",)),
        When(not_subjects=("team:ml",)),
    )
    assert matched(table) == (0, 1, 2, 4)


def test_an_alias_or_its_target_is_the_model() -> None:
    assert matched(table_of(When(models=("gpt-4",)), When(models=("main/gpt-4o",)), When(not_models=("gpt-4",)))) == (
        0,
        1,
    )


def test_metadata_that_is_absent_matches_only_what_does_not_ask() -> None:
    table = table_of(
        When(metadata={"env": "dev"}), When(not_metadata={"env": "dev"}), When(metadata={"env": ("d*", "prod")})
    )
    assert table.names == ("env",)
    assert matched(table) == (1,)
    assert matched(table, {"env": "dev"}) == (0, 2)
    assert matched(table, {"env": "prod"}) == (1, 2)


def test_hours_and_weekdays() -> None:
    table = table_of(When(hours=("22:00-06:00",)), When(weekdays=("mon",), not_hours=("00:00-01:00",)), When())
    assert table.program.timed
    assert matched(table, minute=30) == (0, 2)
    assert matched(table, minute=60) == (0, 1, 2)
    assert matched(table, minute=1440 + 12 * 60) == (2,)


def test_the_first_match_of_a_group_governs() -> None:
    rows = [
        RuleRow(id=name, group=group) for name, group in (("a", "g"), ("b", None), ("c", "g"), ("d", None), ("e", "h"))
    ]
    assert governing(rows, (0, 1, 2, 3, 4)) == ((0, True), (1, True), (2, False), (3, True), (4, True))
    assert governing(rows, (2,)) == ((2, True),)


def test_a_group_is_one_of_its_section() -> None:
    class Other(RuleRow, frozen=True):
        """A rule of another section."""

    rows = [RuleRow(id="a", group="g"), Other(id="b", group="g"), Other(id="c", group="g")]
    assert governing(rows, (0, 1, 2)) == ((0, True), (1, True), (2, False))
