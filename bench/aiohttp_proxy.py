"""A plain proxy of aiohttp's server and client on uvloop: what the comparison calls ``aiohttp``.

Written as a good user of aiohttp would: one session, unbounded keep-alive pool, no access log, no cookies, no
decompression; a whole body is read and sent whole, a stream is passed on piece by piece. It checks and counts nothing.

    python -m bench.aiohttp_proxy --port 8080 --upstream https://127.0.0.1:9001 [--ca cert.pem]
"""

from __future__ import annotations

import argparse
import asyncio
import ssl

import aiohttp
import uvloop
from aiohttp import web

HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "proxy-connection",
        "host",
        "content-length",
    )
)


class Proxy:
    """Sends every request to one upstream."""

    def __init__(self, session: aiohttp.ClientSession, upstream: str) -> None:
        self._session = session
        self._upstream = upstream

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
        body = await request.read()
        async with self._session.post(self._upstream + request.raw_path, data=body, headers=headers) as answer:
            passed_on = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
            if answer.content_length is not None:
                whole = await answer.read()
                return web.Response(status=answer.status, body=whole, headers=passed_on)
            response = web.StreamResponse(status=answer.status, headers=passed_on)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                await response.write(piece)
            await response.write_eof()
            return response


async def serve(port: int, upstream: str, ca_file: str) -> None:
    """Listen on loopback until cancelled."""
    context = ssl.create_default_context(cafile=ca_file) if ca_file else True
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=context),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        timeout=aiohttp.ClientTimeout(total=60),
    )
    async with session:
        app = web.Application(client_max_size=32 * 1024 * 1024)
        app.router.add_post("/{path:.*}", Proxy(session, upstream))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="a plain aiohttp proxy")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--ca", default="")
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.upstream, options.ca))


if __name__ == "__main__":
    main()
