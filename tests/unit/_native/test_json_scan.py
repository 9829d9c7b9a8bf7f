"""The request scanner: what it accepts, what it refuses and where, what it finds; and the splicing."""

import json

import pytest

from fastgw._native import json_scan
from fastgw._native.errors import JsonSyntaxError
from fastgw._native.json_scan import MemberTable, fingerprint64, quote, scan_object, splice

NAMES = [b"model", b"stream", b"max_tokens", b"n", b"user"]
MODEL, STREAM, MAX_TOKENS, N, USER = range(5)
TABLE = MemberTable(NAMES)

VALID_VALUES = [
    b"0", b"-0", b"10", b"-1.5", b"1e3", b"1E+3", b"1e-3", b"0.0", b"1e999", b"-0e0", b"123456789012345678901234567890",
    b"true", b"false", b"null", b'""', b'"a"', b'"\\"\\\\\\/\\b\\f\\n\\r\\t"', b'"\\u0000\\uabCD"', b'"\\ud800"',
    b'"\x7f"',
    '"é€😀\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"'.encode(), b"[]", b"{}", b"[ ]", b"{ }", b"[[],{}]",
    b'{"a":{"b":[1,{"c":null}]}}', b"[1 , 2]", b'{"a" : 1 , "a" : 2}', b'{"model":1,"model":2}', b'{"":0}',
]  # fmt: skip
INVALID_VALUES = [
    b"", b"+1", b".5", b"1.", b"01", b"-01", b"-", b"--1", b"1e", b"1e+", b"1.e1", b"0x10", b"1 2", b"NaN",
    b"-Infinity", b"1a",
    b"True", b"tru", b"nul", b"falsy", b"truefalse", b"'a'", b"a", b'"', b'"a', b'"\\"', b'"\\x"', b'"\\a"', b'"\\u12"',
    b'"\\u12g4"', b'"\\U0041"', b'"\n"', b'"\t"', b'"\x00"', b'"\x1f"', b"[", b"]", b"[1,]", b"[,1]", b"[1 2]", b"[1}",
    b"{1:2}",
    b'{"a"}', b'{"a":}', b'{"a":1,}', b'{,"a":1}', b'{"a" 1}', b'{"a":1 "b":2}', b'{"a":1]', b"{a:1}", b"/**/1",
    b"1//", b"\xa0 1",
    b"\xe2\x80\xa81", b"\x0b1", b"\x0c1", b"\x001",
]  # fmt: skip
BAD_UTF8 = [
    b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xc2", b"\xc2a", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xe1\x80",
    b"\xe1a\x80",
    b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf1\x80\x80", b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xff", b"\xfe", b"\xc3\xa9\xa9", b"\xf8\x88\x80\x80\x80",
]  # fmt: skip


def refusal(body: bytes, **bounds: int) -> JsonSyntaxError:
    with pytest.raises(JsonSyntaxError) as caught:
        scan_object(body, TABLE, **bounds)
    return caught.value


@pytest.mark.parametrize("value", VALID_VALUES)
def test_valid_values_pass_wherever_they_are(value: bytes) -> None:
    scan_object(b'{"x":%s}' % value, TABLE)
    scan_object(b'{"x":[%s,{"y": %s }]}' % (value, value), TABLE)
    assert scan_object(b'{"n": %s ,"z":1}' % value, TABLE).span(N) == (6, 6 + len(value))


@pytest.mark.parametrize("value", INVALID_VALUES)
def test_invalid_values_are_refused_wherever_they_are(value: bytes) -> None:
    assert refusal(b'{"x":%s}' % value)
    assert refusal(b'{"model":%s,"z":1}' % value)
    assert refusal(b'{"x":[[0,%s]],"z":1}' % value)


@pytest.mark.parametrize("bad", BAD_UTF8)
@pytest.mark.parametrize("before", [0, 1, 13, 16, 62, 63, 64, 127])
@pytest.mark.parametrize("filler", ["a", "é", "€", "😀"])
def test_bad_utf8_is_refused_at_its_offset_also_in_skipped_values(bad: bytes, before: int, filler: str) -> None:
    prefix = b'{"x":[{"y":"' + (filler * before).encode()
    error = refusal(prefix + bad + b"a" * 80 + b'"}]}')
    assert str(error) == "invalid UTF-8 in a string"
    assert len(prefix) <= error.offset < len(prefix) + len(bad)


