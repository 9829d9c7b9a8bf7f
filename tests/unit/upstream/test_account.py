"""A provider account on real loopback sockets: what is said when nobody answers, and who gets which connection."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic_ns
from typing import Any

import pytest
import uvloop

from fastgw._native.provider_conn import ProviderConn
from fastgw._native.timers import TimerWheel
from fastgw.domain.errors import GatewayError
from fastgw.telemetry import tasks
from fastgw.upstream.account import AccountSettings, ProviderAccount, _reason

SECOND = 1_000_000_000
ASK = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Answers every request; counts connections."""

    def __init__(self) -> None:
        self.accepted = 0
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.writers.append(writer)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def stage(**changes: Any) -> AsyncIterator[tuple[ProviderAccount, Server]]:
    """An account whose provider is a server on loopback."""
    server = Server()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    wheel = TimerWheel()
    wheel.start(asyncio.get_running_loop())
    account = ProviderAccount(settings_of(**{"port": server.port, **changes}), wheel)
    try:
        yield account, server
    finally:
        account.close()
        listening.close()
        for writer in server.writers:
            writer.close()
        await asyncio.sleep(0.01)
        wheel.stop()


def settings_of(**changes: Any) -> AccountSettings:
    values: dict[str, Any] = {
        "name": "acme",
        "host": "127.0.0.1",
        "port": 1,
        "tls": False,
        "ca_file": "",
        "connect_timeout_ns": 5 * SECOND,
        "first_byte_timeout_ns": 5 * SECOND,
        "idle_timeout_ns": 5 * SECOND,
        "total_timeout_ns": 30 * SECOND,
        "max_connections": 2,
        "max_idle": 2,
        "idle_connection_ns": 60 * SECOND,
    }
    return AccountSettings(**(values | changes))


def play(test: Callable[[ProviderAccount, Server], Awaitable[None]], **changes: Any) -> None:
    """Run a test's coroutine; no task is left behind."""

    async def main() -> None:
        async with asyncio.timeout(10):
            async with stage(**changes) as (account, server):
                await test(account, server)
                await asyncio.sleep(0)
                assert not {task for task in tasks._running if not task.done()}

    uvloop.run(main())  # as the gateway does: asyncio knows buffered protocols only by inheritance


async def answered(connection: ProviderConn) -> bytes | None:
    # What a lane does without a loop of its own; here the loop is asked to look again.
    body = None
    while body is None:
        await asyncio.sleep(0.001)
        body = connection.take_whole(100)
    return body


async def refused(account: ProviderAccount) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await account.send_fresh(ASK, None)
    assert (caught.value.source, caught.value.retry) == ("upstream", "other_target")
    return caught.value


def test_a_call_and_the_next_one_on_the_same_connection() -> None:
    async def test(account: ProviderAccount, server: Server) -> None:
        assert account.send_pooled(ASK, None) is None
        first = await account.send_fresh(ASK[:-2], b"\r\n")
        assert await answered(first) == b"ok"
        assert (first.head.status, first.reused, account.open_connections) == (200, False, 1)
        first.release()
        second = account.send_pooled(ASK, None)
        assert second is first
        assert await answered(second) == b"ok"
        assert second.reused
        second.release()
        assert server.accepted == account.open_connections == 1

    play(test)


def test_nobody_listens() -> None:
    async def test(account: ProviderAccount, server: Server) -> None:
        error = await refused(account)
        assert (error.status, error.code) == (502, "provider_unreachable")
        assert error.message.endswith("connection refused")
        assert "127.0.0.1" not in error.message
        assert account.open_connections == 0

    play(test, port=1)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "its certificate is not accepted"),
        (ssl.SSLError(1, "10.0.0.7 wrong version"), "the TLS handshake failed"),
        (ConnectionRefusedError(111, "10.0.0.7"), "connection refused"),
        (ConnectionResetError(104, "10.0.0.7"), "connection reset"),
        (OSError(113, "no route to 10.0.0.7"), "no connection"),
        (socket.gaierror(-2, "db.internal not known"), "no connection"),
    ],
)
def test_reasons_name_the_kind_of_failure_and_no_address(error: OSError, words: str) -> None:
    if isinstance(error, ssl.SSLCertVerificationError):
        error.verify_message = "self-signed certificate"
        words += " (self-signed certificate)"
    assert _reason(error) == words


