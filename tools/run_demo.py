"""``make run``: start the demo gateway, send it real requests with the official clients, show what they cost, stay until Ctrl-C.

    python tools/run_demo.py [--once] [--port 8787]

Ends with 1 when the gateway cannot start or a request fails. The gateway is always stopped before this ends.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import Any

import anthropic
import openai

START_S = 30
STOP_S = 45
LEDGER_S = 10
MODEL = "mock-small"
QUESTION: Any = [{"role": "user", "content": "Say hello."}]


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


class Gateway:
    """``fastgw serve --demo`` as a process of its own, in a session of its own: a Ctrl-C reaches it through us, in order."""

    def __init__(self, port: int | None) -> None:
        command = [sys.executable, "-m", "fastgw", "serve", "--demo"]
        command += [] if port is None else ["--port", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.url = self.key = self.ledger = ""

    def await_banner(self) -> None:
        """Print the gateway's own words up to the end of its banner and take address, key and ledger from them."""
        assert self.process.stdout is not None
        wanted = {"url": r"serves on (http\S+)", "ledger": r"ledger: (.+)", "key": r"gateway key: (\S+)"}
        for line in self.process.stdout:
            print(line, end="", flush=True)
            for name, pattern in wanted.items():
                if found := re.search(pattern, line):
                    setattr(self, name, found[1])
            if "/v1/messages" in line:
                return
        raise DemoError("the gateway did not start; another one on these ports? Then: make run PORT=9000")

    def stop(self) -> None:
        """End it in order: streams finish, the journal is drained."""
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def say(call: str, answer: object, response: Any) -> None:
    """One line a call. A stream's head cannot know the cost: it is in the stream's last comment, and in the ledger."""
    cost = response.headers.get("x-fastgw-cost-usd")
    shown = f"{cost} USD" if cost else "in the ledger"
    print(f"  {call:<27} {' '.join(str(answer).split())[:52]:<52}  cost: {shown}", flush=True)


def ask_openai(client: Any) -> int:
    """Every call of the OpenAI dialect; returns how many."""
    chat = client.chat.completions.with_raw_response.create(model=MODEL, messages=QUESTION)
    say("chat.completions", chat.parse().choices[0].message.content, chat)
    stream = client.chat.completions.with_raw_response.create(model=MODEL, messages=QUESTION, stream=True)
    words = [chunk.choices[0].delta.content or "" for chunk in stream.parse() if chunk.choices]
    say("chat.completions, streamed", "".join(words), stream)
    answer = client.responses.with_raw_response.create(model=MODEL, input="Say hello.")
    say("responses", answer.parse().output_text, answer)
    events = client.responses.with_raw_response.create(model=MODEL, input="Say hello.", stream=True)
    deltas = [event.delta for event in events.parse() if event.type == "response.output_text.delta"]
    say("responses, streamed", "".join(deltas), events)
    vectors = client.embeddings.with_raw_response.create(model="mock-embed", input=["one", "two"])
    say("embeddings", f"{len(vectors.parse().data)} vectors", vectors)
    return 5


def ask_anthropic(client: Any) -> int:
    """Every call of the Anthropic dialect; returns how many."""
    message = client.messages.with_raw_response.create(model=MODEL, max_tokens=64, messages=QUESTION)
    say("messages", message.parse().content[0].text, message)
    stream = client.messages.with_raw_response.create(model=MODEL, max_tokens=64, messages=QUESTION, stream=True)
    texts = [event.delta.text for event in stream.parse() if event.type == "content_block_delta"]
    say("messages, streamed", "".join(texts), stream)
    count = client.messages.with_raw_response.count_tokens(model=MODEL, messages=QUESTION)
    say("messages.count_tokens", f"{count.parse().input_tokens} tokens", count)
    return 3


def show_spend(ledger: str, calls: int) -> None:
    """The ledger as a table, once every call is in it."""
    command = [sys.executable, "-m", "fastgw", "spend", "--ledger", ledger, "--by", "operation,target"]
    ends_s = time.monotonic() + LEDGER_S
    while True:
        rows = json.loads(subprocess.run([*command, "--json"], check=True, capture_output=True, text=True).stdout)
        recorded = sum(row["calls"] for row in rows)
        if recorded >= calls:
            break
        if time.monotonic() > ends_s:
            raise DemoError(f"the ledger has {recorded} of {calls} calls")
        time.sleep(0.1)
    print("\n$ fastgw spend --by operation,target", flush=True)
    subprocess.run(command, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Serve the demo and send it real requests.")
    parser.add_argument("--once", action="store_true", help="end after the table of spend")
    parser.add_argument("--port", type=int, help="instead of 8787; the admin listener has the next one; 0: any")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _leave)
    gateway = Gateway(options.port)
    try:
        gateway.await_banner()
        print("\nReal requests, by the official clients:", flush=True)
        retries: dict[str, Any] = {"max_retries": 0, "timeout": 30}
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, **retries) as client:
            calls = ask_openai(client)
        with anthropic.Anthropic(base_url=gateway.url, api_key=gateway.key, **retries) as client:
            calls += ask_anthropic(client)
        show_spend(gateway.ledger, calls)
        if not options.once:
            print(f"\nThe gateway serves on {gateway.url}; Ctrl-C ends it.", flush=True)
            gateway.process.wait()
            raise DemoError("the gateway ended by itself")
    except (DemoError, openai.OpenAIError, anthropic.AnthropicError) as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    finally:
        gateway.stop()
    return 0


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    sys.exit(main())
