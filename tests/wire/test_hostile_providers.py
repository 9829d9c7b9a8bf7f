"""Providers that fail in every way: the client gets a clear error or a broken stream, one row is written, nobody else notices."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import orjson
import pytest

from tests.wire import raw
from tests.wire.gateway import (
    CREDENTIAL,
    KEY,
    KEYS,
    OTHER_KEY,
    Gateway,
    check_books,
    fresh_id,
    mock_prices,
    mock_providers,
    provider_section,
    running_gateway,
    server_section,
)
from tests.wire.processes import MockProvider, free_port
from tests.wire.scripted import ScriptedProvider, answer

DEADLINES = {"connect_timeout_s": 2, "first_byte_timeout_s": 0.8, "idle_timeout_s": 0.5, "total_timeout_s": 4}
HELLO: list[Any] = [{"role": "user", "content": "hello there"}]


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedProvider]:
    provider = ScriptedProvider()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def gateway(
    mock_provider: MockProvider, scripted: ScriptedProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """One with short deadlines for providers, one of which nobody listens for."""
    text = "".join(
        (
            server_section(),
            mock_providers(mock_provider, **DEADLINES),
            provider_section("scripted", "openai", f"{scripted.url}/v1", **DEADLINES),
            provider_section("nobody", "openai", f"http://127.0.0.1:{free_port()}/v1", **DEADLINES),
            provider_section("nobody-either", "anthropic", f"http://127.0.0.1:{free_port()}", **DEADLINES),
            mock_prices("mock-openai", "mock-anthropic", "scripted"),
            KEYS,
        )
    )
    with running_gateway(tmp_path_factory.mktemp("gateway"), text) as running:
        yield running
        check_books(running)


class Innocent(threading.Thread):
    """A client that minds its own business all the while; what goes wrong for it is kept in ``noticed``."""

    def __init__(self, gateway: Gateway, *, streamed: bool) -> None:
        super().__init__(daemon=True)
        self.noticed: list[str] = []
        self.calls = 0
        self.stopping = threading.Event()
        self._gateway = gateway
        self._streamed = streamed

    def run(self) -> None:  # type: ignore[explicit-override]  # typing.override is 3.12
        try:
            with raw.Wire(self._gateway.host, self._gateway.port) as wire:
                while not self.stopping.wait(0.03):
                    self._call(wire, 1 + self.calls % 7)
        except Exception as error:
            self.noticed.append(repr(error))

    def _call(self, wire: raw.Wire, words: int) -> None:
        self.calls += 1
        wire.send(raw.request(raw.chat(f"mock-small+words={words}", stream=self._streamed), key=OTHER_KEY))
        got = wire.answer()
        if self._streamed:
            right = got.body.count(b'"delta":{"content":') == words and b"data: [DONE]\n\n" in got.body
        else:
            right = got.status == 200 and got.json()["usage"]["completion_tokens"] == words
        if not right or got.ending != "whole":
            self.noticed.append(repr(got))


@pytest.fixture(scope="module", autouse=True)
def innocents(gateway: Gateway) -> Iterator[None]:
    clients = [Innocent(gateway, streamed=streamed) for streamed in (False, True)]
    for client in clients:
        client.start()
    yield
    for client in clients:
        client.stopping.set()
        client.join()
    assert [client.noticed for client in clients] == [[], []]
    assert all(client.calls > 10 for client in clients)


DIALECTS = ["openai", "anthropic"]


def ask(
    gateway: Gateway, dialect: str, directive: str, *, streamed: bool, model: str = "mock-small"
) -> tuple[str, raw.Answer]:
    """One call on a connection of its own; the id of its row, and the answer."""
    request_id = fresh_id()
    headers = {"x-request-id": request_id, "x-mock": directive, "anthropic-version": "2023-06-01"}
    make, path = (raw.chat, "/v1/chat/completions") if dialect == "openai" else (raw.message, "/v1/messages")
    with raw.Wire(gateway.host, gateway.port) as wire:
        wire.send(raw.request(make(model, stream=streamed), path=path, key=KEY, headers=headers))
        return request_id, wire.answer()


def check_error(got: raw.Answer, dialect: str, status: int, code: str) -> None:
    """A whole error in the caller's shape that says the provider is at fault."""
    document = got.json()
    assert (got.status, got.ending, got.code) == (status, "whole", code), got
    assert document["error"]["message"].startswith("provider: ")
    assert (document.get("type") == "error") == (dialect == "anthropic")
    assert got.headers["x-fastgw-refused-by"] == "provider"
    assert CREDENTIAL not in str(got)


