"""The event stream: where events end, what they carry, and what the relay's filter does to them."""

import json

import pytest

from fastgw._native.errors import SseLimitError
from fastgw._native.sse_split import SseSplitter, SseTap, event_name, event_payload

STREAMS = [
    ([b"data: a\n\n", b"data: b\n\n"], b""),
    ([b"data: a\r\n\r\n", b"data: b\r\n\r\n"], b""),
    ([b"data: a\r\r", b"data: b\n\n"], b""),
    ([b"data: a\r\r\n", b"\n", b"x\n\r\n"], b""),
    ([b"\n", b"\r\n", b"\r", b"data: b\n\n"], b""),
    ([b": ping\n\n", b"event: e\ndata: a\ndata: b\n\n"], b"data: c\n"),
    ([b"\xef\xbb\xbfdata: a\n\n"], b"data"),
    ([b"\xef\xbb\xbf\n", b"data: a\n\n"], b""),
    ([b"\xef\xbbdata: a\n\n", b"\xef\xbb\xbf\n\n"], b""),
    ([b"data: a\r\n\r\n"], b"data: b\r\n\r"),
    ([], b"\xef\xbb"),
    ([], b"data: \xff\x00\xe2"),
    ([b"data\n\n"], b""),
]


def pieces(data: bytes) -> list[list[bytes]]:
    """The ways to cut the data: whole, byte by byte, in two."""
    ways = [[data], [data[i : i + 1] for i in range(len(data))]]
    return ways + [[data[:cut], b"", data[cut:]] for cut in range(len(data) + 1)]


@pytest.mark.parametrize(("events", "pending"), STREAMS)
def test_events_are_the_same_however_the_stream_is_cut(events: list[bytes], pending: bytes) -> None:
    for way in pieces(b"".join(events) + pending):
        splitter = SseSplitter()
        found = [event for piece in way for event in splitter.feed(piece)]
        assert found == events
        assert splitter.pending_bytes == len(pending)
        assert splitter.take_pending() == pending
        assert splitter.pending_bytes == 0


def test_an_event_that_ends_in_cr_is_complete_one_byte_later() -> None:
    splitter = SseSplitter()
    assert splitter.feed(b"data: a\r\n\r") == []
    assert splitter.feed(b"\n") == [b"data: a\r\n\r\n"]
    assert splitter.feed(b"data: a\r\r") == []
    assert splitter.feed(b"d") == [b"data: a\r\r"]


def test_the_bound_counts_the_whole_event() -> None:
    event = b"data: 12345\n\n"
    assert SseSplitter(len(event)).feed(event * 2) == [event] * 2
    for way in pieces(event):
        splitter = SseSplitter(len(event) - 1)
        with pytest.raises(SseLimitError, match="larger than 12 bytes"):
            assert [found for piece in way for found in splitter.feed(piece)] == []
        with pytest.raises(SseLimitError):
            splitter.feed(b"")
    with pytest.raises(SseLimitError):
        SseSplitter(5).feed(b"data: ")


def test_events_before_the_one_over_the_bound_are_not_lost() -> None:
    splitter = SseSplitter(10)
    assert splitter.feed(b"data: a\n\ndata: 123\n\ndata: b\n\n") == [b"data: a\n\n"]
    with pytest.raises(SseLimitError):
        splitter.feed(b"!")
    assert splitter.take_pending() == b"data: 123\n\ndata: b\n\n!"


