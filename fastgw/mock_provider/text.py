"""The words the mock says, and the text, images and tools it finds in a request.

Everything is a pure function of the request: the same request gets the same words. It does not count tokens
(:mod:`fastgw.mock_provider.usage` does) and knows a dialect only as far as where its text may stand.
"""

from __future__ import annotations

import array
import functools
import hashlib
import math
import re
from typing import Any, Final

import msgspec

SENTENCE: Final = "the river keeps its own time and the mill turns with it so grain becomes flour before evening"
WORDS: Final = tuple(SENTENCE.split())
TOOL_WORD: Final = re.compile(r"\btool:([A-Za-z0-9_.-]+)")
IMAGE_TYPES: Final = frozenset({"image", "image_url", "input_image"})


class Found(msgspec.Struct):
    """What a request contains: UTF-8 bytes of text, images, and the last text a user wrote."""

    text_bytes: int = 0
    images: int = 0
    last_user_text: str = ""


@functools.lru_cache(maxsize=256)
def say(words: int) -> tuple[str, ...]:
    """``words`` pieces of text, one a word; joined they read as one sentence."""
    return tuple(("" if index == 0 else " ") + WORDS[index % len(WORDS)] for index in range(words))


@functools.lru_cache(maxsize=256)
def say_arguments(member: str, words: int) -> tuple[str, ...]:
    """Pieces of a JSON object ``{"member": "words ..."}``, one a word (a single piece when there are none)."""
    opening = '{"' + member + '": "'
    pieces = list(say(words)) or [""]
    pieces[0] = opening + pieces[0]
    pieces[-1] += '"}'
    return tuple(pieces)


def find_parts(content: Any, found: Found, *, user: bool) -> None:
    """Add the text and images of a message's ``content`` (text, a part, or a list of parts, nested in tool results)."""
    if isinstance(content, str):
        found.text_bytes += len(content.encode())
        if user:
            found.last_user_text = content
    elif isinstance(content, list):
        for part in content:
            find_parts(part, found, user=user)
    elif isinstance(content, dict):
        if content.get("type") in IMAGE_TYPES:
            found.images += 1
        elif isinstance(text := content.get("text"), str):
            find_parts(text, found, user=user)
        else:
            find_parts(content.get("content"), found, user=False)


def find_tool(payload: dict[str, Any], last_user_text: str) -> tuple[str, str] | None:
    """The offered tool that the user asked for with ``tool:NAME``: its name and the first member of its arguments."""
    asked = TOOL_WORD.search(last_user_text)
    if asked is None or not isinstance(payload.get("tools"), list):
        return None
    for tool in payload["tools"]:
        offered = tool.get("function", tool) if isinstance(tool, dict) else {}
        if isinstance(offered, dict) and offered.get("name") == asked.group(1):
            schema = offered.get("parameters") or offered.get("input_schema") or {}
            members = schema.get("properties") if isinstance(schema, dict) else None
            return asked.group(1), next(iter(members), "input") if isinstance(members, dict) else "input"
    return None


def embed(text: bytes, dimensions: int) -> array.array[float]:
    """A unit vector of 32-bit floats that depends on every byte of ``text``; equal texts give equal vectors."""
    raw = array.array("h", hashlib.shake_128(text).digest(2 * dimensions))
    length = math.sqrt(sum(value * value for value in raw)) or 1.0
    return array.array("f", [value / length for value in raw])
