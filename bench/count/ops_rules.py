"""Matching a call with rules that all say something about metadata: ten of them, and a thousand."""

from __future__ import annotations

from collections.abc import Callable

from fastgw.domain.rule import RuleRow, When
from fastgw.rules.table import Fixed, RuleTable

CALL = Fixed("key", "user", "team", "gpt-4", "main/gpt-4", "main", "", "openai", "chat")


def match(rules: int) -> Callable[[], object]:
    table = RuleTable(
        [
            RuleRow(id=f"r{number}", when=When(metadata={"customer": f"c{number}", "env": ("dev", "prod*")}))
            for number in range(rules)
        ]
    )
    base = table.base(CALL)
    metadata = {"customer": "c7", "env": "prod-1", "other": "x"}
    table.program.match(base, metadata)
    return lambda: table.program.match(base, metadata)


OPERATIONS = {"rules.match_10": lambda: match(10), "rules.match_1000": lambda: match(1000)}
