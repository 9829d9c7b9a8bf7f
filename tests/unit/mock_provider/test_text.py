from __future__ import annotations

import math

import orjson

from fastgw.mock_provider.text import WORDS, Found, embed, find_parts, find_tool, say, say_arguments


def test_as_many_words_as_asked() -> None:
    assert say(0) == ()
    assert "".join(say(3)) == "the river keeps"
    assert len("".join(say(1000)).split()) == 1000
    assert "".join(say(len(WORDS) + 1)).endswith(" the")


def test_arguments_are_json_in_as_many_pieces_as_words() -> None:
    for words in (1, 2, 30):
        pieces = say_arguments("city", words)
        assert len(pieces) == words
        assert orjson.loads("".join(pieces)) == {"city": "".join(say(words))}
    assert orjson.loads("".join(say_arguments("city", 0))) == {"city": ""}


def test_text_is_counted_in_bytes_wherever_it_stands() -> None:
    found = Found()
    find_parts("é", found, user=True)
    find_parts([{"type": "text", "text": "abc"}, {"type": "input_text", "text": "de"}], found, user=True)
    find_parts([{"type": "tool_result", "content": [{"type": "text", "text": "f"}]}], found, user=True)
    find_parts([{"type": "tool_result", "content": "gh"}], found, user=True)
    find_parts(None, found, user=True)
    assert found.text_bytes == 2 + 3 + 2 + 1 + 2
    assert found.images == 0


def test_images_of_every_dialect_are_counted() -> None:
    found = Found()
    find_parts([{"type": "image_url"}, {"type": "image"}, {"type": "input_image"}, {"type": "audio"}], found, user=True)
    assert (found.images, found.text_bytes) == (3, 0)


def test_last_user_text_is_the_users_own() -> None:
    found = Found()
    find_parts("first", found, user=True)
    find_parts([{"type": "text", "text": "second"}], found, user=True)
    find_parts("assistant", found, user=False)
    find_parts([{"type": "tool_result", "content": "result"}], found, user=True)
    assert found.last_user_text == "second"


def test_tool_is_found_in_every_shape() -> None:
    schema = {"type": "object", "properties": {"city": {}, "day": {}}}
    chat = {"type": "function", "function": {"name": "weather", "parameters": schema}}
    responses = {"type": "function", "name": "weather", "parameters": schema}
    anthropic = {"name": "weather", "input_schema": schema}
    for tool in (chat, responses, anthropic):
        assert find_tool({"tools": [{"name": "other"}, tool]}, "use tool:weather now") == ("weather", "city")


def test_tool_must_be_asked_for_and_offered() -> None:
    tools = {"tools": [{"name": "weather"}, "nonsense"]}
    assert find_tool(tools, "weather") is None
    assert find_tool(tools, "tool:news") is None
    assert find_tool({}, "tool:weather") is None
    assert find_tool(tools, "tool:weather") == ("weather", "input")
    assert find_tool({"tools": [{"name": "t", "input_schema": {"properties": {}}}]}, "tool:t") == ("t", "input")


def test_embedding_is_a_unit_vector_of_the_text() -> None:
    vector = embed(b"hello", 64)
    assert len(vector) == 64
    assert math.isclose(math.hypot(*vector), 1.0, rel_tol=1e-6)
    assert embed(b"hello", 64) == vector
    assert embed(b"hellp", 64) != vector
