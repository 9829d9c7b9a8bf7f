"""What the limits of a configuration would say to a call: ``fastgw explain`` and ``fastgw test``.

Invariant: the answer is given by the code that serves calls, on counters of its own; nothing is sent and nothing is kept.
"""

from __future__ import annotations

import os
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import orjson
from msgspec import Meta

from fastgw._native.counter_map import CounterMap
from fastgw._native.limit_set import COUNTS, LimitSet, Reservation, WorkerCounters
from fastgw._native.timers import TimerWheel
from fastgw.app.build import Builder
from fastgw.app.launch import read_text
from fastgw.app.serve import AnySecret
from fastgw.config.load import load
from fastgw.config.root import Settings
from fastgw.domain.errors import ConfigError, GatewayError
from fastgw.domain.money import format_usd
from fastgw.domain.operation import DIALECT_OF, Operation
from fastgw.domain.text import show
from fastgw.gateway.admission import decide, said_by_caller
from fastgw.gateway.context import Call
from fastgw.gateway.snapshot import Snapshot
from fastgw.gateway.usage import fixed_facts
from fastgw.limits.config import AnomalyRow, BudgetRow, LimitRow, RateLimitRow, Usd, nano_usd_of
from fastgw.limits.table import Applied, Governing, check_of, scope_text, unit_text
from fastgw.telemetry.clock import ID_SLOT_BITS, wall_ns

ALLOW: Final = "allow"
_REFUSED: Final = ";refused"
MAX_REPEATED: Final = 4000
"""How often a case's use of a limit is played; a limit that is larger is full with less."""
_SLOTS, _HOLDS = 1 << 12, 1 << 13


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call, what was used before it, and what is expected: ``allow``, the id of the rule that refuses, or an error's code.

    ``spent_usd`` and ``used`` are by rule, on the counters that the call counts for: money; requests, tokens or slots. ``at``: when
    the call comes, now unless said; without an offset it is in the server's time zone.
    """

    key: str
    model: str
    name: str = ""
    user: str = ""
    metadata: dict[str, str] = {}
    operation: Operation = "chat"
    at: datetime | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=10**9)] | None = None
    input_bytes: Annotated[int, Meta(ge=0, le=10**7)] = 100
    spent_usd: dict[str, Usd] = {}
    used: dict[str, Annotated[int, Meta(ge=0, le=10**12)]] = {}
    expect: str = ALLOW


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    cases: tuple[Case, ...]
    config: str | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a call would be told. ``rule``: what refuses, empty when nothing or something else than a rule does."""

    code: str
    rule: str
    message: str
    target: str
    reserved_nano_usd: int
    applied: tuple[Applied, ...]

    @property
    def word(self) -> str:
        """What a case expects it by."""
        return self.rule or self.code


