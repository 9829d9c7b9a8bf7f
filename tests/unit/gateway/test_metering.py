"""Meters: the same bytes out but for hidden usage, and a usage at every end, said or estimated."""

from __future__ import annotations

import json

import pytest

from fastgw.domain.operation import OPERATIONS, Operation
from fastgw.gateway.metering import PlainMeter, StreamMeter, read_whole

CHAT_USAGE = b'{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}'
IN_OUT_USAGE = b'{"input_tokens":7,"output_tokens":3}'
WRITTEN: dict[Operation, bytes] = {
    "chat": CHAT_USAGE,
    "complete": CHAT_USAGE,
    "embed": b'{"prompt_tokens":7,"total_tokens":7}',
    "respond": IN_OUT_USAGE,
    "message": IN_OUT_USAGE,
}
TEXT_BYTES = 30


def event(name: bytes, payload: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name, payload)


def data(payload: bytes) -> bytes:
    return b"data: %b\n\n" % payload


def plain_meter(operation: Operation, body: bytes, step: int) -> PlainMeter:
    meter = PlainMeter(operation)
    for at in range(0, len(body), step):
        meter.feed(body[at : at + step])
    return meter


@pytest.mark.parametrize("operation", WRITTEN)
def test_reported_usage_of_a_whole_answer(operation: Operation) -> None:
    body = b'{"id":"x","usage":%b,"service_tier":"flex"}' % WRITTEN[operation]
    reading = read_whole(operation, body, TEXT_BYTES)
    assert reading is not None
    usage, source, tier = reading
    assert (usage.input_tokens, usage.output_tokens, source) == (7, 0 if operation == "embed" else 3, "reported")
    assert tier == (None if operation == "message" else "flex")
    for step in (1, 7, 1000):
        meter = plain_meter(operation, body, step)
        assert meter.is_whole
        assert (*meter.final(TEXT_BYTES), meter.service_tier) == reading


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "block", [b"", b',"usage":null', b',"usage":{}', b',"usage":"x"', b',"usage":{"total_tokens":1}']
)
def test_usage_that_is_absent_or_useless_is_estimated(operation: Operation, block: bytes) -> None:
    body = b'{"text":"%b"%b}' % (b"x" * 60, block)
    reading = read_whole(operation, body, TEXT_BYTES)
    assert reading is not None
    usage, source, _ = reading
    if operation == "count_tokens":
        assert (usage.input_tokens, usage.output_tokens, source) == (0, 0, "none")
        return
    output_tokens = 0 if operation == "embed" else -(-len(body) // 3)
    assert (usage.input_tokens, usage.output_tokens, source) == (10, output_tokens, "estimated")
    meter = plain_meter(operation, body, 9)
    assert meter.final(TEXT_BYTES) == meter.cut(TEXT_BYTES) == (usage, source)


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"null", b'{"a":1', b'{"a":1}}'])
def test_what_is_no_object_is_not_read(body: bytes) -> None:
    assert read_whole("chat", body, TEXT_BYTES) is None
    meter = plain_meter("chat", body, 1)
    assert not meter.is_whole
    assert meter.final(TEXT_BYTES)[1] == "estimated"


def test_a_repeated_member_is_read_as_far_as_it_goes() -> None:
    body = b'{"service_tier":"a","service_tier":"b","usage":%b}' % CHAT_USAGE
    reading = read_whole("chat", body, TEXT_BYTES)
    assert reading is not None
    assert (reading[0].input_tokens, reading[1]) == (7, "reported")


@pytest.mark.parametrize(
    ("tier", "told"),
    [
        (b'"flex"', "flex"),
        (b"null", None),
        (b"7", None),
        (b'"%b"' % (b"x" * 62), "x" * 62),
        (b'"%b"' % (b"x" * 63), None),
    ],
)
def test_a_service_tier_of_a_passing_answer(tier: bytes, told: str | None) -> None:
    meter = plain_meter("chat", b'{"service_tier":%b,"usage":%b}' % (tier, CHAT_USAGE), 5)
    assert meter.service_tier == told


def test_the_service_tier_of_anthropic_stands_in_its_usage() -> None:
    body = b'{"service_tier":"not here","usage":{"input_tokens":1,"output_tokens":1,"service_tier":"batch"}}'
    reading = read_whole("message", body, TEXT_BYTES)
    assert reading is not None
    assert reading[2] == plain_meter("message", body, 4).service_tier == "batch"


# --- streams ----------------------------------------------------------------------------------------------------------------


CHAT_STREAM = (
    data(b'{"choices":[{"delta":{"content":"hi"}}],"usage":null}')
    + data(b'{"choices":[],"usage":%b,"service_tier":"flex"}' % CHAT_USAGE)
    + data(b"[DONE]")
)
RESPOND_STREAM = (
    event(b"response.created", b'{"type":"response.created","response":{"usage":null}}')
    + event(b"response.output_text.delta", b'{"delta":"hi"}')
    + event(
        b"response.completed",
        b'{"type":"response.completed","response":{"service_tier":"flex","usage":%b}}' % IN_OUT_USAGE,
    )
)
MESSAGE_STREAM = (
    event(
        b"message_start",
        b'{"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":1,"service_tier":"flex"}}}',
    )
    + event(b"content_block_delta", b'{"type":"content_block_delta","delta":{"text":"hi"}}')
    + event(
        b"message_delta", b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}'
    )
    + event(b"message_stop", b'{"type":"message_stop"}')
)
STREAMS: list[tuple[Operation, bytes]] = [
    ("chat", CHAT_STREAM),
    ("complete", CHAT_STREAM),
    ("respond", RESPOND_STREAM),
    ("message", MESSAGE_STREAM),
]