@pytest.mark.parametrize(
    "text", ["é", "€", "😀", "a€", "éa😀b€", "\u0800\ud7ff\ue000", "\U00010000\U0010ffff", "\u07ff"]
)
@pytest.mark.parametrize("shift", range(8))
def test_long_runs_of_every_length_of_character_pass(text: str, shift: int) -> None:
    value = "x" * shift + text * 70
    body = json.dumps({"x": value, "user": value}, ensure_ascii=False).encode()
    found = scan_object(body, TABLE)
    assert found.text(USER) == value
    assert found.text_bytes == 2 * len(value.encode())


@pytest.mark.parametrize(
    ("body", "message", "offset"),
    [
        (b"", "unexpected end of the JSON text", 0),
        (b"  ", "unexpected end of the JSON text", 2),
        (b"[]", "the JSON text is not an object", 0),
        (b' "a"', "the JSON text is not an object", 1),
        (b"null", "the JSON text is not an object", 0),
        (b"\xef\xbb\xbf{}", "byte order mark before the JSON text", 0),
        (b"{}{}", "unexpected bytes after the JSON object", 2),
        (b"{} \x00", "unexpected bytes after the JSON object", 3),
        (b'{"a":1', "unexpected end of the JSON text", 6),
        (b'{"a":"\x01"}', "control character in a string", 6),
        (b'{"a":"\\q"}', "invalid escape in a string", 7),
        (b'{"a":"\\u12', "unexpected end of the JSON text", 10),
        (b'{"a":01}', "invalid number", 6),
        (b'{"a":?}', "expected a value", 5),
        (b"{a:1}", "expected a member name in double quotes", 1),
        (b'{"a"=1}', "expected ':' after a member name", 4),
        (b'{"a":1;}', "expected ',' or the end of the object or array", 6),
        (b'{"model":1, "model":2}', "member 'model' is given twice", 12),
    ],
)
def test_refusals_say_what_and_where(body: bytes, message: str, offset: int) -> None:
    error = refusal(body)
    assert (str(error), error.offset) == (message, offset)


@pytest.mark.parametrize("length", range(1, 40))
def test_every_prefix_is_refused(length: int) -> None:
    body = b'{"model":"a\xc3\xa9\\u0041","n":[-1.5e+3,true]}'
    scan_object(body, TABLE)
    assert refusal(body[:length])
    assert refusal(body + b" " * length + b"}")


@pytest.mark.parametrize("name", [b"model", b"mod\\u0065l", b"\\u006d\\u006f\\u0064\\u0065\\u006c", b"mode\\u006C"])
def test_a_name_is_recognised_in_every_spelling_and_refused_twice(name: bytes) -> None:
    assert scan_object(b'{"%s":"x"}' % name, TABLE).text(MODEL) == "x"
    assert "'model' is given twice" in str(refusal(b'{"model":"x","y":{},"%s":"x"}' % name))
    assert "'model' is given twice" in str(refusal(b'{"%s":"x","model":null}' % name))


def test_only_the_names_of_the_table_in_the_object_itself_are_checked_for_duplicates() -> None:
    found = scan_object(b'{"a":1,"a":2,"x":{"model":1,"model":2},"Model":1,"model ":1,"mode":1,"\\ud800":0}', TABLE)
    assert found.kind(MODEL) == json_scan.ABSENT
    assert found.span(MODEL) == found.member_span(MODEL) == (0, 0)
    assert (found.text(MODEL), found.integer(MODEL)) == (None, None)


def test_depth_counts_the_object_itself() -> None:
    for brackets in ((b"[", b"]"), (b'{"a":', b"}")):
        body = b'{"x":' + brackets[0] * 4 + b"1" + brackets[1] * 4 + b"}"
        scan_object(body, TABLE, max_depth=5)
        assert str(refusal(body, max_depth=4)) == "JSON is nested too deep"
    deepest = b'{"x":' + b"[" * (json_scan.MAX_DEPTH - 1) + b"]" * (json_scan.MAX_DEPTH - 1) + b"}"
    scan_object(deepest, TABLE, max_depth=json_scan.MAX_DEPTH)
    assert refusal(b'{"x":' + b"[" * 1_000_000, max_depth=json_scan.MAX_DEPTH)
    scan_object(b'{"x":[' + b"[],{}," * 500 + b"[]]}", TABLE, max_depth=3)


