"""A provider with the habits that bug reports tell of, on 127.0.0.1. It keeps what it received, and its own bill.

A base URL is `<url>/<run>/<program>/<habit>/v1`, or, of a provider of another wire format,
`<url>/<run>/<program>/<habit>~<provider>`: so requests and bills are kept apart by run and program, ids and token
counts follow from the program's name, and the same program gets the same answers in each of its runs.
"""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, NamedTuple, NoReturn

from otel_genai_cost.testing.standin.local_server import LocalServer
from otel_genai_cost.testing.standin.wire import Reply
from tests.transparency import answers, formats

__all__ = ["Billed", "OddProvider", "Request"]

_SLOW_S: Final = 0.1
_HANGS_S: Final = 1.0
_CUT_AFTER: Final = 4
_REFUSED_ONCE: Final = {
    "busy": (429, {"retry-after-ms": "10"}),
    "fails_once": (503, {"retry-after-ms": "10"}),
}
"""Habit -> how the first try of a lane is refused."""

_FAILS: Final = {"unauthorized": 401, "forbidden": 403, "missing": 404, "fails": 500}
_STRICT: Final[Mapping[str, tuple[int, dict[str, Any]]]] = {
    "strict422": (
        422,
        {
            "object": "error",
            "message": {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "stream_options", "include_usage"],
                        "msg": "Extra inputs are not permitted",
                    }
                ]
            },
        },
    ),
    "azure400": (
        400,
        {
            "error": {
                "code": None,
                "message": "Unrecognized request argument supplied: stream_options",
                "param": None,
                "type": "invalid_request_error",
            }
        },
    ),
}
"""Habit -> the answer to a request that has `stream_options`."""


class Lane(NamedTuple):
    """One program in one run."""

    run: str
    program: str


