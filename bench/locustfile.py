"""Locust load on a running gateway (``fastgw serve --demo``): OpenAI chat plain and streamed, and Anthropic messages.

    FASTGW_KEY=sk-... locust -f bench/locustfile.py --headless --host http://127.0.0.1:8787 -u 20 -r 10 -t 30s

Always give ``-t`` (how long) and ``-u`` (how many users): without them it runs until it is stopped.
``FASTGW_OPENAI_MODEL`` and ``FASTGW_ANTHROPIC_MODEL`` choose other models than the demo's. It shows how the gateway
behaves under a mix of clients; ``bench.proxy`` shows what it costs.
"""

from __future__ import annotations

import os

from locust import FastHttpUser, between, task
from typing_extensions import override

KEY = os.environ.get("FASTGW_KEY", "")
OPENAI_MODEL = os.environ.get("FASTGW_OPENAI_MODEL", "gpt-4o-mini")
ANTHROPIC_MODEL = os.environ.get("FASTGW_ANTHROPIC_MODEL", "claude-sonnet-4-5")
QUESTION = [{"role": "user", "content": "What did this call cost?"}]


class GatewayUser(FastHttpUser):
    """One application: mostly chat, a third of it streamed, some Anthropic traffic."""

    wait_time = between(0.05, 0.5)

    @override
    def on_start(self) -> None:
        if not KEY:
            raise SystemExit("FASTGW_KEY: expected the key that `fastgw serve --demo` prints")

    @task(4)
    def chat(self) -> None:
        body = {"model": OPENAI_MODEL, "messages": QUESTION, "max_tokens": 64}
        with self._post("/v1/chat/completions", body, "chat") as answer:
            if answer.ok and "choices" not in answer.json():
                answer.failure("no choices in the answer")

    @task(2)
    def chat_streamed(self) -> None:
        body = {"model": OPENAI_MODEL, "messages": QUESTION, "max_tokens": 64, "stream": True}
        with self._post("/v1/chat/completions", body, "chat, streamed") as answer:
            if answer.ok and not answer.text.endswith("data: [DONE]\n\n"):
                answer.failure("the stream does not end with [DONE]")

    @task(1)
    def messages(self) -> None:
        body = {"model": ANTHROPIC_MODEL, "messages": QUESTION, "max_tokens": 64}
        with self._post("/v1/messages", body, "messages") as answer:
            if answer.ok and "usage" not in answer.json():
                answer.failure("no usage in the answer")

    def _post(self, path: str, body: dict[str, object], name: str):  # type: ignore[no-untyped-def]  # locust's type is private
        if path == "/v1/messages":
            headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
        else:
            headers = {"Authorization": f"Bearer {KEY}"}
        return self.client.post(path, json=body, headers=headers, name=name, catch_response=True)