def test_kinds() -> None:
    for text, kind in [
        (b'"x"', json_scan.STRING), (b"-1", json_scan.NUMBER), (b"7", json_scan.NUMBER), (b"true", json_scan.TRUE),
        (b"false", json_scan.FALSE), (b"null", json_scan.NULL), (b"{}", json_scan.OBJECT), (b"[]", json_scan.ARRAY),
    ]:  # fmt: skip
        assert scan_object(b'{"n":%s}' % text, TABLE).kind(N) == kind
    constants = [json_scan.ABSENT, json_scan.STRING, json_scan.NUMBER, json_scan.TRUE, json_scan.FALSE]
    assert [*constants, json_scan.NULL, json_scan.OBJECT, json_scan.ARRAY] == list(range(8))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1024", 1024), (b"1e3", 1000), (b"12.0", 12), (b"-0", 0), (b"0.0e5", 0), (b"0e999999999999999999999", 0),
        (b"1.5e1", 15), (b"1.20e1", 12), (b"100e-2", 1), (b"-250E-1", -25), (b"0.001e3", 1),
        (b"1000000000000000000000e-21", 1),
        (b"9223372036854775807", 2**63 - 1), (b"-9223372036854775808", -(2**63)),
        (b"9223372036854775807.000", 2**63 - 1),
        (b"0.9223372036854775807e19", 2**63 - 1), (b"-9223372036854775808e0", -(2**63)), (b"1e18", 10**18),
        (b"9223372036854775808", None), (b"-9223372036854775809", None), (b"1e19", None),
        (b"99999999999999999999", None),
        (b"18446744073709551616", None), (b"1.5", None), (b"1e-1", None), (b"1e999999999999999999999", None),
        (b"1e-999999999999999999999", None), (b"0.1", None), (b"10000000000000000000000001e-1", None),
        (b'"1"', None), (b"true", None), (b"[1]", None),
    ],
)  # fmt: skip
def test_integers(text: bytes, value: int | None) -> None:
    assert scan_object(b'{"n":%s}' % text, TABLE).integer(N) == value
    assert scan_object(b'{"n":%s , "x":0}' % text, TABLE).integer(N) == value


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", ""), (b"abc", "abc"), ("é€😀".encode(), "é€😀"), (b"\\ud83d\\uDE00", "😀"), (b"a\\u0000b", "a\0b"),
        (b'\\"\\\\\\/\\b\\f\\n\\r\\t', '"\\/\b\f\n\r\t'), (b"\\u00e9\\u20ac\\uffff", "é€\uffff"),
        (b"\xc3\xa9\\n" * 40, "é\n" * 40),
        (b"\\\\ud800", "\\ud800"),
    ],
)  # fmt: skip
def test_texts(raw: bytes, text: str) -> None:
    found = scan_object(b'{"user": "%s"}' % raw, TABLE)
    assert found.text(USER) == text
    assert found.text_bytes == len(raw)


@pytest.mark.parametrize(
    "raw", [b"\\ud800", b"\\udc00", b"\\ud800\\ud800", b"\\ud800x", b"\\udc00\\ud800", b"\\ud800\\n", b"x\\udbff"]
)
def test_half_a_surrogate_pair_is_refused_when_the_text_is_wanted(raw: bytes) -> None:
    found = scan_object(b'{"user":"%s"}' % raw, TABLE)
    with pytest.raises(JsonSyntaxError) as caught:
        found.text(USER)
    assert caught.value.offset == 8


@pytest.mark.parametrize(
    ("body", "name", "rest"),
    [
        (b'{"n":1}', N, b"{}"), (b'{ "n" : 1 }', N, b"{  }"), (b'{"n":1,"x":2}', N, b'{"x":2}'),
        (b'{ "n":1 , "x":2 }', N, b'{ "x":2 }'),
        (b'{"x":2, "n":1}', N, b'{"x":2}'), (b'{"x":2, "n":[1,2] , "y":3}', N, b'{"x":2 , "y":3}'),
        (b'{"n":{"a":1},"n2":0}', N, b'{"n2":0}'),
    ],
)  # fmt: skip
def test_a_member_goes_with_one_comma(body: bytes, name: int, rest: bytes) -> None:
    assert splice(body, [(*scan_object(body, TABLE).member_span(name), b"")]) == rest
    json.loads(rest)


def test_members_but_the_first_two_can_go_in_one_splice() -> None:
    body = b'{"x":0, "model":"m", "n":1, "stream":true}'
    found = scan_object(body, TABLE)
    assert splice(body, [(*found.member_span(i), b"") for i in (MODEL, N, STREAM)]) == b'{"x":0}'


