"""A provider that speaks OpenAI's wire format on 127.0.0.1, and keeps its own bill.

    python -m otel_genai_cost.testing.standin.openai --port 0 --bill provider.jsonl

Token counts follow from the request's text: input is a quarter of its bytes plus 8, output a third of the input plus 5;
from 128 input tokens on, half of them, in steps of 64, were cached; models whose name begins with `o` or `gpt-5` reason
with half of their output. Words in the text make trouble: `[429]` refuses once and then answers, `[500]` always fails,
`[disconnect]` breaks a stream off, `[slow]` lets a stream pause, `[hang]` answers after a second, `[hangonce]` does so
every other time; `[strict]` refuses `stream_options`, `[always]` sends a stream's usage unasked; `[length]`, `[filter]`
and `[badjson]` give structured answers that are cut short, withheld, or of another structure.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any, Final, NamedTuple

from otel_genai_cost.testing.standin.local_server import LocalServer

__all__ = ["OpenAIStandIn", "Received"]

SNAPSHOTS: Final[Mapping[str, str]] = {
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "o4-mini": "o4-mini-2025-04-16",
    "gpt-5": "gpt-5-2025-08-07",
}
"""What a model's alias answers as; other names answer as themselves."""

_CREATED: Final = 1_790_000_000
_HANG_S: Final = 1.0
_ANSWERS: Final[Mapping[str, tuple[str, str]]] = {
    "[length]": ('{"answer": "ye', "length"),
    "[filter]": ("", "content_filter"),
    "[badjson]": ('{"answer": 7', "stop"),
}
"""Word in the request -> what is answered, and why it ends there."""

_BODY_LIMIT_BYTES: Final = 4 * 1024 * 1024


class Received(NamedTuple):
    """A request as it came. Header names are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class _Tokens(NamedTuple):
    input: int
    cached: int
    output: int
    reasoning: int

    def bill(self) -> dict[str, int]:
        """As `genai-cost price` takes it."""
        return {
            "input_tokens": self.input,
            "output_tokens": self.output,
            "cache_read_tokens": self.cached,
            "reasoning_tokens": self.reasoning,
        }

    def wire(self, inwards: str, outwards: str) -> dict[str, Any]:
        """As OpenAI's APIs report it."""
        return {
            f"{inwards}_tokens": self.input,
            f"{outwards}_tokens": self.output,
            "total_tokens": self.input + self.output,
            f"{inwards}_tokens_details": {"cached_tokens": self.cached, "audio_tokens": 0},
            f"{outwards}_tokens_details": {"reasoning_tokens": self.reasoning, "audio_tokens": 0},
        }


def _count(text: str, model: str) -> _Tokens:
    tokens_in = len(text.encode()) // 4 + 8
    cached = tokens_in // 2 // 64 * 64 if tokens_in >= 128 else 0
    tokens_out = tokens_in // 3 + 5
    reasoning = tokens_out // 2 if model.startswith(("o", "gpt-5")) else 0
    return _Tokens(tokens_in, cached, tokens_out, reasoning)


class OpenAIStandIn(LocalServer):
    """The server, running in a thread while the `with` block does.

    `url` is the client's base_url. `received` holds every request; `bills` every answer that a provider would charge
    for, also written as JSON Lines to `bill` if given: {"tenant" (the request's `user`), "model", "response_id",
    "usage", "status"}.
    """

    def __init__(self, bill: Path | None = None, port: int = 0) -> None:
        self.received: list[Received] = []
        self.bills: list[dict[str, Any]] = []
        self._bill_file = bill
        self._lock = threading.Lock()
        self._ids = count(1)
        self._refused: set[str] = set()
        super().__init__(type("Handler", (_Handler,), {"standin": self}), port)

    @property
    def url(self) -> str:
        """The base_url for a client."""
        return f"{super().url}/v1"

    def next_id(self, prefix: str) -> str:
        """A response id that no other answer of this stand-in has."""
        with self._lock:
            return f"{prefix}-standin{self.port}x{next(self._ids):06d}"

    def charge(
        self, body: Mapping[str, Any], model: str, response_id: str, tokens: _Tokens
    ) -> None:
        """Put an answer on the bill, also when the client has gone away meanwhile.

        Args:
            body: the request, which names the tenant as `user`.
            model: the dated model that answered.
            response_id: the id of the response.
            tokens: what is billed.
        """
        line = {
            "tenant": body.get("user"),
            "model": model,
            "response_id": response_id,
            "usage": tokens.bill(),
            "service_tier": body.get("service_tier"),
            "status": 200,
        }
        with self._lock:
            self.bills.append(line)
            if self._bill_file is not None:
                with self._bill_file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")

    def refuses(self, text: str) -> bool:
        """Whether this text is refused for now: every other time it comes."""
        with self._lock:
            refused = text not in self._refused
            (self._refused.add if refused else self._refused.discard)(text)
            return refused


