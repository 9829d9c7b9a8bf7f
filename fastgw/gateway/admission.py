"""Phases 3 to 8: who calls, what is asked, may it be, where does it go. Synchronous: nothing interleaves."""

from __future__ import annotations

from typing import Final

from fastgw._native.json_scan import fingerprint64
from fastgw.dialects.request import RequestFacts
from fastgw.domain.entry import LedgerEntry
from fastgw.domain.errors import GatewayError
from fastgw.domain.subject import Subject
from fastgw.domain.text import show
from fastgw.gateway.context import Call
from fastgw.gateway.snapshot import Route
from fastgw.identity.metadata import merge_metadata, request_metadata, request_user
from fastgw.identity.secret import HeaderLookup
from fastgw.spend.estimate import estimate_tokens

DEFAULT_OUTPUT_TOKENS: Final = 1024
"""Assumed for the estimate of a call that sets no bound; the row of a call that died is charged with it."""
_CAN_ANSWER_TEXT: Final = frozenset({"chat", "complete", "respond", "message"})


def open_entry(call: Call, subject: Subject, header: HeaderLookup, *, id_: int, started_ns: int) -> LedgerEntry:
    """The call's row, as far as the head tells it.

    Raises:
        GatewayError: 400, a header of ours cannot be read.
    """
    tags = request_metadata(header)
    user = request_user(header)
    entry = LedgerEntry(
        id=id_,
        request_id=call.client_id or f"fgw_{id_:016x}",
        started_ns=started_ns,
        key=subject.key,
        user=subject.user,
        team=subject.team,
        dialect=call.dialect,
        operation=call.operation,
        metadata=subject.metadata or None,
    )
    call.entry = entry
    if isinstance(tags, GatewayError):
        raise tags
    if isinstance(user, GatewayError):
        raise user
    if user:
        entry.user = user
    if tags is not None:
        entry.metadata = merge_metadata(subject.metadata, tags)
    return entry


def decide(call: Call, entry: LedgerEntry, subject: Subject, body: bytes) -> Route:
    """Read the request, check the model, choose the target, estimate the usage. Completes ``entry`` and ``call``.

    Raises:
        GatewayError: 400, 403 or 404.
    """
    facts = RequestFacts(call.operation, body)
    entry.alias = facts.alias
    entry.streaming = call.streaming = facts.streaming
    route = _allowed_route(call, subject, facts.alias)
    target = route.target
    entry.target = target.name
    entry.provider = target.provider
    entry.region = target.region
    entry.fingerprint = fingerprint64(body)
    call.route = route
    call.service_tier = facts.service_tier
    call.hide_usage = not facts.wants_usage
    call.body = facts.upstream_body(target.model, target.model_json)
    call.text_bytes = facts.text_bytes
    entry.input_tokens = estimate_tokens(facts.text_bytes)
    if call.operation in _CAN_ANSWER_TEXT:
        entry.output_tokens = facts.output_cap_tokens or DEFAULT_OUTPUT_TOKENS
    return route


def _allowed_route(call: Call, subject: Subject, alias: str) -> Route:
    # A key's globs speak of names that callers use and of targets alike: `anthropic/*` allows the bare name that leads there.
    allowed = subject.may_use(alias)
    try:
        route = call.snapshot.route(alias, call.operation)
    except GatewayError:
        if allowed:
            raise
        route = None
    if route is not None and (allowed or subject.may_use(route.target.name)):
        return route
    raise GatewayError(
        "model_not_allowed",
        f"key `{subject.key}` may not use the model `{show(alias)}`",
        status=403,
        source="policy",
        param="model",
    )