def test_ranges_are_scanned_like_bodies_with_offsets_of_the_body() -> None:
    body = b'{"x":{ "model":"m" },"n":{}, "stream":{"n":1,"\\u006e":2}}'
    outer = scan_object(body, TABLE)
    inner = scan_object(body, TABLE, 5, 20)
    assert (inner.span(MODEL), inner.insert_at, inner.is_empty) == ((15, 18), 6, False)
    assert (outer.insert_at, outer.is_empty) == (1, False)
    empty = scan_object(body, TABLE, *outer.span(N))
    assert (empty.insert_at, empty.is_empty) == (26, True)
    with pytest.raises(JsonSyntaxError, match="'n' is given twice"):
        scan_object(body, TABLE, *outer.span(STREAM))
    for end in range(5, 20):
        refusal(body, start=5, end=end)
    for start, end in [(-1, 3), (4, 3), (0, len(body) + 1), (0, -2)]:
        with pytest.raises(ValueError, match="range"):
            scan_object(body, TABLE, start, end)


def test_the_text_of_nested_values_counts_and_names_do_not() -> None:
    assert scan_object(b'{"a":"12","b":["345",{"cccc":"6"}],"d":7}', TABLE).text_bytes == 6


def test_arguments_are_checked() -> None:
    for depth in (0, json_scan.MAX_DEPTH + 1):
        with pytest.raises(ValueError, match="max_depth"):
            scan_object(b"{}", TABLE, max_depth=depth)
    for names in ([b"a"] * 2, [b"%d" % i for i in range(65)], [b""], [b"x" * 129]):
        with pytest.raises(ValueError, match="member name"):
            MemberTable(names)
    with pytest.raises(TypeError):
        MemberTable(["model"])  # type: ignore[list-item]
    for body, table in ((None, TABLE), (b"{}", None), ("{}", TABLE)):
        with pytest.raises(TypeError):
            scan_object(body, table)  # type: ignore[arg-type]
    for index in (-1, 5):
        with pytest.raises(IndexError):
            scan_object(b"{}", TABLE).kind(index)


def test_a_full_table_finds_all_its_names() -> None:
    names = [b"x" * (1 + i % 40) + b"%d" % i for i in range(63)] + [b"y" * 128]
    body = b"{" + b",".join(b'"%s":%d' % (name, i) for i, name in enumerate(names)) + b"}"
    found = scan_object(body, MemberTable(names))
    assert [found.integer(i) for i in range(64)] == list(range(64))
    escaped = "".join(f"\\u{ord('y'):04x}" for _ in range(128)).encode()
    assert scan_object(b'{"%s":5}' % escaped, MemberTable(names)).integer(63) == 5
    assert scan_object(b'{"%s\\u0079":5}' % escaped, MemberTable(names)).kind(63) == json_scan.ABSENT


def test_splice() -> None:
    assert splice(b"hello", []) == b"hello"
    assert (
        splice(b"hello", [(0, 0, b"("), (0, 1, b"J"), (1, 1, b"-"), (4, 5, b""), (5, 5, b"y"), (5, 5, b"!")])
        == b"(J-elly!"
    )
    for edits in ([(2, 1, b"")], [(-1, 0, b"")], [(0, 6, b"")], [(1, 3, b""), (2, 4, b"")], [(3, 4, b""), (0, 1, b"")]):
        with pytest.raises(ValueError, match="edit"):
            splice(b"hello", edits)
    with pytest.raises(TypeError):
        splice(b"hello", [(0, 1, None)])  # type: ignore[list-item]


def test_the_fingerprint_is_stable_and_depends_on_every_byte() -> None:
    assert fingerprint64(b"") == 0x37B1C6CA179EAA8C
    assert fingerprint64(bytes(range(256))) == 0x72E0B7AA0F2A8B5E
    base = bytes(100)
    seen = {fingerprint64(base[:i] + bytes([1 << bit]) + base[i + 1 :]) for i in range(100) for bit in range(8)}
    seen |= {fingerprint64(bytes(length)) for length in range(200)}
    assert len(seen) == 1000
    assert all(0 <= value < 2**63 for value in seen)


@pytest.mark.parametrize(
    "text", ["", "plain", 'a"b\\c/', "".join(map(chr, range(0x21))), "\x7f\x80é€😀", "x" * 40 + "\n" + "é" * 40]
)
def test_quote_round_trips(text: str) -> None:
    literal = quote(text)
    assert json.loads(literal) == text
    assert scan_object(b'{"user":%s}' % literal, TABLE).text(USER) == text
    assert quote("é\n\x01") == '"é\\n\\u0001"'.encode()


def test_quote_refuses_half_a_surrogate_pair() -> None:
    with pytest.raises(UnicodeEncodeError):
        quote("\ud800")