@pytest.mark.parametrize(
    ("event", "name", "payload"),
    [
        (b"data: a\n\n", b"", b"a"), (b"data:a\r\n\r\n", b"", b"a"), (b"data:  a \r\r", b"", b" a "),
        (b"data\n\n", b"", b""),
        (b"data:\n\n", b"", b""), (b"data: \n\n", b"", b""), (b"data: a\ndata\ndata:b\n\n", b"", b"a\n\nb"),
        (b"\n", b"", None),
        (b": data: a\n\n", b"", None), (b"event: e\n\n", b"e", None), (b"event: e\nevent:f\ndata:1\n\n", b"f", b"1"),
        (b"event\ndata: 1\n\n", b"", b"1"), (b"id: 7\nretry: 10\ndata: a\n\n", b"", b"a"), (b"DATA: a\n\n", b"", None),
        (b" data: a\n\n", b"", None), (b"datax: a\n\n", b"", None), (b"data : a\n\n", b"", None),
        (b"data:a:b\n\n", b"", b"a:b"),
        (b"\xef\xbb\xbfdata: a\n\n", b"", b"a"), (b"data: a\rdata: b\r\ndata: c\n\n", b"", b"a\nb\nc"),
        (b"data: a", b"", b"a"), (b"", b"", None),
        (b"event: x\ndata: \xff\x00\n\n", b"x", b"\xff\x00"),
    ],
)  # fmt: skip
def test_fields(event: bytes, name: bytes, payload: bytes | None) -> None:
    assert event_name(event) == name
    assert event_payload(event) == payload


def run(way: list[bytes], tap: SseTap) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    forwarded, captured = b"", []
    for piece in way:
        forwarded += tap.feed(piece)
        captured += tap.take_captured()
    forwarded += tap.finish()
    return forwarded, captured + tap.take_captured()


@pytest.mark.parametrize(("events", "pending"), STREAMS)
@pytest.mark.parametrize("hide_usage", [False, True])
def test_the_tap_passes_everything_through(events: list[bytes], pending: bytes, hide_usage: bool) -> None:
    stream = b"".join(events) + pending
    for way in pieces(stream):
        tap = SseTap([b"needle"], hide_usage)
        assert run(way, tap) == (stream, [])
        assert tap.finish() == b""


@pytest.mark.parametrize("hide_usage", [False, True])
def test_the_tap_passes_whole_events_only(hide_usage: bool) -> None:
    tap = SseTap([b"needle"], hide_usage)
    assert tap.feed(b'data: {"a":1}\n\ndata: {"b') == b'data: {"a":1}\n\n'
    assert tap.feed(b'":2') == b""
    assert tap.feed(b"}\n") == b""
    assert tap.feed(b"\ndata: {") == b'data: {"b":2}\n\n'
    assert tap.finish() == b"data: {"


def test_the_tap_returns_its_input_itself() -> None:
    piece = b'data: {"choices":[1]}\n\ndata: begun'
    whole = b'data: {"choices":[1]}\n\n'
    assert SseTap([b"x"]).feed(whole) is whole
    assert SseTap([b"x"], hide_usage=True).feed(whole) is whole
    assert SseTap([b"x"], hide_usage=True).feed(piece) == whole


def test_the_tap_captures_events_with_a_needle_and_counts() -> None:
    stream = (
        b'event: message_start\ndata: {"usage":{"input":1}}\n\n: usage\n\nevent: ping\ndata: 123\n\n'
        b"event: usage\n\nevent: x\r\ndata: one\r\ndata:two usage\r\n\r\ndata: [DONE]\n\n"
    )
    for way in pieces(stream):
        tap = SseTap([b"zzz", b"usage"])
        assert run(way, tap) == (stream, [(b"message_start", b'{"usage":{"input":1}}'), (b"x", b"one\ntwo usage")])
        assert (tap.events, tap.seen_done) == (4, True)
        assert tap.data_bytes == 21 + 3 + 3 + 9 + 6


@pytest.mark.parametrize("needle", [b"n", b"ne", b"needle", b"more than sixteen bytes, and more than thirty-two"])
def test_needles_are_found_at_every_place(needle: bytes) -> None:
    for before in range(40):
        for after in (0, 1, 15, 16, 17, 40):
            event = b"data: " + b"." * before + needle + b"." * after + b"\n\n"
            tap = SseTap([needle])
            tap.feed(b"data: " + b"." * 50 + needle[:-1] + b"\n\n" if len(needle) > 1 else b"")
            assert tap.take_captured() == []
            tap.feed(event)
            assert tap.take_captured() == [(b"", event[6:-2])]