class Request(NamedTuple):
    """A request as it came: the path within its lane, headers in lower case and in order of name, and the body."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Billed(NamedTuple):
    """An answer that a provider charges for. `response_id` is empty where the answer tells none."""

    program: str
    model: str
    response_id: str
    input_tokens: int
    output_tokens: int


class OddProvider(LocalServer):
    """The server, running in a thread while the `with` block does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received: dict[Lane, list[Request]] = defaultdict(list)
        self._bills: dict[Lane, list[Billed]] = defaultdict(list)
        self._connections: dict[Lane, set[int]] = defaultdict(set)
        self.stored: dict[str, dict[str, Any]] = {}
        super().__init__(type("Handler", (_Handler,), {"provider": self}))

    def received(self, run: str, program: str) -> list[Request]:
        """The requests of a program."""
        with self._lock:
            return [*self._received[Lane(run, program)]]

    def connections(self, run: str, program: str) -> int:
        """How many connections a program opened."""
        with self._lock:
            return len(self._connections[Lane(run, program)])

    def bills(self, run: str) -> list[Billed]:
        """What a run has to pay."""
        with self._lock:
            return [
                line for lane, lines in self._bills.items() if lane.run == run for line in lines
            ]

    def take(self, lane: Lane, request: Request, port: int) -> int:
        """Note a request; gives its number in the lane, from 1."""
        with self._lock:
            self._received[lane].append(request)
            self._connections[lane].add(port)
            return len(self._received[lane])

    def bill(self, lane: Lane, line: Billed) -> None:
        with self._lock:
            self._bills[lane].append(line)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: OddProvider
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Silent: tests read what they need from the provider."""

    def do_POST(self) -> None:
        lane, habit, path = self._address()
        habit, _, vendor = habit.partition("~")
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if habit == "sink":
            self._send(200, {})
            return
        number = self._note(lane, path, body)
        asked: dict[str, Any] = json.loads(body or b"{}")
        if not self._is_refused(habit, number, asked, path, vendor):
            self._answer(lane, habit, path, asked, number, vendor)

    def do_GET(self) -> None:
        lane, _, path = self._address()
        self._note(lane, path, b"")
        answer = self.provider.stored.get(
            f"{lane.run}/{path.split('/responses/')[-1].split('?')[0]}"
        )
        if answer is None:
            self._send(404, {"error": {"message": f"nothing at {path}"}})
        elif "stream=true" in path:
            self._stream(answers.response_events(answer))
        else:
            self._send(200, answer)

    def _address(self) -> tuple[Lane, str, str]:
        _, run, program, habit, rest = self.path.split("/", 4)
        return Lane(run, program), habit, f"/{rest}"

    def _note(self, lane: Lane, path: str, body: bytes) -> int:
        headers = tuple(sorted((key.lower(), value) for key, value in self.headers.items()))
        return self.provider.take(lane, Request(path, headers, body), self.client_address[1])

    def _is_refused(
        self, habit: str, number: int, asked: Mapping[str, Any], path: str, vendor: str
    ) -> bool:
        """Answer what this habit refuses; nothing of it is billed."""
        if habit in _STRICT and "stream_options" in asked:
            self._send(*_STRICT[habit])
        elif habit in _REFUSED_ONCE and number == 1:
            status, headers = _REFUSED_ONCE[habit]
            self._send(status, formats.refusal_of(path, status, "try again", vendor), headers)
        elif habit in _FAILS:
            message = f"a stand-in that {habit}"
            self._send(_FAILS[habit], formats.refusal_of(path, _FAILS[habit], message, vendor))
        else:
            return False
        return True

    def _answer(
        self,
        lane: Lane,
        habit: str,
        path: str,
        asked: Mapping[str, Any],
        number: int,
        vendor: str,
    ) -> None:
        model = asked.get("model") or answers.MODEL
        seed = zlib.crc32(lane.program.encode())
        tokens = answers.Tokens(1_000 + seed % 9_000 * 10 + number, 100 + seed % 90)
        name = f"{lane.program}-{number}"
        route = path.split("?")[0]
        if vendor:
            self._answer_otherwise(lane, habit, path, asked, tokens, seed + number, vendor)
            return
        if route.endswith("/embeddings"):
            line = Billed(lane.program, model, "", tokens.input, 0)
            answer = answers.embedding(model, tokens, asked)
        elif route.endswith("/responses"):
            line = Billed(lane.program, model, f"resp_{name}", *tokens)
            answer = answers.response(line.response_id, model, tokens)
        elif route.endswith("/chat/completions"):
            line = Billed(lane.program, model, f"chatcmpl-{name}", *tokens)
            answer = answers.completion(line.response_id, model, tokens, habit)
        else:
            self._answer_otherwise(lane, habit, path, asked, tokens, seed + number, vendor)
            return
        self.provider.bill(lane, line)
        if habit == "hangs" or (habit == "hangs_once" and number == 1):
            time.sleep(_HANGS_S)
        self._reply(lane, habit, asked, answer)

    def _answer_otherwise(
        self,
        lane: Lane,
        habit: str,
        path: str,
        asked: Mapping[str, Any],
        tokens: answers.Tokens,
        seed: int,
        vendor: str,
    ) -> None:
        """In another provider's wire format."""
        headers = {key.lower(): value for key, value in self.headers.items()}
        reply = formats.reply_to(path, asked, headers, tokens, seed, vendor)
        if reply is None:
            self._send(404, {"error": {"message": f"no such path {path}"}})
            return
        for line in reply.bills:
            used = line.usage.input_tokens, line.usage.output_tokens
            self.provider.bill(
                lane, Billed(lane.program, line.model, line.response_id or "", *used)
            )
        if reply.parts is not None:
            self._send_parts(reply, habit)
            return
        body = reply.body
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._send(reply.status, data, reply.headers)

    def _send_parts(self, reply: Reply, habit: str) -> None:
        """A stream as its format has it."""
        try:
            self._head(200, reply.content_type, {**reply.headers, "transfer-encoding": "chunked"})
            for number, part in enumerate(reply.parts or ()):
                if number == _CUT_AFTER and habit == "cut":
                    self._cut_off()
                self._chunk(part)
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, _CutOff):
            self.close_connection = True

    def _reply(
        self, lane: Lane, habit: str, asked: Mapping[str, Any], answer: dict[str, Any]
    ) -> None:
        is_response = answer["object"] == "response"
        if asked.get("background"):
            self.provider.stored[f"{lane.run}/{answer['id']}"] = answer
            self._send(200, {**answer, "status": "queued", "usage": None, "output": []})
        elif asked.get("stream") and is_response:
            self._stream(answers.response_events(answer), habit)
        elif asked.get("stream"):
            self._stream(answers.chunks(answer, habit, asked), habit)
        elif habit == "broken":
            self._send(200, b'{"id": "chatcmpl-broken", "choices": [')
        elif habit == "cut":
            self._send_cut(json.dumps(answer).encode())
        else:
            self._send(200, answer)

    def _send(
        self,
        status: int,
        answer: Mapping[str, Any] | bytes,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self._head(
            status, "application/json", {"content-length": str(len(data)), **(headers or {})}
        )
        try:
            self.wfile.write(data)
        except OSError:  # the client has given up waiting
            self.close_connection = True

    def _send_cut(self, data: bytes) -> None:
        self._head(200, "application/json", {"content-length": str(len(data))})
        self.wfile.write(data[: len(data) // 2])
        self.close_connection = True

    def _head(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        for name, value in {"content-type": kind, "x-request-id": "req-odd", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self, events: Iterator[Mapping[str, Any]], habit: str = "std") -> None:
        """An event stream in HTTP chunks, over a connection that may be used again."""
        try:
            self._head(200, "text/event-stream", {"transfer-encoding": "chunked"})
            for number, event in enumerate(events):
                if habit == "slow" or (habit == "stalls" and number == 2):
                    time.sleep(_SLOW_S if habit == "slow" else _HANGS_S)
                if number == 2 and habit in ("cut", "broken", "error_event"):
                    self._spoil(habit)
                self._write(json.dumps(event).encode())
            self._write(b"[DONE]")
            self.wfile.write(b"0\r\n\r\n")
        except (OSError, _CutOff):
            self.close_connection = True

    def _spoil(self, habit: str) -> None:
        if habit == "cut":
            self._cut_off()
        text = b'{"id": "chatcmpl-broken", "choices": ['
        error = b'{"error": {"message": "overloaded in the middle", "type": "server_error"}}'
        self._write(text if habit == "broken" else error)

    def _cut_off(self) -> NoReturn:
        raise _CutOff

    def _write(self, data: bytes) -> None:
        self._chunk(b"data: " + data + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))


class _CutOff(Exception):
    """The connection ends here."""
