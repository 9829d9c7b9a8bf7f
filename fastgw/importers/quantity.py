"""Numbers of a source: money and counts, made into what our rows take.

Invariant: a number is taken as it was written, or what became of it is among the findings.
"""

from __future__ import annotations

import re
from decimal import ROUND_DOWN, Decimal
from typing import Final

from fastgw.importers.findings import Findings, Hidden
from fastgw.limits.config import MAX_LIMIT, MAX_USD

Number = int | float | str
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,30}(\.[0-9]{0,30})?([eE][-+]?[0-9]{1,2})?", re.ASCII)
_NANO: Final = Decimal("1e-9")


def decimal_of(value: object) -> Decimal | None:
    """A number, or a text that is one; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, Decimal)):
        number = Decimal(value)
        return number if number.is_finite() else None
    return Decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def toml_number(number: Decimal) -> Number:
    """Shortest form that is read back exactly: whole, floating, or text."""
    if number == number.to_integral_value():
        return int(number)
    floating = float(number)
    text = repr(floating)
    return floating if "e" not in text and Decimal(text) == number else f"{number.normalize():f}"


def usd_of(path: str, value: object, findings: Findings) -> Number | None:
    """A limit in USD, cut to whole nano-USD; None when it cannot be one."""
    number = decimal_of(value)
    if number is None or not 0 <= number <= MAX_USD:
        came = Hidden(value) if number is None else value
        findings.left_out(path, came, f"expected an amount from 0 to {MAX_USD} USD", "write the budget by hand")
        return None
    exact = number.quantize(_NANO, ROUND_DOWN)
    if exact != number:
        findings.changed(path, value, "money is counted in whole nano-USD, the rest is cut off", "check the limit")
    return toml_number(exact)


def count_of(path: str, value: object, findings: Findings) -> int | None:
    """A limit of requests, tokens or calls at once; None when it cannot be one."""
    number = decimal_of(value)
    if number is None or not 0 <= number <= MAX_LIMIT:
        came = Hidden(value) if number is None else value
        findings.left_out(path, came, f"expected a number from 0 to {MAX_LIMIT}", "write the limit by hand")
        return None
    count = int(number)
    if count < 1:
        findings.changed(path, value, "a limit is at least 1", "to refuse them all, take the model from the keys")
        return 1
    if count != number:
        findings.changed(path, value, "a limit is a whole number, the rest is cut off", "check the limit")
    return count