def test_a_server_that_does_not_shake_hands() -> None:
    async def test(account: ProviderAccount, server: Server) -> None:
        error = await refused(account)
        assert (error.status, error.code) == (504, "provider_connect_timeout")
        assert account.open_connections == 0

    play(test, tls=True, connect_timeout_ns=SECOND // 10)


def test_a_server_that_does_not_speak_tls() -> None:
    async def test(account: ProviderAccount, server: Server) -> None:
        async def shout(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            writer.close()

        plain_server = await asyncio.start_server(shout, "127.0.0.1", 0)
        port = plain_server.sockets[0].getsockname()[1]
        wheel = TimerWheel()
        error = await refused(ProviderAccount(settings_of(port=port, tls=True), wheel))
        plain_server.close()
        assert (error.status, error.code) == (502, "provider_unreachable")
        assert error.message.endswith("the TLS handshake failed")

    play(test)


def test_who_finds_all_connections_in_use_waits_and_is_told_so() -> None:
    async def test(account: ProviderAccount, server: Server) -> None:
        held = [await account.send_fresh(ASK, None) for _ in range(2)]
        error = await refused(account)
        assert (error.status, error.code) == (503, "provider_busy")
        assert "all 2 connections" in error.message
        assert not account._waiting
        for connection in held:
            await answered(connection)
            connection.release()
        assert server.accepted == account.open_connections == 2

    play(test, connect_timeout_ns=SECOND // 5)


def test_who_waits_gets_the_first_connection_that_comes_back() -> None:
    async def test(account: ProviderAccount, server: Server) -> None:
        held = await account.send_fresh(ASK, None)
        waiting = [asyncio.ensure_future(account.send_fresh(ASK, None)) for _ in range(2)]
        await answered(held)
        assert not waiting[0].done()
        held.release()
        first = await waiting[0]
        assert first is held
        assert not waiting[1].done()
        first.abort()  # a lost connection makes room too
        second = await waiting[1]
        assert second is not held
        assert await answered(second) == b"ok"
        second.release()
        assert (server.accepted, account.open_connections) == (2, 1)

    play(test, max_connections=1)


def test_a_caller_who_goes_while_connecting_leaves_the_connection_to_the_pool() -> None:
    async def test(account: ProviderAccount, server: Server) -> None:
        calling = account.send_fresh(ASK, None)
        calling.send(None)  # as a lane does: it is no task
        assert account.open_connections == 0
        await asyncio.sleep(0)
        assert account.open_connections == 1, "one that is being opened counts"
        with pytest.raises(KeyboardInterrupt):
            calling.throw(KeyboardInterrupt())
        while account._pool.idle == 0:
            await asyncio.sleep(0.001)
        connection = account.send_pooled(ASK, None)
        assert connection is not None
        assert await answered(connection) == b"ok"
        connection.release()
        assert server.accepted == 1

    play(test)


def test_a_caller_who_goes_while_waiting_leaves_the_connection_to_the_pool() -> None:
    async def test(account: ProviderAccount, server: Server) -> None:
        held = await account.send_fresh(ASK, None)
        await answered(held)
        calling = account.send_fresh(ASK, None)
        calling.send(None)
        await asyncio.sleep(0)
        with pytest.raises(KeyboardInterrupt):
            calling.throw(KeyboardInterrupt())
        held.release()
        await asyncio.sleep(0.01)
        assert (account._pool.idle, account.open_connections) == (1, 1)

    play(test, max_connections=1)


def test_a_closed_account_keeps_no_connection() -> None:
    async def test(account: ProviderAccount, server: Server) -> None:
        idle, used = [await account.send_fresh(ASK, None) for _ in range(2)]
        for connection in (idle, used):
            await answered(connection)
        idle.release()
        account.close()
        used.release()
        await asyncio.sleep(0.01)
        assert account.open_connections == 0

    play(test)


def test_tls_checks_names_against_the_given_authorities(tmp_path: Any) -> None:
    account = ProviderAccount(settings_of(tls=True), TimerWheel())
    assert account._tls is not None
    assert (account._tls.verify_mode, account._tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    empty = tmp_path / "none.pem"
    empty.write_text("")
    with pytest.raises(ssl.SSLError):
        ProviderAccount(settings_of(tls=True, ca_file=str(empty)), TimerWheel())


def test_a_connection_that_could_not_be_opened_makes_room_for_who_waits() -> None:
    async def test(account: ProviderAccount, server: Server) -> None:
        failures = await asyncio.gather(*(refused(account) for _ in range(3)))
        assert [failure.code for failure in failures] == ["provider_unreachable"] * 3

    play(test, port=1, max_connections=1, connect_timeout_ns=SECOND)


def test_who_goes_just_when_a_connection_comes_back_passes_it_on() -> None:
    async def test(account: ProviderAccount, server: Server) -> None:
        held = await account.send_fresh(ASK, None)
        await answered(held)
        first, second = (asyncio.ensure_future(account._connect(monotonic_ns())) for _ in range(2))
        await asyncio.sleep(0)
        held.release()  # wakes the first, who is told to stop before it can run
        first.cancel()
        async with asyncio.timeout(1):
            assert await second is held
        assert first.cancelled()
        held.give_back()

    play(test, max_connections=1)
