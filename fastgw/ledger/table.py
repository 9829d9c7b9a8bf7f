"""Sums as text for a terminal, as JSON and as CSV.

Owns the columns that are shown. The one invariant: money is printed exactly, and no text of a caller reaches a
terminal or a spreadsheet as a command. Reads nothing.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Literal

import msgspec

from fastgw.domain.money import format_usd
from fastgw.ledger.queries import Spend

Format = Literal["table", "json", "csv"]
Cell = str | int | None

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_ALWAYS_SHOWN = ("calls", "errors", "input_tokens", "output_tokens")
_NUMBERS = tuple(name for name in Spend.__struct_fields__ if name not in {"group", "cost_nano_usd"})


def render_spend(rows: Sequence[Spend], by: Sequence[str], layout: Format) -> str:
    """``rows`` as ``layout``, ending in a newline.

    The table leaves out units of which nothing was used and adds a line of totals; JSON and CSV have all columns,
    JSON the cost as exact decimal text beside the integer.
    """
    if layout == "json":
        return msgspec.json.format(msgspec.json.encode([_as_object(row, by) for row in rows])).decode() + "\n"
    numbers = _NUMBERS if layout == "csv" else _shown(rows)
    head = [*by, *numbers, "cost_usd"]
    body: list[list[Cell]] = [
        [*row.group, *(getattr(row, name) for name in numbers), format_usd(row.cost_nano_usd)] for row in rows
    ]
    if layout == "csv":
        return _csv(head, body)
    if by:
        sums: list[Cell] = [sum(getattr(row, name) for row in rows) for name in numbers]
        names: list[Cell] = ["total", *("" for _ in by[1:])]
        body.append([*names, *sums, format_usd(sum(row.cost_nano_usd for row in rows))])
    return _text(head, body, left=len(by))


def _shown(rows: Sequence[Spend]) -> tuple[str, ...]:
    return tuple(name for name in _NUMBERS if name in _ALWAYS_SHOWN or any(getattr(row, name) for row in rows))


def _as_object(row: Spend, by: Sequence[str]) -> dict[str, object]:
    numbers = {name: getattr(row, name) for name in _NUMBERS}
    cost = {"cost_nano_usd": row.cost_nano_usd, "cost_usd": format_usd(row.cost_nano_usd)}
    return {"group": dict(zip(by, row.group, strict=True)), **numbers, **cost}


def _csv(head: Sequence[str], body: Sequence[Sequence[Cell]]) -> str:
    out = io.StringIO()
    # Line ends of RFC 4180: the writer quotes a carriage return inside a cell only if a line could end in one.
    lines = csv.writer(out, lineterminator="\r\n")
    lines.writerow([_harmless(name) for name in head])
    lines.writerows([[_harmless(cell) for cell in line] for line in body])
    return out.getvalue()


def _harmless(cell: Cell) -> Cell:
    # A spreadsheet runs a cell that begins so: https://owasp.org/www-community/attacks/CSV_Injection
    if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell


def _text(head: Sequence[str], body: Sequence[Sequence[Cell]], left: int) -> str:
    lines = [[_printable(cell) for cell in line] for line in [head, *body]]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    out = []
    for line in lines:
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        out.append("  ".join(cells).rstrip())
    out.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(out) + "\n"


def _printable(cell: Cell) -> str:
    if cell is None:
        return "-"
    return "".join(character if character.isprintable() else "?" for character in str(cell))