@pytest.mark.parametrize(
    ("stream", "seen"),
    [
        (b"data: [DONE]\n\n", True), (b"data:[DONE]\r\r", True), (b"event: x\ndata: [DONE]\n\n", True),
        (b"data: [DONE]", True),
        (b"data: [DONE] \n\n", False), (b"data:  [DONE]\n\n", False), (b"data: [DON", False),
        (b"data: [DONE]\ndata: x\n\n", False),
        (b"data\ndata: [DONE]\n\n", False), (b": [DONE]\n\n", False), (b"data: [DONE]]\n\n", False),
        (b"data: \n\ndata: [DONE]\n\n", True),
        (b"data: [DONE]\n\ndata: more\n\n", True),
    ],
)  # fmt: skip
def test_done_is_seen(stream: bytes, seen: bool) -> None:
    for way in pieces(stream):
        tap = SseTap([])
        run(way, tap)
        assert tap.seen_done is seen


def test_done_is_seen_when_its_event_ends() -> None:
    tap = SseTap([])
    tap.feed(b"data: [DONE]\n")
    assert (tap.seen_done, tap.events, tap.data_bytes) == (False, 0, 6)
    tap.feed(b"\n")
    assert (tap.seen_done, tap.events) == (True, 1)


USAGE = b'{"prompt_tokens":1}'
HIDING = [
    (b'{"choices":[1],"usage":null}', b'{"choices":[1]}', False),
    (b'{"usage":null,"choices":[]}', b'{"choices":[]}', False),
    (b'{"usage" : null , "choices":[]}', b'{"choices":[]}', False),
    (b'{"a":1, "usage": null, "choices": [ ]}', b'{"a":1, "choices": [ ]}', False),
    (b'{"usage":null}', b"{}", False),
    (b'{"choices":[],"usage":%s}' % USAGE, None, True),
    (b'{"usage":%s, "choices": [ \t]}' % USAGE, None, True),
    (b'{"choices":[],"usage":3}', None, False),
    (b'{"choices":[{}],"usage":%s}' % USAGE, b'{"choices":[{}]}', True),
    (b'{"usage":%s}' % USAGE, b"{}", True),
    (b'{"choices":null,"usage":%s}' % USAGE, b'{"choices":null}', True),
    (b'{"choices":[{"usage":null}]}', b'{"choices":[{"usage":null}]}', False),
    (b'{"text":"\\"usage\\":null"}', b'{"text":"\\"usage\\":null"}', False),
    (b'{"usage":null,"usage":%s}' % USAGE, b'{"usage":null,"usage":%s}' % USAGE, False),
    (b'{"usage":null', b'{"usage":null', False),
    (b'["usage"]', b'["usage"]', False),
    (b'{"usage":null,"x":"\xff"}', b'{"usage":null,"x":"\xff"}', False),
]


@pytest.mark.parametrize(("payload", "visible", "captured"), HIDING)
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_usage_is_hidden(payload: bytes, visible: bytes | None, captured: bool, end: bytes) -> None:
    def event(text: bytes | None) -> bytes:
        return b"" if text is None else b": c" + end + b"event:e" + end + b"data:" + text + end + end

    other = b'data: {"x":1}\n\n'
    for way in pieces(other + event(payload) + other):
        tap = SseTap([], hide_usage=True)
        assert run(way, tap) == (other + event(visible) + other, [(b"e", payload)] if captured else [])
        assert tap.events == 3


def test_usage_is_hidden_across_data_lines() -> None:
    no_json = b'data: {"a":1,"usa\ndata:ge":1,"usage":null}\n\n'  # a line end inside a name
    assert run([no_json], SseTap([], hide_usage=True)) == (no_json, [])
    stream = b'\xef\xbb\xbfdata: {"a":1\ndata: ,\ndata: "usage":\r\nid: 1\ndata:  {}\ndata: ,"b":2}\n\n'
    visible = b'\xef\xbb\xbfdata: {"a":1\ndata: \ndata: \r\nid: 1\ndata: \ndata: ,"b":2}\n\n'
    for way in pieces(stream):
        forwarded, captured = run(way, SseTap([], hide_usage=True))
        assert forwarded == visible
        assert captured == [(b"", b'{"a":1\n,\n"usage":\n {}\n,"b":2}')]
    assert json.loads(event_payload(visible) or b"") == {"a": 1, "b": 2}


