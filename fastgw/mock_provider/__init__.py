"""A mock LLM provider of the OpenAI and Anthropic dialects, with faults on demand and a bill of its own.

It shares no code with the gateway's parsers or prices, so that agreement between the two proves something. Only
``fastgw.domain`` may be imported from here.

The counting rule, the same for every dialect:

* input tokens = ceil(UTF-8 bytes of all text parts / 4) + 85 an image, at least 1. Text parts are the system prompt,
  the text of every message and of every tool result; tool definitions are not counted.
* output tokens = the words that are sent (16 unless ``words`` says otherwise), at most the request's own token limit.
* counts asked for by directive (``cached``, ``cache_write_5m``, ``audio_in``, ``reasoning`` ...) come on top of these.

The directives are listed in :mod:`fastgw.mock_provider.faults`.
"""
