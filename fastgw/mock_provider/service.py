"""One request from its head to its row in the bill.

Routes by method and path, checks key and directives, asks a route for the answer, delivers it and writes down what
became of it. Invariant: every request whose body was read gets exactly one row, finished exactly once, also when the
client went away.
"""

from __future__ import annotations

import base64
import hashlib
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Literal, cast

import msgspec
import orjson
from aiohttp import HttpVersion10, hdrs, web

from fastgw.mock_provider import anthropic_routes, openai_routes, responses_routes
from fastgw.mock_provider.answer import Answer, Call
from fastgw.mock_provider.bill import PRICES, Bill, Row
from fastgw.mock_provider.delivery import Delivered, Delivery
from fastgw.mock_provider.faults import CLEAN, Directives, FailingCallers, read_directives
from fastgw.mock_provider.raw_faults import CONTINUE
from fastgw.mock_provider.refusal import Refusal, encode_anthropic_error, encode_openai_error, refusal_for_status
from fastgw.mock_provider.usage import NOTHING

MAX_RECORDED_BYTES: Final = 64 * 1024 * 1024
"""Bodies kept with ``record``; the oldest are dropped first."""

Vendor = Literal["openai", "anthropic"]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a mock is started. No ``require_keys`` means that any caller is served; ``rows`` bounds the bill's ring."""

    require_keys: tuple[str, ...] = ()
    record: bool = False
    rows: int = 10_000
    tls_cert: str | None = None
    tls_key: str | None = None


class Route(msgspec.Struct, frozen=True):
    vendor: Vendor
    build: Callable[[Call], Answer]


ROUTES: Final = {
    "/v1/chat/completions": Route("openai", openai_routes.answer_chat),
    "/v1/completions": Route("openai", openai_routes.answer_completion),
    "/v1/embeddings": Route("openai", openai_routes.answer_embeddings),
    "/v1/responses": Route("openai", responses_routes.answer_response),
    "/v1/messages": Route("anthropic", anthropic_routes.answer_message),
    "/v1/messages/count_tokens": Route("anthropic", anthropic_routes.answer_token_count),
}


class Recorded(msgspec.Struct):
    """A request as it arrived. ``headers`` keep order, spelling and repetition; ``body`` is base64 text."""

    seq: int
    method: str
    path: str
    headers: list[tuple[str, str]]
    body: str