def test_an_event_is_captured_once() -> None:
    tap = SseTap([b"usage", b"prompt"], hide_usage=True)
    tap.feed(b'data: {"usage":%s}\n\ndata: {"x":"prompt"}\n\n' % USAGE)
    assert tap.take_captured() == [(b"", b'{"usage":%s}' % USAGE), (b"", b'{"x":"prompt"}')]
    assert tap.take_captured() == []


def test_the_last_event_needs_no_blank_line() -> None:
    stream = b'data: {"choices":[1]}\n\ndata: {"choices":[],"usage":%s}' % USAGE
    for rest in (b"", b"\n", b"\r", b"\r\n", b"\r\r"):
        for way in pieces(stream + rest):
            tap = SseTap([b"prompt"], hide_usage=True)
            assert run(way, tap) == (b'data: {"choices":[1]}\n\n', [(b"", b'{"choices":[],"usage":%s}' % USAGE)])
            assert tap.events == 2


@pytest.mark.parametrize("hide_usage", [False, True])
def test_an_event_over_the_bound_passes_unseen_and_the_next_is_seen(hide_usage: bool) -> None:
    fits = b'data: {"usage":null,"x":"%s"}\n\n' % (b"x" * 40)
    over = b'data: {"usage":null,"x":"%s"}\n\n' % (b"x" * 41)
    visible = fits.replace(b'"usage":null,', b"") if hide_usage else fits
    last = fits.replace(b"x" * 40, b"z" * 40)
    over = over.replace(b"xx}", b"zz}")
    for way in pieces(fits + over + last):
        tap = SseTap([b"zz"], hide_usage, len(fits))
        assert run(way, tap) == (visible + over + visible.replace(b"x" * 40, b"z" * 40), [(b"", last[6:-2])])
        assert (tap.events, tap.data_bytes) == (3, len(fits + over + fits) - 24)


def test_what_is_over_the_bound_is_not_held_back() -> None:
    tap = SseTap([], hide_usage=True, max_event_bytes=10)
    assert tap.feed(b"data: 1234") == b""
    assert tap.feed(b"5") == b"data: 12345"
    assert tap.feed(b"6\n") == b"6\n"
    assert tap.feed(b"\ndata: x") == b"\n"
    assert tap.feed(b"\n\nd") == b"data: x\n\n"
    assert tap.finish() == b"d"


def test_captured_events_that_nobody_takes_are_bounded() -> None:
    tap = SseTap([b"n"], max_event_bytes=1000)
    tap.feed(b"".join(b"data: n%d\n\n" % i for i in range(100)))
    assert tap.take_captured() == [(b"", b"n%d" % i) for i in range(97, 100)]
    tap.feed(b"data: n%s\n\n" % (b"x" * 900))
    assert len(tap.take_captured()) == 1


def test_arguments_are_checked() -> None:
    for needles in ([b""], ["text"], [None]):
        with pytest.raises(ValueError, match="needles"):
            SseTap(needles)  # type: ignore[arg-type]
    for kind in (SseSplitter, lambda size: SseTap([], max_event_bytes=size)):
        with pytest.raises(ValueError, match="max_event_bytes"):
            kind(0)
    for call in (SseSplitter().feed, SseTap([]).feed, event_payload, event_name):
        with pytest.raises(TypeError):
            call(None)  # type: ignore[arg-type]


def test_text_is_counted_as_it_is_written_wherever_the_pieces_end() -> None:
    stream = (
        b'data: {"x":{"content":""}}\n\n'
        b'data: {"x":{"content":"four", "other":"ignored"}}\n\n'
        b'data: {"content" : "a\\"b\\n"}\n\n'
        b'data: {"content":null,"text":"content"}\n\n'
        b'data: {"content":"!","y":"content"}\n\n'
        b'data: {"content":"never ended\n\n'
    )
    counted = 4 + 6 + 3 + len("never ended")
    for size in (1, 7, len(stream)):
        tap = SseTap([b"needle"], texts=[b"content"])
        for start in range(0, len(stream), size):
            tap.feed(stream[start : start + size])
        assert tap.text_bytes in (counted, counted + 1, counted + 2)
    assert SseTap([b"needle"]).text_bytes == 0
