"""A gateway from its start to its end: reloads, signals, workers that die, rivals, secrets, TLS, no configuration."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest

from tests.wire import raw
from tests.wire.gateway import (
    CREDENTIAL,
    KEY,
    KEYS,
    SECRETS,
    Gateway,
    check_books,
    fresh_id,
    gateway_argv,
    mock_prices,
    mock_providers,
    provider_section,
    running_gateway,
    server_section,
    write_config,
)
from tests.wire.processes import MockProvider, free_port, running, running_mock_provider

NEW_KEY = "fgw_wire_new_6uJd2Wc8Xe"
GOOD = raw.request(raw.chat(), key=KEY)


def soon(is_so: Callable[[], bool], within_s: float = 10.0) -> bool:
    ends_s = time.monotonic() + within_s
    while time.monotonic() < ends_s:
        if is_so():
            return True
        time.sleep(0.02)
    return is_so()


def text_for(mock: MockProvider, *more: str, **server: float) -> str:
    return "".join((server_section(**server), mock_providers(mock), mock_prices(), KEYS, *more))


def status_of(gateway: Gateway, request: bytes) -> int:
    with raw.Wire(gateway.host, gateway.port) as wire:
        wire.send(request)
        return wire.answer().status


# --- reload -------------------------------------------------------------------------------------------------------------------


class Load(threading.Thread):
    """A client that calls without a pause and keeps everything that is not a whole 200."""

    def __init__(self, gateway: Gateway, body: dict[str, object], *, fresh: bool) -> None:
        super().__init__(daemon=True)
        self.bad: list[object] = []
        self.calls = 0
        self.stopping = threading.Event()
        self._address = gateway.host, gateway.port
        self._request = raw.request(body, key=KEY)
        self._fresh = fresh

    def run(self) -> None:  # type: ignore[explicit-override]  # typing.override is 3.12
        while not self.stopping.is_set():
            try:
                with raw.Wire(*self._address) as wire:
                    while not self.stopping.is_set():
                        self._call(wire)
                        if self._fresh:
                            break
            except Exception as error:
                self.bad.append(error)

    def _call(self, wire: raw.Wire) -> None:
        wire.send(self._request)
        got = wire.answer()
        self.calls += 1
        if (got.status, got.ending) != (200, "whole"):
            self.bad.append(got)
        time.sleep(0.002)


@contextlib.contextmanager
def load(gateway: Gateway) -> Iterator[list[Load]]:
    """Plain calls, short streams and streams of a second, on kept and on fresh connections."""
    clients = [
        Load(gateway, raw.chat(), fresh=False),
        Load(gateway, raw.chat(), fresh=True),
        Load(gateway, raw.chat("mock-small+words=5", stream=True), fresh=False),
        Load(gateway, raw.chat("mock-small+words=20+tps=20", stream=True), fresh=True),
    ]
    for client in clients:
        client.start()
    yield clients
    for client in clients:
        client.stopping.set()
    for client in clients:
        client.join()


def test_reloads_under_load_drop_nothing(mock_provider: MockProvider, tmp_path: Path) -> None:
    with running_gateway(tmp_path, text_for(mock_provider)) as gateway:
        good = gateway.config.read_text()
        variants = [good, good + '\n[[models]]\nname="m"\ntargets=[{target="mock-openai/m"}]\n']
        bad = ["[server\n", good + "\n[nonsense]\nx = 1\n", good.replace('kind = "openai"', 'kind = "oracle"')]
        with load(gateway) as clients:
            for turn in range(25):
                text = bad[turn // 5 % len(bad)] if turn % 5 == 4 else variants[turn % 2]
                gateway.config.write_text(text)
                gateway.process.signal(signal.SIGHUP)
                time.sleep(0.2)
        assert [client.bad for client in clients] == [[]] * len(clients)
        assert all(client.calls > 3 for client in clients)
        metrics = gateway.metrics()
        assert metrics["fastgw_reloads_total"] >= 15
        assert metrics["fastgw_reloads_refused_total"] >= 5
        assert "configuration refused, the old one serves on: providers.mock-openai.kind" in gateway.output
        assert soon(lambda: gateway.metrics()["fastgw_in_flight"] == 0)
        ((rows, other),) = gateway.query("SELECT count(*), sum(status <> 200) FROM entries")
        assert (rows, other) == (sum(client.calls for client in clients), 0)
        check_books(gateway)


def test_keys_come_and_go_with_reloads(mock_provider: MockProvider, tmp_path: Path) -> None:
    (tmp_path / "new.key").write_text(NEW_KEY + "\n")
    with running_gateway(tmp_path, text_for(mock_provider)) as gateway:
        first = gateway.config.read_text()
        request = raw.request(raw.chat(), key=NEW_KEY)
        with raw.Wire(gateway.host, gateway.port) as kept:
            kept.send(request)
            assert kept.answer().status == 401
            gateway.config.write_text(first + '\n[[keys]]\nname = "new"\nsecret = "file:new.key"\n')
            gateway.process.signal(signal.SIGHUP)
            assert soon(lambda: status_of(gateway, request) == 200)
            kept.send(request)
            assert kept.answer().status == 200, "the new key counts on connections that were open before"
            gateway.config.write_text(first)  # without a signal: the file is watched
            assert soon(lambda: status_of(gateway, request) == 401)
            kept.send(request)
            assert kept.answer().status == 401
        assert NEW_KEY not in gateway.output
        check_books(gateway)


def test_reload_moves_calls_to_another_provider(mock_provider: MockProvider, tmp_path: Path) -> None:
    with (
        running_mock_provider() as second,
        running_gateway(tmp_path, text_for(mock_provider)) as gateway,
        raw.Wire(gateway.host, gateway.port) as stream,
    ):
        before = raw.chat("mock-small+words=30+tps=30", stream=True)
        stream.send(raw.request(before, key=KEY))
        stream.until(b"river")
        gateway.config.write_text(gateway.config.read_text().replace(mock_provider.url, second.url))
        gateway.process.signal(signal.SIGHUP)
        assert soon(lambda: status_of(gateway, GOOD) == 200 and second.last_seq() > 0)
        answer = stream.answer()
        assert answer.ending == "whole", "a call keeps the configuration that it began with"
        assert answer.body.count(b'"delta":{"content":"') == 30
        check_books(gateway)


def test_what_only_a_restart_can_change_is_refused(mock_provider: MockProvider, tmp_path: Path) -> None:
    with running_gateway(tmp_path, text_for(mock_provider)) as gateway:
        text = gateway.config.read_text()
        gateway.config.write_text(text.replace("ledger.db", "other.db"))
        gateway.process.signal(signal.SIGHUP)
        gateway.process.wait_for(r"configuration refused, the old one serves on: ledger")
        assert status_of(gateway, GOOD) == 200


# --- the end ------------------------------------------------------------------------------------------------------------------


def test_sigterm_lets_open_streams_finish(mock_provider: MockProvider, tmp_path: Path) -> None:
    with running_gateway(tmp_path, text_for(mock_provider, drain_s=10)) as gateway:
        body = raw.chat("mock-small+words=30+tps=20", stream=True)
        ids = [fresh_id() for _ in range(10)]
        wires = [raw.Wire(gateway.host, gateway.port) for _ in ids]
        idle = raw.Wire(gateway.host, gateway.port)
        idle.send(GOOD)
        assert idle.answer().status == 200
        for wire, request_id in zip(wires, ids, strict=True):
            wire.send(raw.request(body, key=KEY, headers={"x-request-id": request_id}))
        for wire in wires:
            wire.until(b"river")
        gateway.process.signal(signal.SIGTERM)
        assert idle.rest(5) == b""
        assert idle.ended == "eof"
        assert soon(lambda: is_refused(gateway))
        for wire in wires:
            answer = wire.answer()
            assert (answer.ending, b"data: [DONE]" in answer.body) == ("whole", True)
            assert wire.rest() == b""
            wire.sock.close()
        idle.sock.close()
        assert gateway.process.wait() == 0
        assert [gateway.entry(request_id).usage_source for request_id in ids] == ["reported"] * 10


def is_refused(gateway: Gateway) -> bool:
    try:
        with raw.Wire(gateway.host, gateway.port):
            return False
    except ConnectionRefusedError:
        return True


def test_stream_longer_than_the_drain_time_is_cut_and_settled(mock_provider: MockProvider, tmp_path: Path) -> None:
    with running_gateway(tmp_path, text_for(mock_provider, drain_s=0.5)) as gateway:
        request_id = fresh_id()
        with raw.Wire(gateway.host, gateway.port) as wire:
            body = raw.chat("mock-small+words=2000+tps=20", stream=True)
            wire.send(raw.request(body, key=KEY, headers={"x-request-id": request_id}))
            wire.until(b"river")
            assert gateway.stop() == 0, gateway.output
            answer = wire.answer()
        assert answer.ending in ("cut", "reset")
        entry = gateway.entry(request_id)
        assert (entry.outcome, entry.usage_source) == ("settled", "estimated")
        assert entry.error_code != ""
        assert "Traceback" not in gateway.output


# --- workers ------------------------------------------------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def worker_of(gateway: Gateway, wire: raw.Wire) -> int:
    """The process that serves this connection, told by its socket."""
    host, port = wire.sock.getsockname()
    table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    inodes = {row.split()[9] for row in table if row.split()[2].endswith(f":{port:04X}") and row.split()[9] != "0"}
    for pid in children(gateway.process.pid):
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(each.readlink())[8:-1] in inodes:
                    return pid
    raise AssertionError(f"nobody serves {host}:{port}")


def test_two_workers_serve_and_a_dead_one_is_replaced(mock_provider: MockProvider, tmp_path: Path) -> None:
    with running_gateway(tmp_path, text_for(mock_provider), "--workers", "2") as gateway:
        assert [status_of(gateway, GOOD) for _ in range(40)] == [200] * 40
        assert soon(lambda: gateway.query("SELECT count(DISTINCT worker), count(*) FROM entries") == [(2, 40)])
        with raw.Wire(gateway.host, gateway.port) as health:
            health.send(b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n")
            assert health.answer().json()["workers_ready"] == 2
        request_id = fresh_id()
        with raw.Wire(gateway.host, gateway.port) as victim:
            body = raw.chat("mock-small+words=2000+tps=20", stream=True)
            victim.send(raw.request(body, key=KEY, headers={"x-request-id": request_id}))
            victim.until(b"river")
            os.kill(worker_of(gateway, victim), signal.SIGKILL)
            # Not one new connection is refused while it is being replaced.
            assert [status_of(gateway, GOOD) for _ in range(40)] == [200] * 40
            answer = victim.answer()
        assert answer.ending in ("cut", "reset")
        gateway.process.wait_for(r"worker \d ended \(killed by SIGKILL\); starting it again")
        entry = gateway.entry(request_id)
        assert (entry.outcome, entry.usage_source) == ("unknown", "estimated")
        assert entry.cost_nano_usd
        assert soon(lambda: gateway.metrics()["fastgw_ready"] == 2)
        assert gateway.stop() == 0
        assert gateway.query("SELECT count(*) FROM entries WHERE outcome = 'settled'") == [(80,)]


# --- gateways that cannot start -----------------------------------------------------------------------------------------------


def ends_with(argv: list[str], message: str) -> None:
    with running(argv, SECRETS) as process:
        assert process.wait() == 1
        assert message in process.output
        assert "Traceback" not in process.output
        assert not any(secret in process.output for secret in SECRETS.values())


def test_second_gateway_on_a_ledger_is_refused(mock_provider: MockProvider, tmp_path: Path) -> None:
    with running_gateway(tmp_path, text_for(mock_provider)) as gateway:
        second = tmp_path / "second.toml"
        second.write_text(gateway.config.read_text().replace(f":{gateway.admin_port}", f":{free_port()}"))
        ends_with(gateway_argv(second), f"the database {gateway.ledger} cannot be used")
        assert status_of(gateway, GOOD) == 200
        check_books(gateway)


def test_port_in_use_is_named(mock_provider: MockProvider, tmp_path: Path) -> None:
    with running_gateway(tmp_path, text_for(mock_provider)) as gateway:
        other = tmp_path / "other"
        other.mkdir()
        text = text_for(mock_provider).replace('"127.0.0.1:0"', f'"127.0.0.1:{gateway.port}"')
        ends_with(
            gateway_argv(write_config(other, text, free_port())), f"got 127.0.0.1:{gateway.port}: Address already"
        )
        taken = gateway.admin_port
        ends_with(gateway_argv(write_config(other, text_for(mock_provider), taken)), "admin.listen")
        assert status_of(gateway, GOOD) == 200


# --- secrets ------------------------------------------------------------------------------------------------------------------

CANARIES = {
    "prompt": "canary-prompt-Qm7",
    "metadata in the body": "canary-meta-Lx2",
    "unknown key": "canary-unknown-key-Ve9",
    "header": "canary-header-Tk4",
    "broken body": "canary-broken-Ns5",
    "query": "canary-query-Hb8",
}


def test_secrets_and_texts_stay_out_of_logs_and_ledger(mock_provider: MockProvider, tmp_path: Path) -> None:
    provider = provider_section("nobody", "openai", f"http://127.0.0.1:{free_port()}/v1")
    with running_gateway(tmp_path, text_for(mock_provider, provider)) as gateway:
        body = {
            "messages": [{"role": "user", "content": CANARIES["prompt"]}],
            "metadata": {"x": CANARIES["metadata in the body"]},
        }
        path = f"/v1/chat/completions?x={CANARIES['query']}"
        headers = {"x-canary": CANARIES["header"]}
        requests = [
            raw.request({"model": model, **body}, key=KEY, path=path, headers={**headers, "x-mock": directive})
            for model in ("mock-small", "nobody/mock-small", "nowhere/x")
            for directive in (
                "",
                "status=401",
                "status=500",
                "malformed=head",
                "reset=before_head",
                "cut_after_bytes=99",
            )
        ]
        requests.append(raw.request({"model": "mock-small", **body}, key=CANARIES["unknown key"], headers=headers))
        requests.append(raw.request(b'{"model":"mock-small","x":"%b' % CANARIES["broken body"].encode(), key=KEY))
        requests.append(raw.request({"model": "mock-small", **body}, key=KEY, path=f"/nothing?{CANARIES['query']}"))
        answers = b""
        for request in requests:
            with raw.Wire(gateway.host, gateway.port) as wire:
                wire.send(request)
                answers += wire.answer().body
        assert KEY.encode() not in answers
        assert CREDENTIAL.encode() not in answers
        written = b"".join(
            path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != gateway.config
        )
        check_books(gateway)
        written += b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        for name, canary in CANARIES.items():
            assert canary not in gateway.output, name
            assert canary.encode() not in written, name
        for name, secret in SECRETS.items():
            assert secret.encode() not in written, name
        assert b"the river keeps its own" not in written


# --- TLS towards providers ----------------------------------------------------------------------------------------------------


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for ``name`` that vouches for itself, and its key."""
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run(["openssl", *kind, *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def test_https_provider_is_trusted_through_its_authority_only(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path, "localhost")
    other, _ = make_certificate(tmp_path, "elsewhere.test")
    with running_mock_provider("--tls-cert", str(cert), "--tls-key", str(key)) as mock:
        named, numbered = f"https://localhost:{mock.port}/v1", f"https://127.0.0.1:{mock.port}/v1"
        text = "".join(
            (
                server_section(),
                provider_section("known", "openai", named, ca_file=str(cert)),
                provider_section("system", "openai", named),
                provider_section("stranger", "openai", named, ca_file=str(other)),
                provider_section("misnamed", "openai", numbered, ca_file=str(cert)),
                provider_section("plain", "openai", named.replace("https", "http")),
                mock_prices("known"),
                KEYS,
            )
        )
        with running_gateway(tmp_path, text) as gateway:
            for streamed in (False, True, False, True):
                with raw.Wire(gateway.host, gateway.port) as wire:
                    wire.send(raw.request(raw.chat("known/mock-small+words=4000", stream=streamed), key=KEY))
                    answer = wire.answer()
                    assert (answer.status, answer.ending) == (200, "whole")
            for provider, reason in (
                ("system", "its certificate is not accepted"),
                ("stranger", "its certificate is not accepted"),
                ("misnamed", "its certificate is not accepted"),
                ("plain", "the provider"),
            ):
                with raw.Wire(gateway.host, gateway.port) as wire:
                    wire.send(raw.request(raw.chat(f"{provider}/mock-small"), key=KEY))
                    answer = wire.answer()
                    assert (answer.status, answer.ending) == (502, "whole"), provider
                    assert reason in answer.json()["error"]["message"], answer
            check_books(gateway)


# --- no configuration ---------------------------------------------------------------------------------------------------------

DISCOVER = """
import os, sys, msgspec
from fastgw.app import cli, serve
found = serve.discover
def discover(env):  # the well-known ports may be taken on this machine
    settings = found(env)
    replace = msgspec.structs.replace
    return replace(
        settings,
        server=replace(settings.server, listen="127.0.0.1:0"),
        admin=replace(settings.admin, listen=f"127.0.0.1:{sys.argv[2]}"),
    )
serve.discover = discover
os.chdir(sys.argv[1])
sys.exit(cli.main(["serve"]))
"""


def test_without_a_configuration_providers_are_found_in_the_environment(
    mock_provider: MockProvider, tmp_path: Path
) -> None:
    env = {
        "OPENAI_API_KEY": CREDENTIAL,
        "OPENAI_BASE_URL": f"{mock_provider.url}/v1",
        "ANTHROPIC_API_KEY": "",
        "FASTGW_CONFIG": "",
    }
    keys = set()
    for _ in range(2):
        with running([sys.executable, "-c", DISCOVER, str(tmp_path), str(free_port())], env) as process:
            url = process.wait_for(r"fastgw serves on (http://\S+) .*providers: openai\n").group(1)
            key = process.wait_for(r"gateway key: (\S+)\n").group(1)
            keys.add(key)
            with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
                answer = client.chat.completions.with_raw_response.create(
                    model="mock-small", messages=[{"role": "user", "content": "hello"}]
                )
                assert answer.headers["x-fastgw-model"] == "openai/mock-small"
                assert answer.headers["x-fastgw-cost-usd"] == "unpriced"
            process.signal(signal.SIGTERM)
            assert process.wait() == 0
            assert CREDENTIAL not in process.output
    assert len(keys) == 1
    assert (tmp_path / "fastgw.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("env", "message"), [({}, "OPENAI_API_KEY or ANTHROPIC_API_KEY in the environment")])
def test_nothing_to_serve_says_what_is_missing(env: dict[str, str], message: str, tmp_path: Path) -> None:
    nothing = {"OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": "", "FASTGW_CONFIG": "", **env}
    with running([sys.executable, "-c", DISCOVER, str(tmp_path), "0"], nothing) as process:
        assert process.wait() == 1
        assert message in process.output
        assert "Traceback" not in process.output
