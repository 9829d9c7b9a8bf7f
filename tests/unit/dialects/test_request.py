"""What is read of a request, what of it is refused, and each edit on the way to the provider, byte for byte."""

from __future__ import annotations

import pytest

from fastgw.dialects.request import RequestFacts
from fastgw.domain.errors import GatewayError
from fastgw.domain.operation import OPERATIONS, Operation

ASK = b'"stream_options":{"include_usage":true}'


def edited(body: bytes, operation: Operation = "chat", model: str = "up") -> bytes:
    return RequestFacts(operation, body).upstream_body(model, b'"' + model.encode() + b'"')


def refusal(body: bytes, operation: Operation = "chat") -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        edited(body, operation)
    assert (caught.value.status, caught.value.source, caught.value.retry) == (400, "client", "never")
    return caught.value


@pytest.mark.parametrize(
    ("body", "forwarded"),
    [
        (b'{"model":"a"}', b'{"model":"up"}'),
        (b' { "x":1, "model" :\t"a" , "y":[ ] }\n', b' { "x":1, "model" :\t"up" , "y":[ ] }\n'),
        (b'{"m\\u006fdel":"a","x":"\\u00e9"}', b'{"m\\u006fdel":"up","x":"\\u00e9"}'),
        (b'{"model":"\\u0061","model2":"a"}', b'{"model":"up","model2":"a"}'),
        (b'{"nested":{"model":"a"},"model":"a"}', b'{"nested":{"model":"a"},"model":"up"}'),
    ],
)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_model_is_renamed_and_nothing_else(operation: Operation, body: bytes, forwarded: bytes) -> None:
    assert edited(body, operation) == forwarded


def test_a_body_without_edits_is_the_same_object() -> None:
    for body in (b'{"model":"up"}', b'{"model":"\\u0075p"}', b'{"model":"up","stream":false,"stream_options":7}'):
        assert edited(body) is body


@pytest.mark.parametrize("operation", ["chat", "complete"])
@pytest.mark.parametrize(
    ("options", "forwarded"),
    [
        (b"null", b'{"include_usage":true}'),
        (b"{}", b'{"include_usage":true}'),
        (b"{ }", b'{"include_usage":true }'),
        (b'{"include_usage":false}', b'{"include_usage":true}'),
        (b'{"include_usage": null }', b'{"include_usage": true }'),
        (b'{"include_usage":0}', b'{"include_usage":true}'),
        (b'{"include_usage":{"a":[1]}}', b'{"include_usage":true}'),
        (b'{"include_obfuscation":false}', b'{"include_usage":true,"include_obfuscation":false}'),
        (b'{"a":1,"include_usage":false,"b":2}', b'{"a":1,"include_usage":true,"b":2}'),
        (b'{"include\\u005fusage":false}', b'{"include\\u005fusage":true}'),
    ],
)
def test_a_stream_is_asked_for_its_usage(operation: Operation, options: bytes, forwarded: bytes) -> None:
    for before, after in ((b'{"model":"up","stream":true,', b"}"), (b"{", b',"stream":true,"model":"up" }')):
        body = before + b'"stream_options":%b' + after
        facts = RequestFacts(operation, body % options)
        assert (facts.streaming, facts.wants_usage) == (True, False)
        assert facts.upstream_body("up", b'"up"') == body % forwarded


def test_absent_stream_options_are_put_in_front() -> None:
    assert edited(b'{"model":"up","stream":true}') == b"{" + ASK + b',"model":"up","stream":true}'
    assert edited(b' { "stream" : true,"model":"a"}') == b" {" + ASK + b', "stream" : true,"model":"up"}'


def test_both_edits_in_either_order() -> None:
    before = b'{"stream":true,"stream_options":null,"model":"a"}'
    assert edited(before) == b'{"stream":true,"stream_options":{"include_usage":true},"model":"up"}'
    before = b'{"model":"a","stream_options":{"x":1},"stream":true}'
    assert edited(before) == b'{"model":"up","stream_options":{"include_usage":true,"x":1},"stream":true}'


def test_an_escaped_spelling_of_stream_options_is_the_same_member() -> None:
    before = b'{"model":"up","stre\\u0061m":true,"stream\\u005foptions":null}'
    assert edited(before) == b'{"model":"up","stre\\u0061m":true,"stream\\u005foptions":{"include_usage":true}}'


def test_who_asks_for_the_usage_gets_it_as_it_comes() -> None:
    body = b'{"model":"up","stream":true,"stream_options":{"x":1,"include_usage":true}}'
    facts = RequestFacts("chat", body)
    assert facts.wants_usage
    assert facts.upstream_body("up", b'"up"') is body
    assert facts.upstream_body("b", b'"b"') == body.replace(b'"up"', b'"b"')


@pytest.mark.parametrize("operation", ["respond", "message"])
def test_dialects_that_always_tell_are_not_asked(operation: Operation) -> None:
    body = b'{"model":"up","stream":true}'
    facts = RequestFacts(operation, body)
    assert (facts.streaming, facts.wants_usage) == (True, True)
    assert facts.upstream_body("up", b'"up"') is body