class _Handler(BaseHTTPRequestHandler):
    standin: OpenAIStandIn
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class names it so
        """Quiet."""

    def do_POST(self) -> None:
        length = min(int(self.headers.get("content-length") or 0), _BODY_LIMIT_BYTES)
        body: dict[str, Any] = json.loads(self.rfile.read(length) or b"{}")
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.standin.received.append(Received(self.path, headers, body))
        text = json.dumps(body.get("messages") or body.get("input") or "")
        if "[hang]" in text or ("[hangonce]" in text and self.standin.refuses(text)):
            time.sleep(_HANG_S)
        if "[strict]" in text and "stream_options" in body:
            self._fail(422, "extra inputs are not permitted", "invalid_request_error")
        elif "[500]" in text:
            self._fail(500, "the stand-in was asked to fail", "server_error")
        elif "[429]" in text and self.standin.refuses(text):
            self._fail(429, "too many requests", "rate_limit_error", {"retry-after-ms": "10"})
        else:
            self._answer(body, text)

    def _answer(self, body: dict[str, Any], text: str) -> None:
        model = str(body.get("model"))
        returned, tokens = SNAPSHOTS.get(model, model), _count(text, model)
        if self.path.endswith("/chat/completions"):
            self._chat(body, text, returned, tokens)
        elif self.path.endswith("/embeddings"):
            self._embeddings(body, returned, tokens)
        elif self.path.endswith("/responses"):
            self._responses(body, returned, tokens)
        else:
            self._fail(404, f"no such path {self.path}", "invalid_request_error")

    def _chat(self, body: dict[str, Any], text: str, model: str, tokens: _Tokens) -> None:
        response_id = self.standin.next_id("chatcmpl")
        self.standin.charge(body, model, response_id, tokens)
        common = {
            "id": response_id,
            "created": _CREATED,
            "model": model,
            "service_tier": body.get("service_tier") or "default",
        }
        if body.get("stream"):
            self._stream(_chat_chunks(common, body, tokens), text)
            return
        said = [answer for word, answer in _ANSWERS.items() if word in text]
        content, reason = said[0] if said else ("A stand-in's answer.", "stop")
        message = {"role": "assistant", "content": content, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        usage = tokens.wire("prompt", "completion")
        self._json(
            200, {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
        )

    def _embeddings(self, body: dict[str, Any], model: str, tokens: _Tokens) -> None:
        tokens = tokens._replace(output=0, cached=0, reasoning=0)
        self.standin.charge(body, model, self.standin.next_id("emb"), tokens)
        usage = {"prompt_tokens": tokens.input, "total_tokens": tokens.input}
        data = [{"object": "embedding", "index": 0, "embedding": [0.0, 0.5]}]
        self._json(200, {"object": "list", "data": data, "model": model, "usage": usage})

    def _responses(self, body: dict[str, Any], model: str, tokens: _Tokens) -> None:
        response_id = self.standin.next_id("resp")
        self.standin.charge(body, model, response_id, tokens)
        answer: dict[str, Any] = {
            "id": response_id,
            "object": "response",
            "created_at": _CREATED,
            "model": model,
            "status": "completed",
            "output": [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "service_tier": body.get("service_tier") or "default",
            "usage": tokens.wire("input", "output"),
        }
        if body.get("stream"):
            created = {**answer, "status": "in_progress", "usage": None}
            events = [("response.created", created), ("response.completed", answer)]
            self._stream(
                (
                    {"type": kind, "sequence_number": n, "response": part}
                    for n, (kind, part) in enumerate(events)
                ),
                "",
            )
            return
        self._json(200, answer)

    def _stream(self, chunks: Iterator[Mapping[str, Any]], text: str) -> None:
        """Server-sent events, to the end of the connection."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for n, chunk in enumerate(chunks):
                if n == 2 and "[disconnect]" in text:
                    return
                if "[slow]" in text:
                    time.sleep(0.05)
                self.wfile.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
                self.wfile.flush()
            self.wfile.write(b"data: [DONE]\n\n")
        except (BrokenPipeError, ConnectionResetError):
            return  # the client went away; the answer stays on the bill

    def _fail(
        self, status: int, message: str, kind: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self._json(status, {"error": {"message": message, "type": kind, "code": None}}, headers)

    def _json(
        self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        encoded = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(encoded)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(encoded)


def _chat_chunks(
    common: Mapping[str, Any], body: Mapping[str, Any], tokens: _Tokens
) -> Iterator[Mapping[str, Any]]:
    """The words, then a finish reason, then usage if it was asked for."""
    options: Mapping[str, Any] = body.get("stream_options") or {}
    wants_usage = bool(options.get("include_usage")) or "[always]" in json.dumps(
        body.get("messages")
    )
    chunk = {**common, "object": "chat.completion.chunk"}
    if wants_usage:
        chunk["usage"] = None
    for n, word in enumerate(("A ", "stand-in's ", "answer.")):
        delta = {"content": word} if n else {"role": "assistant", "content": word}
        yield {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    if wants_usage:
        yield {**chunk, "choices": [], "usage": tokens.wire("prompt", "completion")}


def main() -> None:
    """Serve until SIGTERM or SIGINT; the first line printed is the URL."""
    parser = argparse.ArgumentParser(description="A stand-in for OpenAI's API.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bill", type=Path)
    options = parser.parse_args()
    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    with OpenAIStandIn(options.bill, options.port) as standin:
        print(standin.url, flush=True)  # noqa: T201 -- whoever starts it reads the URL here
        stop.wait()


if __name__ == "__main__":
    main()
