"""Native HTTP against its slow model and against h11, over random messages, splits and mutations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import h11
from hypothesis import given, settings
from hypothesis import strategies as st

from fastgw._native.errors import HttpLimitError, HttpSyntaxError
from fastgw._native.http_body import body_reader
from fastgw._native.http_head import MessageHead, RequestHead, ResponseHead, parse_request_head, parse_response_head
from fastgw._native.http_write import HeaderFilter, header_line, write_chunk, write_request, write_response
from tests.model import http_model as model

BOUNDED = settings(max_examples=200, deadline=None)
MAX_HEAD_BYTES, MAX_HEADERS, MAX_BODY_BYTES = 160, 6, 40

token = st.text("!#$%&'*+-.^_`|~019AZaz", min_size=1, max_size=8).map(str.encode)
value_byte = st.sampled_from([9, 0x20, *range(0x21, 0x7F), 0x80, 0xFF])
value = st.lists(value_byte, max_size=12).map(lambda codes: bytes(codes).strip(b" \t"))
target = st.text("/?&=%.|\"ax9'", max_size=12).map(lambda text: b"/" + text.encode())
special = st.sampled_from(
    [
        *(
            b"Host: a",
            b"host: [::1]:8",
            b"Host: a b",
            b"Host:",
            b"Content-Length: 5",
            b"content-length: 0",
            b"Content-Length: 05",
        ),
        *(b"Content-Length: 9223372036854775807", b"Content-Length: 9223372036854775808", b"Content_Length: 5"),
        *(b"Transfer-Encoding: chunked", b"transfer-encoding:\tCHUNKED ", b"Transfer-Encoding: gzip, chunked"),
        *(b"Transfer-Encoding: chunked, gzip", b"Transfer.Encoding: chunked", b"Transfer-Encoding: x,"),
        *(
            b"Connection: close",
            b"Connection: x, Keep-Alive",
            b"connection: a b",
            b"Expect: 100-continue",
            b"Expect: x",
            b" fold: x",
        ),
    ]
)
plain = st.tuples(token, st.sampled_from([b":", b": ", b":\t "]), value).map(b"".join)
lines = st.lists(st.one_of(plain, special), max_size=7).map(lambda found: b"".join(line + b"\r\n" for line in found))
request_line = st.one_of(
    st.tuples(st.one_of(st.sampled_from([b"GET", b"POST", b"OPTIONS", b"CONNECT"]), token), st.just(b" "), target).map(
        b"".join
    ),
    st.just(b"OPTIONS *"),
)
version = st.sampled_from([b"HTTP/1.1"] * 5 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0"])
start = st.sampled_from([b""] * 5 + [b"\r\n", b"\r\n\r\n"])
request_text = st.tuples(
    start, request_line, st.just(b" "), version, st.just(b"\r\nHost: a\r\n"), lines, st.just(b"\r\n")
)
status = st.sampled_from([b"200", b"200", b"100", b"101", b"204", b"304", b"599", b"600", b"20"])
reason = st.one_of(st.just(b""), value.map(lambda text: b" " + text))
response_text = st.tuples(version, st.just(b" "), status, reason, st.just(b"\r\n"), lines, st.just(b"\r\n"))

SPOILERS = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\x00",
    b" ",
    b"\t",
    b":",
    b"\xff",
    b"\x7f",
    b"_",
    b",",
    b";",
    b'"',
    b"\\",
    b"0",
    b"f",
    b"#",
]
mutation = st.tuples(st.floats(0, 1, exclude_max=True), st.sampled_from([0, 0, 1]), st.sampled_from([b"", *SPOILERS]))
mutations = st.lists(mutation, max_size=3)


def mutate(text: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for place, removed, inserted in changes:
        at = int(place * (len(text) + 1))
        text = text[:at] + inserted + text[at + removed :]
    return text


def describe(head: MessageHead | None) -> object:
    if isinstance(head, RequestHead):
        first: tuple[object, ...] = (head.method, head.target)
        rest: tuple[object, ...] = (head.expect_continue, False)
        assert head.path == head.target.partition(b"?")[0]
    elif isinstance(head, ResponseHead):
        first, rest = (head.status, head.reason), (False, head.bodiless)
    else:
        return None
    framing = (head.content_length, head.chunked, head.keep_alive, head.size_bytes)
    return (first, head.minor_version, head.header_items(), *framing, *rest)


def expect(head: model.Head | None) -> object:
    if head is None:
        return None
    framing = (head.content_length, head.chunked, head.keep_alive, head.size_bytes)
    return (head.start_line, head.minor, head.headers, *framing, head.expect, head.bodiless)


def native_verdict(parse: Callable[[], MessageHead | None]) -> object:
    try:
        return describe(parse())
    except (HttpSyntaxError, HttpLimitError) as error:
        return error.status


def model_verdict(read: Callable[[], model.Head | None]) -> object:
    try:
        return expect(read())
    except model.Refused as refused:
        return refused.status


@BOUNDED
@given(request_text.map(b"".join), mutations, st.lists(st.floats(0, 1), max_size=4))
def test_requests_are_read_as_the_model_reads_them(
    text: bytes, changes: list[tuple[float, int, bytes]], cuts: list[float]
) -> None:
    """Every prefix of every message gets the model's verdict, whatever was done to the message."""
    text = mutate(text, changes)
    for size in (*(int(cut * len(text)) for cut in cuts), len(text)):
        native = partial(parse_request_head, text[:size], 0, MAX_HEAD_BYTES, MAX_HEADERS)
        assert native_verdict(native) == model_verdict(
            partial(model.read_request, text[:size], MAX_HEAD_BYTES, MAX_HEADERS)
        )