class Sent:
    """What a handler returns to aiohttp when the bytes are already on the wire: what it asks of a response."""

    def __init__(self, *, keep_alive: bool) -> None:
        self.keep_alive = keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to prepare."""

    async def write_eof(self) -> None:
        """Nothing is left to write."""


SENT_KEEP: Final = cast("web.StreamResponse", Sent(keep_alive=True))
SENT_CLOSE: Final = cast("web.StreamResponse", Sent(keep_alive=False))


class Service:
    """The request handler of a mock. It owns the bill, the recorded requests and the ``fail_first`` counts."""

    def __init__(self, options: Options) -> None:
        self.bill = Bill(options.rows)
        self._options = options
        self._failing = FailingCallers()
        self._recorded: deque[Recorded] = deque(maxlen=options.rows)
        self._recorded_bytes = 0
        self._dropped = 0
        self._served = 0
        self._in_flight = 0
        self._keys = frozenset(options.require_keys)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The one entry: any method, any path."""
        route = ROUTES.get(request.path)
        if route is not None and request.method == hdrs.METH_POST:
            self._in_flight += 1
            try:
                return await self._serve(request, route)
            finally:
                self._in_flight -= 1
                self._served += 1
        return self._answer_plainly(request, known_path=route is not None)

    def _answer_plainly(self, request: web.BaseRequest, *, known_path: bool) -> web.Response:
        """Everything but model calls: the model list, the mock's own pages, 404 and 405."""
        headers = request.headers
        anthropic = "anthropic-version" in headers
        method, path = request.method, request.path
        if path.startswith("/mock/"):
            return self._answer_control(method, path, request.query.get("since", "0"))
        if path == "/v1/models" and method == hdrs.METH_GET:
            if self._is_unknown_key(headers.get("authorization"), headers.get("x-api-key")):
                return encode_refusal(
                    Refusal(401, "Incorrect API key provided.", code="invalid_api_key"), anthropic=anthropic
                )
            body = anthropic_routes.list_models() if anthropic else openai_routes.list_models()
            return web.Response(body=body, content_type="application/json")
        if known_path:
            return encode_refusal(Refusal(405, f"Not allowed to {method} on {path}."), anthropic=anthropic)
        refusal = Refusal(404, f"Invalid URL ({method} {path})", code="unknown_url")
        return encode_refusal(refusal, anthropic=anthropic)

    def _answer_control(self, method: str, path: str, since_text: str) -> web.Response:
        since = int(since_text) if since_text.isdecimal() else 0
        answer: Any = None
        if (method, path) == (hdrs.METH_GET, "/mock/bill"):
            answer = self.bill.to_json(since)
        elif (method, path) == (hdrs.METH_GET, "/mock/requests"):
            answer = {"dropped": self._dropped, "requests": [one for one in self._recorded if one.seq > since]}
        elif (method, path) == (hdrs.METH_GET, "/mock/stats"):
            answer = self.stats()
        elif (method, path) == (hdrs.METH_POST, "/mock/reset"):
            self.clear()
            answer = {"reset": True}
        status = 404 if answer is None else 200
        body = msgspec.json.encode({"error": f"no {method} {path}"} if answer is None else answer)
        return web.Response(status=status, body=body, content_type="application/json")

    def stats(self) -> dict[str, int]:
        return {"served": self._served, "in_flight": self._in_flight, "recorded": len(self._recorded)}

    def clear(self) -> None:
        """Forget bill, recorded requests and ``fail_first`` counts."""
        self.bill.clear()
        self._failing.clear()
        self._recorded.clear()
        self._recorded_bytes = self._dropped = 0

    async def _serve(self, request: web.BaseRequest, route: Route) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            return SENT_CLOSE
        headers = request.headers
        if "expect" in headers and request.version != HttpVersion10:
            transport.write(CONTINUE)
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return encode_refusal(Refusal(413, "The request is too large."), anthropic=route.vendor == "anthropic")
        caller_id = headers.get("x-request-id") or headers.get("x-client-request-id") or ""
        row = self.bill.open(request.path, caller_id, len(body), hashlib.sha256(body).hexdigest())
        if self._options.record:
            self._record(row, request, body)
        directives, answer = self._decide(request, route, body, row)
        request_id = f"req_mock{row.seq}"
        delivery = Delivery(
            request.writer, transport, http_1_0=request.version == HttpVersion10, keep_alive=request.keep_alive
        )
        try:
            await delivery.send(answer, make_fields(route.vendor, answer, request_id), directives)
        finally:
            self._finish(row, answer, directives, delivery.delivered)
        return SENT_KEEP if delivery.delivered.keep_alive else SENT_CLOSE

    def _decide(self, request: web.BaseRequest, route: Route, body: bytes, row: Row) -> tuple[Directives, Answer]:
        """The answer to a request and the faults to deliver it with. Every refusal becomes an answer here."""
        directives = CLEAN
        headers = request.headers
        try:
            if self._is_unknown_key(headers.get("authorization"), headers.get("x-api-key")):
                raise Refusal(401, "Incorrect API key provided.", code="invalid_api_key")
            if route.vendor == "anthropic" and "anthropic-version" not in headers:
                raise Refusal(400, "anthropic-version: header is required")
            payload = read_payload(body)
            model = read_model(payload, route.vendor)
            row.model = model
            asked = ",".join(headers.getall("x-mock", ()))
            row.directives = asked
            row.priced_model, directives = read_directives(model, asked)
            if row.priced_model not in PRICES:
                message = f"The model `{row.priced_model}` does not exist or you do not have access to it."
                raise Refusal(404, message, code="model_not_found", param="model")
            directives = self._failing.arm(headers.get("x-mock-id", model), directives)
            if directives.status is not None:
                raise refusal_for_status(directives.status, directives.code, directives.retry_after)
            answer = route.build(Call(payload, model, directives, row.seq))
        except Refusal as refusal:
            encode = encode_anthropic_error if route.vendor == "anthropic" else encode_openai_error
            error = encode(refusal, f"req_mock{row.seq}")
            answer = Answer([(error, 0)], status=refusal.status, retry_after_s=refusal.retry_after_s)
        row.status = answer.status
        row.streamed = answer.streamed
        return directives, answer

    def _finish(self, row: Row, answer: Answer, directives: Directives, delivered: Delivered) -> None:
        """Bill what was generated.

        Nothing without a head, a broken stream up to its last whole word, anything else in full.
        """
        whole = delivered.whole and delivered.head_sent and not directives.error_event
        usage = answer.usage
        if not delivered.head_sent:
            usage = NOTHING
        elif not whole and answer.streamed:
            usage = usage.cut_to(delivered.words_sent)
        state: Literal["complete", "cut", "refused"] = "complete" if whole else "cut"
        row.paced_ns = delivered.paced_ns
        self.bill.finish(row, "refused" if answer.status >= 400 else state, usage, delivered.words_sent)

    def _is_unknown_key(self, authorization: str | None, api_key: str | None) -> bool:
        if not self._keys:
            return False
        bearer = authorization[7:] if authorization and authorization[:7].lower() == "bearer " else None
        return bearer not in self._keys and api_key not in self._keys

    def _record(self, row: Row, request: web.BaseRequest, body: bytes) -> None:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
        encoded = base64.b64encode(body).decode()
        if len(self._recorded) == self._recorded.maxlen:
            self._drop_oldest()
        self._recorded.append(Recorded(row.seq, request.method, request.path_qs, headers, encoded))
        self._recorded_bytes += len(encoded)
        while self._recorded_bytes > MAX_RECORDED_BYTES:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._recorded_bytes -= len(self._recorded.popleft().body)
        self._dropped += 1


def read_payload(body: bytes) -> dict[str, Any]:
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        message = f"We could not parse the JSON body of your request. ({error})"
        raise Refusal(400, message) from error
    if not isinstance(payload, dict):
        raise Refusal(400, "We expected a JSON object as the body of your request.")
    return payload


def read_model(payload: dict[str, Any], vendor: Vendor) -> str:
    model = payload.get("model")
    if not isinstance(model, str) or not model:
        raise Refusal(400, "model: Field required" if vendor == "anthropic" else "you must provide a model parameter")
    return model


def make_fields(vendor: Vendor, answer: Answer, request_id: str) -> bytes:
    """The header lines of an answer: its type, the vendor's name for its request id, and ``retry-after``."""
    name = b"request-id: " if vendor == "anthropic" else b"x-request-id: "
    fields = b"content-type: %b\r\n%b%b\r\n" % (answer.content_type, name, request_id.encode())
    return fields if answer.retry_after_s is None else fields + b"retry-after: %d\r\n" % answer.retry_after_s


def encode_refusal(refusal: Refusal, *, anthropic: bool) -> web.Response:
    """A refusal of a request that never becomes a row."""
    encode = encode_anthropic_error if anthropic else encode_openai_error
    return web.Response(status=refusal.status, body=encode(refusal, "req_mock0"), content_type="application/json")
