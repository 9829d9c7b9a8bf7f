"""The spine: the order of the phases of a call, and the only place that knows it.

    1 head and body    the exchange reads them
    2 endpoint         the listener has looked it up
    3 identify         memory only, before the body is waited for
    4-8 admit          one synchronous decision: scan, rules, route, estimate
    9 call             the provider
    10 relay           the answer, metered as it passes
    11 settle          exactly once, on every way out

Invariant: whatever happens, a call that was opened is settled once, and its client gets an answer, an error or a broken connection:
never a cut answer that looks whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from fastgw._native.errors import ClientGone, NativeError
from fastgw._native.exchange import Exchange
from fastgw._native.header_pick import HeaderPick, visible_text
from fastgw._native.limit_set import WorkerCounters
from fastgw.domain.errors import CLIENT_CLOSED_STATUS, GatewayError
from fastgw.domain.subject import Subject
from fastgw.gateway import settle
from fastgw.gateway.admission import decide, refused_entry
from fastgw.gateway.attempts import call_provider
from fastgw.gateway.context import Call
from fastgw.gateway.drain import drain
from fastgw.gateway.explaining import explanation, explanation_line
from fastgw.gateway.ports import Recorder, Responder
from fastgw.gateway.relay import relay, relay_at_once
from fastgw.gateway.snapshot import Snapshot
from fastgw.gateway.translate import client_error, upstream_error
from fastgw.identity.metadata import METADATA_HEADERS, USER_HEADER
from fastgw.identity.secret import CREDENTIAL_HEADERS
from fastgw.telemetry.clock import RequestIds, wall_ns

MAX_CLIENT_ID_BYTES: Final = 128
_HEADERS: Final = HeaderPick(
    [b"x-request-id", *CREDENTIAL_HEADERS, *METADATA_HEADERS, USER_HEADER, b"x-fastgw-explain"]
)
_log = logging.getLogger("fastgw.gateway")


class Pipeline:
    """Serves exchanges. A reload replaces ``snapshot``, a call keeps the one it began with; ``counters`` outlive them."""

    __slots__ = ("_count", "_counters", "_ids", "_recorder", "_responder", "snapshot")

    def __init__(
        self,
        snapshot: Snapshot,
        recorder: Recorder,
        responder: Responder,
        ids: RequestIds,
        count: Callable[[str], None],
        counters: WorkerCounters,
    ) -> None:
        self.snapshot = snapshot
        self._recorder = recorder
        self._responder = responder
        self._ids = ids
        self._count = count
        self._counters = counters

    async def handle(self, exchange: Exchange) -> None:
        """One call, from its head to its settlement. Raises nothing but what kills the process."""
        endpoint = exchange.endpoint
        call = Call(exchange, self.snapshot, endpoint.operation, endpoint.dialect)
        try:
            picked = _HEADERS.pick(call.exchange.head)
            subject = self._identify(call, picked)
            body = exchange.take_whole()
            if body is None:
                body = await exchange.body()
            call.explains = picked[8] is not None
            admission = decide(call, subject, picked[5:8], body, wall_ns(), self._counters)
            if call.explains:
                call.limit_lines += self._explain(call)
            settle.open_(call, admission, self._recorder)
            answer = await call_provider(call, admission)
            if not relay_at_once(call, admission, answer, self._recorder):
                await relay(call, admission, answer, self._recorder)
        except GatewayError as error:
            self._fail(call, error)
        except ClientGone:
            await drain(call, self._recorder)
            self._give_up(call, CLIENT_CLOSED_STATUS, "client_gone")
        except NativeError as error:
            self._fail(call, upstream_error(call.provider, error) if call.sent_at_ns else client_error(error))
        except Exception:  # noqa: BLE001 - the exchange's boundary: a bug in one call must not take the others down
            _log.exception("call %s failed", call.request_id)
            problem = "the gateway failed; the request id names the case"
            self._fail(call, GatewayError("internal_error", problem, status=500, source="internal"))
        finally:
            if call.answer is not None:
                call.answer.release()

    def _identify(self, call: Call, picked: tuple[bytes | None, ...]) -> Subject:
        call.id = self._ids.next(call.exchange.received_ns)
        call.request_id = visible_text(picked[0], MAX_CLIENT_ID_BYTES) or f"fgw_{call.id:016x}"
        subject = call.snapshot.keys.identify(picked[1:5])
        if isinstance(subject, GatewayError):
            raise subject
        call.subject = subject
        return subject

    def _fail(self, call: Call, error: GatewayError) -> None:
        if call.explains and not call.explained:
            error.lines += self._explain(call)
        self._give_up(call, error.status, error.code)
        self._responder.refuse(call, error)

    def _explain(self, call: Call) -> bytes:
        call.explained = explanation(call, self._counters.counters)
        return explanation_line(call.explained)

    def _give_up(self, call: Call, status: int, code: str) -> None:
        # Whoever is known gets a row for every call; of a stranger only the number of calls is kept.
        if call.entry is None and call.subject is not None:
            call.entry = refused_entry(call, call.subject, wall_ns())
        settle.abandoned(call, self._recorder, status, code)
        self._count(code)
