"""Phases 3 to 8: who calls, what is asked, may it be, where does it go. Synchronous: nothing interleaves."""

from __future__ import annotations

from typing import Final

from fastgw._native.json_scan import fingerprint64
from fastgw._native.ledger_record import LedgerRecord
from fastgw._native.limit_set import WorkerCounters
from fastgw.dialects.request import RequestFacts
from fastgw.domain.errors import GatewayError
from fastgw.domain.subject import Subject
from fastgw.domain.text import show
from fastgw.gateway.context import Call
from fastgw.gateway.reserving import reserve
from fastgw.gateway.snapshot import Route
from fastgw.identity.metadata import merge_metadata, request_metadata, request_user

CallerSaid = tuple[bytes | None, ...]
"""Values of the two metadata headers and of the user header."""
SAID_NOTHING: Final[CallerSaid] = (None, None, None)
_CAN_ANSWER_TEXT: Final = frozenset({"chat", "complete", "respond", "message"})


class Admission:
    """A call that may be made: its row so far (outcome unknown, estimated usage), where it goes, and what is sent there."""

    __slots__ = ("body", "entry", "hide_usage", "route", "service_tier", "streaming")

    def __init__(
        self,
        entry: LedgerRecord,
        route: Route,
        body: bytes,
        streaming: bool,
        hide_usage: bool,
        service_tier: str | None,
    ) -> None:
        self.entry: Final = entry
        self.route: Final = route
        self.body: Final = body
        self.streaming: Final = streaming
        self.hide_usage: Final = hide_usage
        self.service_tier: Final = service_tier


def decide(
    call: Call, subject: Subject, said: CallerSaid, body: bytes, started_ns: int, counters: WorkerCounters
) -> Admission:
    """Read the request, check the model, choose the target, estimate the usage, and take it from the limits. ``said`` are the
    caller's headers about itself.

    Raises:
        GatewayError: 400, 403, 404, 429 or 503.
    """
    operation = call.operation
    if said == SAID_NOTHING:
        user, metadata = subject.user, subject.metadata or None
    else:
        user, metadata = said_by_caller(subject, said)
    facts = RequestFacts(operation, body)
    route = _allowed_route(call, subject, facts.alias)
    call.text_bytes = facts.text_bytes
    call.route = route
    call.learned = route.learned
    call.is_bounded = facts.output_cap_tokens > 0
    output_tokens = 0
    if operation in _CAN_ANSWER_TEXT:
        output_tokens = facts.output_cap_tokens or route.learned.output_tokens()
    entry = LedgerRecord(
        call.id,
        call.request_id,
        started_ns,
        subject.key,
        user,
        subject.team,
        facts.alias,
        route.name,
        route.provider,
        route.region,
        call.dialect,
        operation,
        facts.streaming,
        metadata,
        fingerprint64(body),
    )
    # The row of a call that dies is charged with this.
    entry.estimate(route.learned.input_tokens(facts.text_bytes), output_tokens)
    cap_tokens = reserve(call, counters, route, facts, entry)
    forwarded = facts.upstream_body(route.model, route.model_json, operation, cap_tokens, route.cap_member)
    return Admission(entry, route, forwarded, facts.streaming, not facts.wants_usage, facts.service_tier)


def refused_entry(call: Call, subject: Subject, started_ns: int) -> LedgerRecord:
    """The row of a call that was refused before it had one: who it was, and nothing used."""
    row = LedgerRecord(call.id, call.request_id, started_ns, subject.key, subject.user, subject.team)
    row.dialect = call.dialect
    row.operation = call.operation
    row.metadata = subject.metadata or None
    return row


def said_by_caller(subject: Subject, said: CallerSaid) -> tuple[str, dict[str, str] | None]:
    """The user and the tags of a call: what its headers say, under what the operator says of the key. Raises GatewayError, 400."""
    metadata_header, metadata_alias, user_header = said
    tags = request_metadata(metadata_header, metadata_alias)
    user = request_user(user_header)
    if isinstance(tags, GatewayError):
        raise tags
    if isinstance(user, GatewayError):
        raise user
    metadata = subject.metadata if tags is None else merge_metadata(subject.metadata, tags)
    return subject.user or user, metadata or None


def _allowed_route(call: Call, subject: Subject, alias: str) -> Route:
    # A key's globs speak of names that callers use and of targets alike: `anthropic/*` allows the bare name that leads there.
    if subject.may_use(alias):
        return call.snapshot.route(alias, call.operation)
    try:
        route = call.snapshot.route(alias, call.operation)
    except GatewayError:
        route = None
    if route is not None and subject.may_use(route.name):
        return route
    raise GatewayError(
        "model_not_allowed",
        f"key `{subject.key}` may not use the model `{show(alias)}`",
        status=403,
        source="policy",
        param="model",
    )
