"""The splitter and the filter agree with the slow model, however the stream is cut."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._native.errors import SseLimitError
from fastgw._native.sse_split import SseSplitter, SseTap, event_name, event_payload
from tests.model import sse_model

BOUNDED = settings(max_examples=200, deadline=None)
MARK = b"\xef\xbb\xbf"

ends = st.sampled_from([b"\n", b"\r\n", b"\r"])
payloads = st.sampled_from(
    [
        b'{"choices":[1],"usage":null}', b'{"usage":{"a":1},"choices":[]}', b'{"choices":[ ], "usage" : {"a":1} }',
        b'{"usage":{}}',
        b'{"choices":[{"x":"usage"}]}', b'{"usage":null,"usage":null}', b'{"usage"', b'"usage":{}}', b"[DONE]",
        b"text", b"", b" ",
        b'{"a":1,', b'"usage":', b"null", b"}", b'{"choices":[],"usage":7}',
    ]
)  # fmt: skip
lines = st.one_of(
    payloads.map(lambda text: b"data: " + text),
    payloads.map(lambda text: b"data:" + text),
    st.sampled_from(
        [b"", b"", b"data", b":", b": ping", b"event: e", b"event:message_start", b"id: 1", b"dat", b"datax: 1", MARK]
    ),
    st.binary(max_size=8).map(lambda raw: raw.translate(None, b"\r\n")),
)
lines_and_ends = st.tuples(lines, ends).map(b"".join)
streams = st.builds(
    lambda mark, body, rest: mark + b"".join(body) + rest,
    st.sampled_from([b"", b"", MARK, MARK[:2]]),
    st.lists(lines_and_ends, max_size=14),
    st.one_of(st.just(b""), lines, st.binary(max_size=4)),
)
cut_places = st.lists(st.integers(0, 400), max_size=6)


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(min(place, len(stream)) for place in cuts), len(stream)]
    return [stream[a:b] for a, b in pairwise(places)]


def ways(stream: bytes, cuts: list[int]) -> list[list[bytes]]:
    return [[stream], cut(stream, cuts), [stream[i : i + 1] for i in range(len(stream))]]


@BOUNDED
@given(streams, cut_places)
def test_the_events_are_those_of_the_model(stream: bytes, cuts: list[int]) -> None:
    events, pending = sse_model.split(stream)
    for way in ways(stream, cuts):
        splitter = SseSplitter()
        assert [event for piece in way for event in splitter.feed(piece)] == events
        assert (splitter.pending_bytes, splitter.take_pending()) == (len(pending), pending)
    for event in [*events, pending]:
        assert event_payload(event) == sse_model.payload(event)
        assert event_name(event) == sse_model.name(event)


@BOUNDED
@given(streams, cut_places, st.integers(1, 60))
def test_the_bound_is_met_however_the_stream_is_cut(stream: bytes, cuts: list[int], max_event_bytes: int) -> None:
    events, pending = sse_model.split(stream)
    over = [len(event) > max_event_bytes for event in [*events, pending]]
    expected = events[: over.index(True)] if True in over else events
    for way in ways(stream, cuts):
        splitter, found, failed = SseSplitter(max_event_bytes), [], False
        try:
            for piece in [*way, b""]:
                found += splitter.feed(piece)
        except SseLimitError:
            failed = True
        assert (found, failed) == (expected, True in over)


@BOUNDED
@given(streams, cut_places, st.booleans(), st.sampled_from([20, 40, 1 << 18]))
def test_the_filter_does_what_the_model_does(stream: bytes, cuts: list[int], hide_usage: bool, max_bytes: int) -> None:
    needles = [b"message_start", b'"usage":{']
    expected = sse_model.relay(stream, needles, hide_usage=hide_usage, max_event_bytes=max_bytes)
    boundaries = set(accumulate(map(len, sse_model.split(stream)[0]), initial=0))
    for way in ways(stream, cuts):
        tap = SseTap(needles, hide_usage, max_bytes)
        captured: list[tuple[bytes, bytes]] = []
        forwarded = b""
        for piece in way:
            forwarded += tap.feed(piece)
            if not hide_usage and max_bytes == 1 << 18:
                assert len(forwarded) in boundaries  # a stream that is cut here does not end inside an event
            captured += tap.take_captured()
        forwarded += tap.finish()
        captured += tap.take_captured()
        assert (forwarded, tap.events, tap.data_bytes) == (expected.forwarded, expected.events, expected.data_bytes)
        assert tap.seen_done == expected.seen_done
        if max_bytes == 1 << 18:  # with a small bound, events that are not taken are forgotten
            assert captured == expected.captured