@BOUNDED
@given(response_text.map(b"".join), mutations, st.booleans(), st.lists(st.floats(0, 1), max_size=4))
def test_responses_are_read_as_the_model_reads_them(
    text: bytes, changes: list[tuple[float, int, bytes]], answers_head: bool, cuts: list[float]
) -> None:
    """Every prefix of every message gets the model's verdict, whatever was done to the message."""
    text = mutate(text, changes)
    for size in (*(int(cut * len(text)) for cut in cuts), len(text)):
        native = partial(parse_response_head, text[:size], 0, MAX_HEAD_BYTES, MAX_HEADERS, answers_head)
        slow = partial(model.read_response, text[:size], MAX_HEAD_BYTES, MAX_HEADERS, answers_head=answers_head)
        assert native_verdict(native) == model_verdict(slow)


def first_verdict(text: bytes) -> object:
    found = (
        native_verdict(partial(parse_request_head, text[:n], 0, MAX_HEAD_BYTES, MAX_HEADERS))
        for n in range(len(text) + 1)
    )
    return next((verdict for verdict in found if verdict is not None), None)


@BOUNDED
@given(request_text.map(b"".join), mutations, st.binary(max_size=9))
def test_no_split_changes_a_verdict(text: bytes, changes: list[tuple[float, int, bytes]], tail: bytes) -> None:
    """The first verdict over growing prefixes is the verdict on everything, and later bytes do not change it."""
    text = mutate(text, changes)
    whole = native_verdict(lambda: parse_request_head(text, 0, MAX_HEAD_BYTES, MAX_HEADERS))
    assert first_verdict(text) == whole
    if whole is not None:
        assert native_verdict(lambda: parse_request_head(text + tail, 0, MAX_HEAD_BYTES, MAX_HEADERS)) == whole


extension = st.one_of(
    token.map(lambda name: b";" + name),
    st.tuples(token, token).map(lambda pair: b";" + pair[0] + b"=" + pair[1]),
    st.tuples(token, value).map(
        lambda pair: b";" + pair[0] + b'="' + pair[1].replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    ),
)
payload = st.binary(min_size=1, max_size=20)


@st.composite
def chunked_texts(draw: st.DrawFn) -> bytes:
    text = b""
    for data in [*draw(st.lists(payload, max_size=4)), b""]:
        size = draw(st.sampled_from([b"%x", b"%X", b"%04x"])) % len(data)
        text += size + b"".join(draw(st.lists(extension, max_size=2))) + b"\r\n" + (data + b"\r\n" if data else b"")
    trailers = draw(st.lists(st.one_of(plain, st.sampled_from([b"Host: a", b"content_length: 1"])), max_size=2))
    return text + b"".join(line + b"\r\n" for line in trailers) + b"\r\n"