@pytest.mark.parametrize("operation", ["embed", "count_tokens"])
def test_what_never_streams_does_not_look_at_the_wish(operation: Operation) -> None:
    for wish in (b"true", b'"yes"'):
        body = b'{"model":"up","stream":%b}' % wish
        facts = RequestFacts(operation, body)
        assert (facts.streaming, facts.wants_usage) == (False, True)
        assert facts.upstream_body("up", b'"up"') is body


@pytest.mark.parametrize("wish", [b"false", b"null"])
def test_no_stream_leaves_the_options_alone(wish: bytes) -> None:
    body = b'{"model":"up","stream":%b,"stream_options":"odd"}' % wish
    assert not RequestFacts("chat", body).streaming
    assert edited(body) is body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b'{"model":"a"',
        b'{"model":"a"}x',
        b'\xef\xbb\xbf{"model":"a"}',
        b'{"model":"\xff"}',
        b'{"model":"\\ud800"}',
        b'{"model":"a","service_tier":"\\udfff"}',
        b'{"model":"a","model":"a"}',
        b'{"model":"a","m\\u006fdel":"b"}',
        b'{"model":"a","stream":true,"stream":true}',
        b'{"model":"a","stream_options":{},"stream_options":{}}',
        b'{"model":"a","max_tokens":1,"max_tokens":2}',
        b'{"model":"a","n":1,"n":1}',
        b'{"model":"a","user":"u","user":"u"}',
    ],
)
def test_bodies_that_two_parsers_could_read_differently_are_refused(body: bytes) -> None:
    error = refusal(body)
    assert error.code == "invalid_json"
    assert "(byte " in error.message


def test_duplicates_inside_the_stream_options_are_refused() -> None:
    error = refusal(b'{"model":"a","stream":true,"stream_options":{"include_usage":true,"include\\u005fusage":false}}')
    assert (error.code, error.param) == ("invalid_json", "stream_options")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        (b"{}", "missing_model", "model"),
        (b'{"Model":"a"}', "missing_model", "model"),
        (b'{"model":""}', "invalid_model", "model"),
        (b'{"model":null}', "invalid_model", "model"),
        (b'{"model":["a"]}', "invalid_model", "model"),
        (b'{"model":"a","stream":"true"}', "invalid_stream", "stream"),
        (b'{"model":"a","stream":1}', "invalid_stream", "stream"),
        (b'{"model":"a","stream":{}}', "invalid_stream", "stream"),
        (b'{"model":"a","stream":true,"stream_options":true}', "invalid_stream_options", "stream_options"),
        (b'{"model":"a","stream":true,"stream_options":[]}', "invalid_stream_options", "stream_options"),
        (b'{"model":"a","stream":true,"stream_options":"x"}', "invalid_stream_options", "stream_options"),
    ],
)
def test_wrong_types_are_refused_by_name(body: bytes, code: str, param: str) -> None:
    error = refusal(body)
    assert (error.code, error.param) == (code, param)


@pytest.mark.parametrize(
    ("operation", "members", "cap_tokens"),
    [
        ("chat", b"", 0),
        ("chat", b',"max_tokens":10', 10),
        ("chat", b',"max_completion_tokens":7', 7),
        ("chat", b',"max_tokens":10,"max_completion_tokens":7', 7),
        ("chat", b',"max_tokens":10,"max_completion_tokens":null', 10),
        ("chat", b',"max_tokens":10,"max_completion_tokens":0', 10),
        ("chat", b',"max_tokens":"10"', 0),
        ("chat", b',"max_tokens":-5', 0),
        ("chat", b',"max_tokens":1e2', 100),
        ("chat", b',"max_tokens":1.5', 0),
        ("chat", b',"max_output_tokens":9', 0),
        ("chat", b',"max_tokens":10,"n":3', 30),
        ("chat", b',"max_tokens":10,"n":null', 10),
        ("chat", b',"max_tokens":10,"n":0', 10),
        ("chat", b',"max_tokens":10,"n":-4', 10),
        ("chat", b',"max_tokens":10,"n":"3"', 10),
        ("chat", b',"max_tokens":10,"n":100000', 1280),
        ("chat", b',"n":3', 0),
        ("complete", b',"max_tokens":10,"max_completion_tokens":7', 10),
        ("respond", b',"max_output_tokens":9,"max_tokens":10', 9),
        ("respond", b',"max_tokens":10', 0),
        ("message", b',"max_tokens":11', 11),
        ("embed", b',"max_tokens":10', 0),
        ("count_tokens", b',"max_tokens":10', 0),
    ],
)
def test_output_caps(operation: Operation, members: bytes, cap_tokens: int) -> None:
    assert RequestFacts(operation, b'{"model":"a"%b}' % members).output_cap_tokens == cap_tokens


def test_the_other_facts() -> None:
    facts = RequestFacts("chat", b'{"model":"caf\\u00e9","service_tier":"fl\\u0065x","messages":["four",{"a":"12"}]}')
    assert facts.alias == "café"
    assert facts.service_tier == "flex"
    assert facts.text_bytes == len(b"caf\\u00e9") + len(b"fl\\u0065x") + len("four") + len("12")
    assert RequestFacts("chat", b'{"model":"a","service_tier":null}').service_tier is None
    assert RequestFacts("chat", b'{"model":"a"}').service_tier is None
