"""How the limits of one caller stand, over all models that it may ask for.

Invariant: asking takes nothing from any limit, and tells of no other caller.
"""

from __future__ import annotations

from typing import Any, Final

from fastgw._native.counter_map import CounterMap
from fastgw.domain.errors import GatewayError
from fastgw.domain.operation import DIALECT_OF, Operation
from fastgw.domain.subject import Subject
from fastgw.gateway.snapshot import Route, Snapshot
from fastgw.limits.report import limit_rows
from fastgw.rules.table import Fixed

_OPERATIONS: Final[tuple[Operation, ...]] = ("chat", "message", "embed")


def usage_of(
    snapshot: Snapshot,
    subject: Subject,
    user: str,
    metadata: dict[str, str] | None,
    counter_map: CounterMap,
    now_ns: int,
) -> list[dict[str, Any]]:
    """Every limit that may meet the caller's calls, once for each counter, with the names of the models for which it governs."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], dict[str, Any]] = {}
    for alias, fixed in _kinds(snapshot, subject, user):
        if snapshot.limiter is None:
            break
        governing = snapshot.limiter.governing(fixed, metadata, now_ns)
        for shown in limit_rows(governing, counter_map, now_ns):
            governs = shown.pop("governs")
            known = found.setdefault((shown["id"], tuple(shown["scope"].items())), {**shown, "models": []})
            if governs and alias not in known["models"]:
                known["models"].append(alias)
    return list(found.values())


def _kinds(snapshot: Snapshot, subject: Subject, user: str) -> list[tuple[str, Fixed]]:
    kinds: list[tuple[str, Fixed]] = []
    for alias, target in snapshot.aliases.aliases():
        if not (subject.may_use(alias) or subject.may_use(target.name)):
            continue
        for operation in _OPERATIONS:
            try:
                route = snapshot.route(alias, operation)
            except GatewayError:
                continue
            kinds.append((alias, fixed_facts(subject, user, alias, route, operation)))
    return kinds


def fixed_facts(subject: Subject, user: str, alias: str, route: Route, operation: Operation) -> Fixed:
    """What is the same for all calls of a caller over a route."""
    return Fixed(
        key=subject.key,
        user=user,
        team=subject.team,
        alias=alias,
        target=route.name,
        provider=route.provider,
        region=route.region,
        dialect=DIALECT_OF[operation],
        operation=operation,
    )