@pytest.mark.parametrize(("operation", "stream"), STREAMS)
@pytest.mark.parametrize("step", [1, 10, 10_000])
def test_a_whole_stream(operation: Operation, stream: bytes, step: int) -> None:
    meter = StreamMeter(operation, hide_usage=False)
    out = b"".join(meter.feed(stream[at : at + step]) for at in range(0, len(stream), step))
    assert out + meter.rest() == stream
    usage, source = meter.final(TEXT_BYTES)
    assert (usage.input_tokens, usage.output_tokens, source) == (7, 3, "reported")
    assert (meter.ended, meter.error_seen, meter.service_tier) == (True, False, "flex")


@pytest.mark.parametrize("step", [1, 10_000])
def test_usage_is_hidden_and_still_read(step: int) -> None:
    meter = StreamMeter("chat", hide_usage=True)
    out = b"".join(meter.feed(CHAT_STREAM[at : at + step]) for at in range(0, len(CHAT_STREAM), step)) + meter.rest()
    assert out == data(b'{"choices":[{"delta":{"content":"hi"}}]}') + data(b"[DONE]")
    assert meter.final(TEXT_BYTES)[0].input_tokens == 7


@pytest.mark.parametrize(("operation", "stream"), STREAMS)
def test_a_stream_that_was_cut_has_a_usage_wherever_it_was(operation: Operation, stream: bytes) -> None:
    for cut in range(0, len(stream), 13):
        meter = StreamMeter(operation, hide_usage=False)
        meter.feed(stream[:cut])
        usage, _ = meter.cut(TEXT_BYTES)
        assert usage.input_tokens in (7, 10)
        assert meter.ended or not stream[:cut].endswith(b"[DONE]\n\n")


@pytest.mark.parametrize(
    ("operation", "event_of"),
    [
        ("chat", '{{"id":"chatcmpl-1","choices":[{{"index":0,"delta":{{"content":{}}},"finish_reason":null}}]}}'),
        ("chat", '{{"choices":[{{"delta":{{"tool_calls":[{{"function":{{"arguments": {}}}}}]}}}}]}}'),
        ("complete", '{{"choices":[{{"text":{},"index":0}}]}}'),
        ("respond", '{{"type":"response.output_text.delta","delta":{}}}'),
        ("message", '{{"type":"content_block_delta","delta":{{"type":"text_delta","text":{}}}}}'),
        ("message", '{{"type":"content_block_delta","delta":{{"type":"input_json_delta","partial_json":{}}}}}'),
    ],
)
def test_what_was_cut_is_estimated_by_its_text_and_not_by_its_envelope(operation: Operation, event_of: str) -> None:
    words = ["", "Hello", " w", 'o"rld', " \\n", "!"]
    meter = StreamMeter(operation, hide_usage=True)
    for word in words:
        meter.feed(data(event_of.format(json.dumps(word)).encode()))
    tokens = sum(len(word) > 0 for word in words)
    assert tokens <= meter.cut(TEXT_BYTES)[0].output_tokens <= 2 * tokens


def test_a_provisional_count_is_no_report() -> None:
    meter = StreamMeter("message", hide_usage=False)
    start = b'{"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":3}}}'
    meter.feed(event(b"message_start", start))
    usage, source = meter.cut(TEXT_BYTES)
    assert (usage.input_tokens, usage.output_tokens, source) == (7, 3, "estimated")


def test_nothing_but_the_prompt_is_charged_of_a_stream_that_never_began() -> None:
    usage, source = StreamMeter("chat", hide_usage=True).cut(TEXT_BYTES)
    assert (usage.input_tokens, usage.output_tokens, source) == (10, 0, "estimated")


@pytest.mark.parametrize(
    ("operation", "stream"),
    [
        ("chat", data(b'{"error":{"message":"x"}}')),
        ("chat", b'data:{"error":{"message":"x"}}\n\n'),
        ("respond", event(b"error", b'{"type":"error"}')),
        ("respond", event(b"response.failed", b'{"type":"response.failed","response":{"usage":null}}')),
        ("message", event(b"error", b'{"type":"error","error":{"type":"overloaded_error"}}')),
    ],
)
def test_an_error_event_is_seen(operation: Operation, stream: bytes) -> None:
    meter = StreamMeter(operation, hide_usage=False)
    assert meter.feed(stream) + meter.rest() == stream
    assert meter.error_seen


def test_text_that_speaks_of_errors_and_usage_is_neither() -> None:
    meter = StreamMeter("chat", hide_usage=True)
    stream = data(b'{"choices":[{"delta":{"content":"\\"usage\\": data: {\\"error\\" [DONE]"}}]}')
    assert meter.feed(stream) + meter.rest() == stream
    assert (meter.ended, meter.error_seen, meter.final(TEXT_BYTES)[1]) == (False, False, "estimated")


def test_the_last_usable_report_wins() -> None:
    meter = StreamMeter("chat", hide_usage=False)
    meter.feed(data(b'{"usage":{"prompt_tokens":1,"completion_tokens":1}}'))
    meter.feed(data(b'{"usage":%b}' % CHAT_USAGE) + data(b'{"usage":{}}') + data(b"[DONE]"))
    usage, source = meter.final(TEXT_BYTES)
    assert (usage.input_tokens, usage.output_tokens, source) == (7, 3, "reported")
