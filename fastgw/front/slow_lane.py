"""Everything that is not the fast lane, on the same port: an aiohttp application that takes over whole connections.

Invariant: a connection that was handed over is closed after its answer, so that a client's next fast-lane call on the same pool
finds the front door again and not this application.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

import orjson
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod

from fastgw.dialects import anthropic_errors, openai_errors
from fastgw.domain.errors import GatewayError
from fastgw.front.endpoints import ENDPOINTS

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LINGER_S = 1.0
"""How long the rest of a body that nobody reads is thrown away before the connection closes, as on the fast lane."""
_log = logging.getLogger("fastgw.front")


class SlowLane:
    """Owns the application's runner; ``hand_over`` is the front door's."""

    def __init__(self, routes: Iterable[web.RouteTableDef], max_body_bytes: int) -> None:
        self.app = web.Application(middlewares=[_close_after, _shape_errors], client_max_size=max_body_bytes)
        for table in routes:
            self.app.add_routes(table)
        for path in ENDPOINTS:
            self.app.router.add_route("*", path.decode(), _wrong_method)
        self._runner = web.AppRunner(self.app, access_log=None, handle_signals=False)

    async def start(self) -> None:
        """Make ready to take connections."""
        await self._runner.setup()

    async def stop(self) -> None:
        """Close what was handed over."""
        await self._runner.cleanup()

    def hand_over(self, transport: asyncio.Transport, received: bytes) -> None:
        """Take a connection with the bytes that were read from it."""
        server = self._runner.server
        if server is None:
            raise RuntimeError("start() comes first")
        protocol = _Connection(
            server,
            loop=asyncio.get_running_loop(),
            lingering_time=LINGER_S,
            access_log=None,  # type: ignore[arg-type]  # None is none: aiohttp's own runner passes it
        )
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(received)


class _Connection(web.RequestHandler):
    """aiohttp's side of a connection, with our words for what its parser or a handler could not cope with.

    Its own words are plain text, and it would log what a hostile client sent, credentials included.
    """

    __slots__ = ()

    def eof_received(self) -> bool:  # type: ignore[override,explicit-override]  # typing.override is 3.12
        """A client that has said all it had to say still gets its answer: True leaves our half open until then."""
        return True

    def handle_error(  # type: ignore[explicit-override]  # typing.override is 3.12
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """The answer where no route could give one; the connection is closed after it."""
        if status >= 500:
            _log.error("a slow request failed", exc_info=exc)
            error = GatewayError("internal_error", "the gateway failed", status=500, source="internal")
        elif isinstance(exc, BadHttpMethod):
            error = GatewayError("method_not_allowed", "unknown method", status=405, source="client")
        else:
            error = GatewayError("invalid_request", "the request cannot be read", status=status, source="client")
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun and cannot be taken back")
        answer = error_answer(request, error)
        if answer.status == 405:
            answer.headers["Allow"] = "GET, HEAD, POST"
        answer.force_close()
        return answer


@web.middleware
async def _close_after(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    if not response.prepared:
        response.force_close()
    return response


@web.middleware
async def _shape_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except GatewayError as error:
        return error_answer(request, error)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        code = {404: "unknown_path", 405: "method_not_allowed", 413: "body_too_large"}.get(
            error.status, "invalid_request"
        )
        answer = error_answer(
            request, GatewayError(code, _message(request, error.status), status=error.status, source="client")
        )
        if "Allow" in error.headers:
            answer.headers["Allow"] = error.headers["Allow"]
        return answer


def _message(request: web.Request, status: int) -> str:
    if status == 404:
        return f"there is nothing at {request.path[:200]}"
    if status == 405:
        return f"{request.path[:200]} does not take {request.method[:20]}"
    return f"the request was refused with status {status}"


def error_answer(request: web.BaseRequest, error: GatewayError) -> web.Response:
    """An error in the shape of the dialect that the path belongs to."""
    shape = anthropic_errors if request.path.startswith("/v1/messages") else openai_errors
    return web.Response(status=error.status, body=shape.error_body(error, ""), content_type="application/json")


async def _wrong_method(request: web.Request) -> web.StreamResponse:
    raise web.HTTPMethodNotAllowed(request.method, ["POST"])


def json_answer(document: object, status: int = 200) -> web.Response:
    """An answer in JSON."""
    return web.Response(status=status, body=orjson.dumps(document), content_type="application/json")