def judge(snapshot: Snapshot, settings: Settings, case: Case) -> Verdict:
    """Decide one call on fresh counters.

    Raises:
        ConfigError: there is no such key, or no such rule on this call.
    """
    subject = snapshot.keys.named(case.key)
    if subject is None:
        raise ConfigError("key", f'expected the name of a configured key, got "{show(case.key)}"')
    now_ns = _moment_ns(case, settings)
    call = Call(None, snapshot, case.operation, DIALECT_OF[case.operation])  # type: ignore[arg-type] # there is no client
    call.id = (now_ns // 1000 << ID_SLOT_BITS) | 1
    call.subject = subject
    said = (orjson.dumps(case.metadata) if case.metadata else None, None, case.user.encode() or None)
    counters = WorkerCounters(CounterMap(_SLOTS, 1, _HOLDS), 0, 1)
    applied: tuple[Applied, ...] = ()
    target = ""
    try:
        user, metadata = said_by_caller(subject, said)
        route = snapshot.route(case.model, case.operation)
        target = route.name
        if snapshot.limiter is not None:
            fixed = fixed_facts(subject, user, case.model, route, case.operation)
            governing = snapshot.limiter.governing(fixed, metadata, now_ns)
            applied = governing.applied
            _use(counters, governing, settings, case, now_ns)
        decide(call, subject, said, _body(case), now_ns, counters)
    except GatewayError as error:
        rules = error.lines.decode().partition("x-fastgw-rules: ")[2].partition("\r\n")[0]
        rule = rules.removesuffix(_REFUSED) if rules.endswith(_REFUSED) else ""
        return Verdict(
            code=error.code, rule=rule, message=error.message, target=target, reserved_nano_usd=0, applied=applied
        )
    reserved = call.reservation.nano_usd if call.reservation is not None else 0
    return Verdict(code=ALLOW, rule="", message="", target=target, reserved_nano_usd=reserved, applied=applied)


def explain(path: Path | None, case: Case) -> tuple[str, bool]:
    """The decision on a call as text, and whether it would pass with nothing used yet.

    Raises:
        ConfigError: the configuration cannot be used, or there is no such key.
    """
    if path is None:
        raise ConfigError("", "expected a configuration: --config, $FASTGW_CONFIG or ./fastgw.toml")
    settings, snapshot = _load(path)
    verdict = judge(snapshot, settings, case)
    lines = [f"target    {verdict.target or 'none'}"]
    for each in verdict.applied:
        scope = scope_text(each)
        part = "governs" if each.governs else "counts"
        whom = f" for {scope}" if scope else ""
        lines.append(
            f"rule      {each.row.id}: {part}, {each.row.mode}, {_limit_text(each.row)}{unit_text(each.row)}{whom}"
        )
    if verdict.code == ALLOW:
        lines.append(f"verdict   passes, with {format_usd(verdict.reserved_nano_usd)} USD reserved")
    else:
        lines.append(f"verdict   {verdict.code}: {verdict.message}")
    return "\n".join(lines), verdict.code == ALLOW


def _limit_text(row: LimitRow) -> str:
    if isinstance(row, AnomalyRow):
        return ""
    return f"{format_usd(row.limit_nano_usd)} USD " if isinstance(row, BudgetRow) else f"{row.limit} "


def run_cases(path: Path, config: Path | None, default_config: Path | None) -> tuple[str, bool]:
    """Judge the cases of a file; returns a line for each, and whether all came out as expected.

    Raises:
        ConfigError: a file cannot be read or used.
    """
    try:
        found = msgspec.convert(tomllib.loads(read_text(path)), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError(str(path), str(error)) from None
    named = path.parent / found.config if found.config is not None else default_config
    chosen = config or named
    if chosen is None:
        raise ConfigError("config", f"expected a configuration: --config, or `config` in {path}")
    settings, snapshot = _load(chosen)
    lines: list[str] = []
    failed = 0
    for index, case in enumerate(found.cases):
        name = case.name or f"case {index}"
        try:
            verdict = judge(snapshot, settings, case)
        except ConfigError as error:
            raise ConfigError(f"cases[{index}].{error.path}", error.problem) from None
        is_good = verdict.word == case.expect
        failed += not is_good
        lines.append(
            f"ok    {name}"
            if is_good
            else f"FAIL  {name}: expected {case.expect}, got {verdict.word} {verdict.message}".rstrip()
        )
    lines.append(f"{len(found.cases) - failed} of {len(found.cases)} cases as expected")
    return "\n".join(lines), not failed


def _load(path: Path) -> tuple[Settings, Snapshot]:
    settings = load(path, AnySecret(os.environ))
    return settings, Builder(TimerWheel()).snapshot(settings)


def _moment_ns(case: Case, settings: Settings) -> int:
    if case.at is None:
        return wall_ns()
    at = case.at if case.at.tzinfo is not None else case.at.replace(tzinfo=settings.server.zone)
    return int(at.astimezone(UTC).timestamp()) * 1_000_000_000


def _body(case: Case) -> bytes:
    text = "x" * case.input_bytes
    document: dict[str, Any] = {"model": case.model}
    if case.operation in ("complete", "embed", "respond"):
        document["input" if case.operation != "complete" else "prompt"] = text
    else:
        document["messages"] = [{"role": "user", "content": text}]
    if case.max_tokens is not None:
        document["max_output_tokens" if case.operation == "respond" else "max_tokens"] = case.max_tokens
    return orjson.dumps(document)


def _use(counters: WorkerCounters, governing: Governing, settings: Settings, case: Case, now_ns: int) -> None:
    rows = {each.row.id: each for each in governing.applied}
    for place, names in (("spent_usd", case.spent_usd), ("used", case.used)):
        for name in names:
            wanted = BudgetRow if place == "spent_usd" else RateLimitRow
            if name not in rows or not isinstance(rows[name].row, wanted):
                kind = "budget" if place == "spent_usd" else "rate limit"
                raise ConfigError(place, f'expected a {kind} that matches this call, got "{show(name)}"')
    for name, usd in case.spent_usd.items():
        _take(counters, rows[name], settings, now_ns, nano_usd=nano_usd_of(usd))
    for name, count in case.used.items():
        row = rows[name].row
        if isinstance(row, RateLimitRow) and row.counts == "tokens":
            _take(counters, rows[name], settings, now_ns, tokens=count)
        else:
            for _ in range(min(count, MAX_REPEATED)):
                _take(counters, rows[name], settings, now_ns)


def _take(
    counters: WorkerCounters, applied: Applied, settings: Settings, now_ns: int, *, tokens: int = 0, nano_usd: int = 0
) -> None:
    # Rules that only count never refuse, so any use can be put on their counters.
    check, _ = check_of(applied.row, applied.entity, COUNTS, 0, now_ns, settings.server.zone)
    taken = counters.reserve(LimitSet([check]), 2, tokens, nano_usd, now_ns)
    if nano_usd and isinstance(taken, Reservation):
        taken.settle(0, nano_usd, now_ns)