def feed(pieces: list[bytes]) -> object:
    """Payload and end (None while open), or the status of the refusal."""
    head = parse_request_head(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert head is not None
    reader, got, consumed = body_reader(head, max_body_bytes=MAX_BODY_BYTES), b"", 0
    try:
        for piece in pieces:
            data, used = reader.feed_bytes(piece)
            assert len(data) <= used
            got += data
            consumed += used
    except (HttpSyntaxError, HttpLimitError) as error:
        return error.status
    assert reader.received_bytes == len(got)
    return got, consumed if reader.done else None


@BOUNDED
@given(chunked_texts(), mutations, st.binary(max_size=5), st.lists(st.floats(0, 1), max_size=5))
def test_chunked_bodies_are_read_as_the_model_reads_them(
    text: bytes, changes: list[tuple[float, int, bytes]], tail: bytes, cuts: list[float]
) -> None:
    """Any split of any chunked body gives the model's payload and end, or its refusal."""
    text = mutate(text, changes) + tail
    try:
        expected: object = model.read_chunked(text, MAX_BODY_BYTES)
    except model.Refused as refused:
        expected = refused.status
    places = sorted(int(cut * len(text)) for cut in cuts)
    assert feed([text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]) == expected
    assert feed([text[i : i + 1] for i in range(len(text))]) == expected


body_lines = st.sampled_from(
    [b"", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"]
)
FRAMING = {b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"}
own_headers = st.lists(st.tuples(token, value).filter(lambda pair: pair[0].lower() not in FRAMING), max_size=5)


@BOUNDED
@given(token.filter(lambda name: name != b"CONNECT"), target, own_headers, body_lines, st.lists(payload, max_size=3))
def test_h11_reads_valid_requests_alike(
    method: bytes, path: bytes, headers: list[tuple[bytes, bytes]], framing: bytes, chunks: list[bytes]
) -> None:
    """A valid request, built without the writer, means the same to h11: fields, body, whether the connection stays."""
    text = method + b" " + path + b" HTTP/1.1\r\nHost: a\r\n" + framing
    text += b"".join(name + b": " + content + b"\r\n" for name, content in headers) + b"\r\n"
    if b"chunked" in framing:
        text += b"".join(write_chunk(chunk) for chunk in chunks) + b"0;x=y\r\nTrailing: t\r\n\r\n"
    elif b"Length" in framing:
        text += b"hello"
    theirs = h11.Connection(h11.SERVER)
    theirs.receive_data(text)
    event = theirs.next_event()
    assert isinstance(event, h11.Request)
    head = parse_request_head(text)
    assert head is not None
    assert (head.method, head.target) == (event.method, event.target)
    assert head.header_items() == event.headers.raw_items()
    reader = body_reader(head)
    body, consumed = reader.feed_bytes(text[head.size_bytes :])
    assert reader.done
    assert head.size_bytes + consumed == len(text)
    read = b""
    while isinstance(found := theirs.next_event(), h11.Data):
        read += found.data
    assert isinstance(found, h11.EndOfMessage)
    assert read == body
    assert head.keep_alive == (theirs.their_state is h11.DONE)


@BOUNDED
@given(
    own_headers,
    st.sampled_from([200, 204, 304, 404, 500]),
    st.sampled_from(["counted", "chunked", "close"]),
    st.lists(payload, max_size=3),
)
def test_h11_reads_written_messages_alike(
    headers: list[tuple[bytes, bytes]], code: int, kind: str, chunks: list[bytes]
) -> None:
    """A request and its answer from our writer are valid to h11 and carry what they were given."""
    data = b"".join(chunks)
    own = [(name.lower(), content) for name, content in headers]
    client = h11.Connection(h11.CLIENT)
    fixed = b"".join(header_line(name, content) for name, content in own)
    text = write_request(b"POST", b"/", header_line(b"host", b"a") + fixed, None, HeaderFilter((), ()), data)
    server = h11.Connection(h11.SERVER)
    server.receive_data(text)
    request = server.next_event()
    assert isinstance(request, h11.Request)
    assert list(request.headers) == [(b"host", b"a"), *own, (b"content-length", b"%d" % len(data))]
    client.send(request)
    client.send(h11.Data(data=data))
    client.send(h11.EndOfMessage())
    bodiless = code in (204, 304)
    length = len(data) if kind == "counted" and not bodiless else -1
    chunked = kind == "chunked" and not bodiless
    answer = write_response(code, None, None, fixed, length, chunked, kind != "close", data if length >= 0 else b"")
    if chunked:
        answer += b"".join(write_chunk(chunk) for chunk in chunks) + b"0\r\n\r\n"
    elif kind == "close" and not bodiless:
        answer += data
    client.receive_data(answer)
    client.receive_data(b"")
    response = client.next_event()
    assert isinstance(response, h11.Response)
    assert response.status_code == code
    assert list(response.headers)[: len(own)] == own
    read = b""
    while isinstance(found := client.next_event(), h11.Data):
        read += found.data
    assert isinstance(found, h11.EndOfMessage)
    assert read == (b"" if bodiless else data)


@BOUNDED
@given(request_text.map(b"".join), mutations)
def test_h11_reads_alike_what_is_accepted(text: bytes, changes: list[tuple[float, int, bytes]]) -> None:
    """Whatever we accept, mutated or not, the more lenient h11 accepts too, with the same fields."""
    text = mutate(text, changes)
    try:
        head = parse_request_head(text)
    except (HttpSyntaxError, HttpLimitError):
        return
    if head is None or text.startswith(b"\r\n"):  # h11 refuses an empty line before a request
        return
    theirs = h11.Connection(h11.SERVER)
    theirs.receive_data(text)
    event = theirs.next_event()
    assert isinstance(event, h11.Request)
    assert (head.method, head.target) == (event.method, event.target)
    ours, others = (
        [(name, text.lower() if name.lower() == b"transfer-encoding" else text) for name, text in found]
        for found in (head.header_items(), event.headers.raw_items())
    )
    assert ours == others  # h11 folds the value of Transfer-Encoding
    assert event.http_version == b"1.%d" % head.minor_version