WHILE_NOTHING_CAME = {
    "reset=before_head": (502, "provider_connection_lost"),
    "slow_head_ms=3000": (504, "provider_timeout"),
    "malformed=head": (502, "provider_protocol"),
    "malformed=head_length_twice": (502, "provider_protocol"),
    "malformed=head_length_and_chunked": (502, "provider_protocol"),
    "malformed=head_bare_lf": (502, "provider_protocol"),
    "malformed=head_huge": (502, "provider_protocol"),
    "garbage=true": (502, "provider_protocol"),
    "status=401": (502, "provider_credential_refused"),
    "status=403": (502, "provider_credential_refused"),
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("directive", WHILE_NOTHING_CAME)
def test_failure_before_the_answer_is_an_error_of_ours(
    directive: str, dialect: str, streamed: bool, gateway: Gateway
) -> None:
    request_id, got = ask(gateway, dialect, directive, streamed=streamed)
    status, code = WHILE_NOTHING_CAME[directive]
    check_error(got, dialect, status, code)
    entry = gateway.entry(request_id)
    assert (entry.status, entry.error_code, entry.usage_source) == (status, code, "none")
    assert (entry.cost_nano_usd, entry.attempts, entry.streaming) == (0, 1, streamed)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("status", [401, 403])
def test_refused_credential_is_named_and_never_shown(status: int, dialect: str, gateway: Gateway) -> None:
    _, got = ask(gateway, dialect, f"status={status}", streamed=False)
    assert "env:FGW_CREDENTIAL" in got.json()["error"]["message"]
    assert CREDENTIAL not in str(got)
    assert KEY not in str(got)


IN_A_PLAIN_BODY = {
    "reset=after_head": (502, "provider_connection_lost"),
    "cut_after_bytes=0": (502, "provider_connection_lost"),
    "cut_after_bytes=1": (502, "provider_connection_lost"),
    "cut_after_bytes=200": (502, "provider_connection_lost"),
    "cut_after_bytes=999999": (502, "provider_connection_lost"),
    "reset_after_bytes=200": (502, "provider_connection_lost"),
    "stall_after_bytes=0": (504, "provider_timeout"),
    "stall_after_bytes=200": (504, "provider_timeout"),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("directive", IN_A_PLAIN_BODY)
def test_plain_answer_that_breaks_off_is_an_error_and_charged_by_estimate(
    directive: str, dialect: str, gateway: Gateway
) -> None:
    request_id, got = ask(gateway, dialect, directive, streamed=False)
    status, code = IN_A_PLAIN_BODY[directive]
    check_error(got, dialect, status, code)
    entry = gateway.entry(request_id)
    assert (entry.status, entry.error_code, entry.usage_source) == (status, code, "estimated")
    assert entry.input_tokens > 0
    assert entry.cost_nano_usd


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("directive", ["malformed=json", "malformed=chunk"])
def test_plain_answer_that_cannot_be_read_is_an_error(directive: str, dialect: str, gateway: Gateway) -> None:
    request_id, got = ask(gateway, dialect, directive, streamed=False)
    check_error(got, dialect, 502, "provider_protocol")
    assert gateway.entry(request_id).error_code == "provider_protocol"


IN_A_STREAM = {
    "reset=after_head": "provider_connection_lost",
    "cut_after_bytes=0": "provider_connection_lost",
    "cut_after_bytes=1": "provider_connection_lost",
    "cut_after_bytes=7": "provider_connection_lost",
    "cut_after_bytes=300": "provider_connection_lost",
    "cut_after_bytes=1500": "provider_connection_lost",
    "reset_after_bytes=700": "provider_connection_lost",
    "stall_after_bytes=0": "provider_timeout",
    "stall_after_bytes=700": "provider_timeout",
    "ttft_ms=3000": "provider_timeout",
    "malformed=chunk": "provider_protocol",
}
CLEAN_ENDS = (b"[DONE]", b"message_stop")


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("directive", IN_A_STREAM)
def test_stream_that_breaks_off_never_ends_cleanly(directive: str, dialect: str, gateway: Gateway) -> None:
    request_id, got = ask(gateway, dialect, directive, streamed=True)
    code = IN_A_STREAM[directive]
    assert (got.status, got.ending) == (200, "cut")
    assert not any(end in got.body for end in CLEAN_ENDS)
    *_, last, rest = got.body.split(b"\n\n")
    assert rest == b""
    prefix = b"event: error\ndata: " if dialect == "anthropic" else b"data: "
    assert last.startswith(prefix + b"{"), "it stands alone, also where the provider stopped inside an event"
    error = orjson.loads(last.removeprefix(prefix))["error"]
    assert (error["details"]["error_code"] if dialect == "anthropic" else error["code"]) == code
    entry = gateway.entry(request_id)
    assert (entry.status, entry.error_code) == (504 if code == "provider_timeout" else 502, code)
    assert (entry.usage_source, entry.streaming) == ("estimated", True)
    assert entry.cost_nano_usd


@pytest.mark.parametrize("directive", ["cut_after_bytes=700", "stall_after_bytes=700", "reset_after_bytes=700"])
def test_official_clients_raise_for_a_stream_that_breaks_off(directive: str, gateway: Gateway) -> None:
    headers = {"x-mock": directive}
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as by_openai:
        stream = by_openai.chat.completions.create(
            model="mock-small", messages=HELLO, stream=True, extra_headers=headers
        )
        with stream, pytest.raises(openai.APIError, match="provider: "):
            list(stream)
    with anthropic.Anthropic(base_url=gateway.url, api_key=KEY, max_retries=0) as by_anthropic:
        events = by_anthropic.messages.create(
            model="mock-small", max_tokens=9, messages=HELLO, stream=True, extra_headers=headers
        )
        with events, pytest.raises(anthropic.APIError, match="provider: "):
            list(events)


@pytest.mark.parametrize("directive", ["status=500", "reset=before_head", "malformed=head", "garbage=true"])
def test_official_clients_raise_server_errors(directive: str, gateway: Gateway) -> None:
    headers = {"x-mock": directive}
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as by_openai:
        with pytest.raises(openai.InternalServerError):
            by_openai.chat.completions.create(model="mock-small", messages=HELLO, extra_headers=headers)
        by_openai.chat.completions.create(model="mock-small", messages=HELLO)
    with anthropic.Anthropic(base_url=gateway.url, api_key=KEY, max_retries=0) as by_anthropic:
        with pytest.raises(anthropic.InternalServerError):
            by_anthropic.messages.create(model="mock-small", max_tokens=9, messages=HELLO, extra_headers=headers)
        by_anthropic.messages.create(model="mock-small", max_tokens=9, messages=HELLO)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("status", [400, 404, 429, 500, 503, 529])
def test_vendors_refusal_passes_with_its_reason_and_its_advice(
    status: int, dialect: str, streamed: bool, gateway: Gateway, mock_provider: MockProvider
) -> None:
    directive = f"status={status},retry_after=7"
    request_id, got = ask(gateway, dialect, directive, streamed=streamed)
    make, path = (raw.chat, "/v1/chat/completions") if dialect == "openai" else (raw.message, "/v1/messages")
    headers = {"x-mock": directive, "anthropic-version": "2023-06-01", "authorization": f"Bearer {CREDENTIAL}"}
    with raw.Wire(mock_provider.host, mock_provider.port) as wire:
        wire.send(raw.request(make(), path=path, headers=headers))
        direct = wire.answer()
    assert (got.status, got.ending) == (status, "whole")
    wanted, found = direct.json(), got.json()
    for document in (wanted, found):
        document.pop("request_id", None)
    assert found == wanted
    assert got.headers["retry-after"] == direct.headers["retry-after"] == "7"
    entry = gateway.entry(request_id)
    assert (entry.status, entry.error_code, entry.usage_source) == (status, "provider_refused", "none")
    assert entry.cost_nano_usd == 0


@pytest.mark.parametrize(("dialect", "provider"), [("openai", "nobody"), ("anthropic", "nobody-either")])
def test_provider_that_refuses_connections(dialect: str, provider: str, gateway: Gateway) -> None:
    request_id, got = ask(gateway, dialect, "", streamed=False, model=f"{provider}/mock-small")
    check_error(got, dialect, 502, "provider_unreachable")
    assert "connection refused" in got.json()["error"]["message"]
    assert "127.0.0.1" not in got.body.decode()
    entry = gateway.entry(request_id)
    assert (entry.status, entry.error_code, entry.cost_nano_usd) == (502, "provider_unreachable", 0)


@pytest.mark.parametrize("streamed", [False, True])
def test_second_answer_nobody_asked_for_never_meets_the_next_request(streamed: bool, gateway: Gateway) -> None:
    for words in range(1, 8):
        request_id, got = ask(gateway, "openai", f"words={words},twice=true", streamed=streamed)
        assert (got.status, got.ending) == (200, "whole")
        assert got.body.count(b"data: [DONE]") == int(streamed)
        assert gateway.entry(request_id).output_tokens == words


@pytest.mark.parametrize("close", ["header", "silent"])
@pytest.mark.parametrize("streamed", [False, True])
def test_provider_that_closes_after_each_answer(close: str, streamed: bool, gateway: Gateway) -> None:
    for words in range(1, 8):
        request_id, got = ask(gateway, "openai", f"words={words},close={close}", streamed=streamed)
        assert (got.status, got.ending) == (200, "whole")
        assert gateway.entry(request_id).output_tokens == words


# --- what providers say about usage -------------------------------------------------------------------------------------------

LIES = {
    "absent": {"estimated"},
    "negative": {"estimated", "clamped"},
    "huge": {"estimated", "clamped"},
    "string": {"estimated"},
    "twice": {"reported"},
}


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("lie", LIES)
def test_false_usage_is_flagged_and_never_free(lie: str, dialect: str, streamed: bool, gateway: Gateway) -> None:
    request_id, got = ask(gateway, dialect, f"usage={lie}", streamed=streamed)
    assert (got.status, got.ending) == (200, "whole")
    entry = gateway.entry(request_id)
    assert entry.usage_source in LIES[lie]
    assert entry.input_tokens > 0
    assert entry.output_tokens > 0
    assert entry.cost_nano_usd
    assert entry.error_code == ""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_usage_after_the_closing_event_still_counts(dialect: str, gateway: Gateway) -> None:
    request_id, got = ask(gateway, dialect, "usage=after_done,words=5", streamed=True)
    assert got.ending == "whole"
    entry = gateway.entry(request_id)
    assert (entry.usage_source, entry.output_tokens) == ("reported", 5)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_error_event_inside_a_stream_is_passed_on_and_recorded(dialect: str, gateway: Gateway) -> None:
    request_id, got = ask(gateway, dialect, "error_event=true", streamed=True)
    assert got.status == 200
    assert b'"error"' in got.body
    assert not any(end in got.body for end in CLEAN_ENDS)
    entry = gateway.entry(request_id)
    assert (entry.error_code, entry.usage_source) == ("provider_stream_error", "estimated")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_missing_closing_event_is_not_made_up(dialect: str, gateway: Gateway) -> None:
    request_id, got = ask(gateway, dialect, "no_done=true", streamed=True)
    assert not any(end in got.body for end in CLEAN_ENDS)
    assert gateway.entry(request_id).outcome == "settled"


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("how", ["json", "event"])
def test_spoilt_event_passes_and_the_usage_is_still_read(how: str, dialect: str, gateway: Gateway) -> None:
    request_id, got = ask(gateway, dialect, f"malformed={how},words=6", streamed=True)
    assert got.ending == "whole"
    entry = gateway.entry(request_id)
    assert (entry.usage_source, entry.output_tokens) == ("reported", 6)


# --- answers that no mock gives -----------------------------------------------------------------------------------------------

USAGE = b'"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}'
PLAIN = b'{"id":"x","choices":[],' + USAGE + b"}"
SSE = "text/event-stream"
EVENT = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
USAGE_EVENT = b'data: {"id":"x","choices":[],' + USAGE + b"}\n\n"
DONE = b"data: [DONE]\n\n"


def chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
UNFRAMED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"


def play(
    gateway: Gateway, scripted: ScriptedProvider, steps: list[Any], *, streamed: bool = False
) -> tuple[str, raw.Answer]:
    """One call that the scripted provider answers with ``steps``."""
    model = f"mock-small+{fresh_id()}"
    scripted.replies[model] = steps
    return ask(gateway, "openai", "", streamed=streamed, model=f"scripted/{model}")


def test_html_error_becomes_an_error_of_the_dialect(gateway: Gateway, scripted: ScriptedProvider) -> None:
    page = b"<html><body><h1>502 Bad Gateway</h1><hr>nginx</body></html>"
    request_id, got = play(gateway, scripted, [answer(page, status="502 Bad Gateway", kind="text/html")])
    check_error(got, "openai", 502, "provider_error")
    assert "Bad Gateway" in got.json()["error"]["message"]
    assert got.headers["content-type"] == "application/json"
    assert gateway.entry(request_id).error_code == "provider_error"


def test_redirect_is_not_followed(gateway: Gateway, scripted: ScriptedProvider) -> None:
    moved = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/steal\r\ncontent-length: 0\r\n\r\n"
    _, got = play(gateway, scripted, [moved])
    check_error(got, "openai", 502, "provider_protocol")
    assert "location" not in got.headers


def test_protocol_switch_is_refused(gateway: Gateway, scripted: ScriptedProvider) -> None:
    _, got = play(gateway, scripted, [b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"])
    check_error(got, "openai", 502, "provider_protocol")


def test_interim_answers_are_passed_over(gateway: Gateway, scripted: ScriptedProvider) -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 3
    _, got = play(gateway, scripted, [interim, 0.05, answer(PLAIN)])
    assert (got.status, got.interim, got.body) == (200, [], PLAIN)


@pytest.mark.parametrize("empty", [answer(b""), b"HTTP/1.1 204 No Content\r\n\r\n", answer(b"null"), answer(b"[]")])
def test_success_without_an_object_is_an_error(empty: bytes, gateway: Gateway, scripted: ScriptedProvider) -> None:
    _, got = play(gateway, scripted, [empty])
    check_error(got, "openai", 502, "provider_protocol")


def test_plain_answer_that_ends_with_the_connection(gateway: Gateway, scripted: ScriptedProvider) -> None:
    unframed = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"
    request_id, got = play(gateway, scripted, [unframed, PLAIN[:20], 0.05, PLAIN[20:], "close"])
    assert (got.status, got.ending, got.body) == (200, "whole", PLAIN)
    assert gateway.entry(request_id).output_tokens == 2


def test_plain_answer_to_a_stream_request_stays_plain(gateway: Gateway, scripted: ScriptedProvider) -> None:
    request_id, got = play(gateway, scripted, [answer(PLAIN)], streamed=True)
    assert (got.status, got.body, got.headers["content-length"]) == (200, PLAIN, str(len(PLAIN)))
    assert gateway.entry(request_id).usage_source == "reported"


def test_compressed_answer_passes_and_is_charged_by_estimate(gateway: Gateway, scripted: ScriptedProvider) -> None:
    packed = gzip.compress(PLAIN)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n"
    request_id, got = play(gateway, scripted, [head + b"content-length: %d\r\n\r\n" % len(packed) + packed])
    assert (got.status, got.body, got.headers["content-encoding"]) == (200, packed, "gzip")
    assert gateway.entry(request_id).usage_source == "estimated"


LARGE = b'{"id":"x","text":"' + b"y" * 400_000 + b'",' + USAGE + b"}"


def test_large_plain_answer_passes_in_pieces(gateway: Gateway, scripted: ScriptedProvider) -> None:
    request_id, got = play(gateway, scripted, [answer(LARGE)])
    assert (got.status, got.ending, got.body == LARGE) == (200, "whole", True)
    entry = gateway.entry(request_id)
    assert (entry.usage_source, entry.output_tokens) == ("reported", 2)


@pytest.mark.parametrize("end", ["close", "reset"])
def test_large_plain_answer_that_is_cut_does_not_end_cleanly(
    end: str, gateway: Gateway, scripted: ScriptedProvider
) -> None:
    request_id, got = play(gateway, scripted, [answer(LARGE)[:300_000], 0.05, end])
    assert got.status == 200
    assert got.ending in ("cut", "reset")
    assert len(got.body) < len(LARGE)
    entry = gateway.entry(request_id)
    assert (entry.status, entry.error_code) == (502, "provider_connection_lost")
    assert entry.usage_source == "estimated"


@pytest.mark.parametrize("end", ["close", "reset"])
def test_unframed_stream_that_ends_before_its_closing_event_is_cut(
    end: str, gateway: Gateway, scripted: ScriptedProvider
) -> None:
    request_id, got = play(gateway, scripted, [UNFRAMED + EVENT, 0.05, end], streamed=True)
    assert (got.status, got.ending) == (200, "cut")
    assert b"[DONE]" not in got.body
    assert gateway.entry(request_id).error_code == "provider_connection_lost"


def test_unframed_stream_with_its_closing_event_is_whole(gateway: Gateway, scripted: ScriptedProvider) -> None:
    steps = [UNFRAMED + EVENT + USAGE_EVENT + DONE, "close"]
    request_id, got = play(gateway, scripted, steps, streamed=True)
    assert (got.ending, got.body.startswith(EVENT + DONE)) == ("whole", True)
    assert gateway.entry(request_id).output_tokens == 2


def test_stream_that_stays_open_after_its_closing_event_is_whole(gateway: Gateway, scripted: ScriptedProvider) -> None:
    steps = [CHUNKED + chunks(EVENT, USAGE_EVENT, DONE), 3.0, "close"]
    started_s = time.monotonic()
    request_id, got = play(gateway, scripted, steps, streamed=True)
    assert got.ending == "whole"
    assert time.monotonic() - started_s < 3
    assert gateway.entry(request_id).usage_source == "reported"


def test_events_cut_at_every_byte_arrive_whole(gateway: Gateway, scripted: ScriptedProvider) -> None:
    stream = EVENT + USAGE_EVENT + DONE
    steps = [CHUNKED, *(chunks(stream[at : at + 1]) for at in range(len(stream))), b"0\r\n\r\n"]
    request_id, got = play(gateway, scripted, steps, streamed=True)
    assert got.body.startswith(EVENT + DONE)
    assert gateway.entry(request_id).output_tokens == 2


def test_endless_event_is_bounded(gateway: Gateway, scripted: ScriptedProvider) -> None:
    request_id, got = play(
        gateway, scripted, [CHUNKED, *[chunks(b"data: " + b"x" * 60_000)] * 40, chunks(b"\n\n", USAGE_EVENT, DONE), b"0\r\n\r\n"],
        streamed=True,
    )  # fmt: skip
    assert got.ending == "whole"
    assert len(got.body) > 2_400_000
    assert gateway.entry(request_id).outcome == "settled"


def test_trickle_is_ended_by_the_total_deadline(gateway: Gateway, scripted: ScriptedProvider) -> None:
    started_s = time.monotonic()
    request_id, got = play(gateway, scripted, [CHUNKED, *[chunks(EVENT), 0.3] * 40, "close"], streamed=True)
    assert got.ending == "cut"
    assert time.monotonic() - started_s < 10
    assert gateway.entry(request_id).error_code == "provider_timeout"


def test_bytes_on_an_idle_connection_never_meet_a_request(gateway: Gateway, scripted: ScriptedProvider) -> None:
    steps = [answer(PLAIN), 0.05, answer(b'{"stolen":true}')]
    for _ in range(5):
        request_id, got = play(gateway, scripted, steps)
        assert got.body == PLAIN
        time.sleep(0.1)
        assert gateway.entry(request_id).error_code == ""


def test_connection_that_died_in_the_pool_is_replaced_once(gateway: Gateway, scripted: ScriptedProvider) -> None:
    for _ in range(5):
        # Closed just as the next request is under way: nothing was answered, so it may be sent again.
        _, first = play(gateway, scripted, [answer(PLAIN)])
        model = f"mock-small+{fresh_id()}"
        scripted.replies[model] = ["close"]
        seen = len(scripted.seen)
        request_id, got = ask(gateway, "openai", "", streamed=False, model=f"scripted/{model}")
        assert first.status == 200
        check_error(got, "openai", 502, "provider_connection_lost")
        assert scripted.seen[seen:] in ([model], [model, model])
        assert gateway.entry(request_id).attempts <= 2


def test_answer_before_the_body_was_read_is_passed_on(gateway: Gateway, mock_provider: MockProvider) -> None:
    body = raw.chat(words="y" * 900_000)
    with raw.Wire(gateway.host, gateway.port) as wire:
        wire.send(raw.request(body, key=KEY, headers={"x-mock": "status=413"}))
        assert wire.answer().status == 413
