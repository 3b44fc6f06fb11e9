"""A real receiver in a process of its own, and requests to it."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import socket
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.forwarding.refusals import refusal_in
from otel_genai_cost.forwarding.wire import Lines, Part, Refusal, request_body
from otel_genai_cost.intake.sender_tokens import SENDERS_FILE, sender_token_file
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from tests.cli.command import PROGRAM
from tests.demo.processes import Child, Children, children, wait_until
from tests.ledger.build import observe

__all__ = ["Answer", "Served", "calls_in", "journalled", "posted", "serving"]

JSON: Final = "application/json"
_RECEIVING: Final = r"receiving journals at (?:https?://)?(\S+?)(?:/v1/logs)?$"


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def refusal(self) -> Refusal:
        return refusal_in(self.body)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)


class Served(NamedTuple):
    """A receiver that runs, and where."""

    child: Child
    home: Path
    at: str
    tls: ssl.SSLContext | None = None

    def connection(self) -> http.client.HTTPConnection:
        if self.at.startswith("unix://"):
            return _UnixConnection(self.at.removeprefix("unix://"))
        if self.tls is not None:
            return http.client.HTTPSConnection(self.at, timeout=30, context=self.tls)
        return http.client.HTTPConnection(self.at, timeout=30)

    def ask(
        self,
        body: bytes | None,
        path: str = "/v1/logs",
        content_type: str = JSON,
        **headers: str,
    ) -> Answer:
        """Send a request: by POST if it has a body, else by GET."""
        connection = self.connection()
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(
                "GET" if body is None else "POST",
                path,
                body,
                {"Content-Type": content_type, **own},
            )
            answer = connection.getresponse()
            said = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, said, answer.read())
        finally:
            connection.close()

    def send(self, *parts: Part, token: str | None = None, **headers: str) -> Answer:
        """Send parts of journals."""
        own = {} if token is None else {"authorization": f"Bearer {token}"}
        return self.ask(request_body(parts), **own, **headers)

    def metrics(self) -> dict[str, float]:
        lines = self.ask(None, "/metrics").body.decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def token(self, sender: str) -> str:
        """Give one out."""
        return sender_token_file(self.home / SENDERS_FILE).add(sender, None)


def environment(folder: Path, **settings: str) -> dict[str, str]:
    """Nothing of the machine's own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    registry = {"OTEL_GENAI_COST_REGISTRY": str(folder / "registry")}
    return {**clean, "HOME": str(folder), **registry, **settings}


@contextmanager
def serving(folder: Path, *options: str, tls: ssl.SSLContext | None = None) -> Generator[Served]:
    """`genai-cost ledger serve` over a folder, until the end of the block."""
    with children() as started:
        yield begun(started, folder, *options, tls=tls)


def begun(
    started: Children, folder: Path, *options: str, tls: ssl.SSLContext | None = None
) -> Served:
    """The same, among other processes."""
    folder.mkdir(exist_ok=True, parents=True)
    home = folder / "home"
    listen = () if "--listen" in options else ("--listen", "127.0.0.1:0")
    child = started.start(
        "ledger",
        [PROGRAM, "ledger", "serve", "--ledger", str(home), *listen, *options],
        folder / f"ledger-{len(started)}.log",
        environment(folder),
    )
    at = child.find(_RECEIVING)
    child.find(r"epoch \d+, in ")
    return Served(child, home, at, tls)


def agent_begun(started: Children, folder: Path, to: str, *options: str) -> Served:
    """`genai-cost agent` that receives, in a folder."""
    listen = () if "--listen" in options else ("--listen", "127.0.0.1:0")
    child = started.start(
        "agent",
        [PROGRAM, "agent", "--to", to, "--folder", str(folder / "agent"), *listen, *options],
        folder / f"agent-{len(started)}.log",
        environment(folder),
    )
    at = child.find(_RECEIVING)
    child.find(r"sending on to")
    return Served(child, folder / "agent", at)


def journalled(folder: Path, *spans: int, close: bool = True) -> Journal:
    """A segment of a folder with a call for each span."""
    journal = Journal([folder])
    for n in spans:
        assert journal.append(to_record(observe(n, trace=n, start_s=n, end_s=n + 1)))
    if close:
        journal.close()
    return journal


def posted(folder: Path) -> Lines:
    """All of the one segment of a folder."""
    (path,) = folder.glob("*.jsonl")
    return Lines(path.stem, 0, path.read_bytes(), finished=True)


def calls_in(home: Path) -> dict[str, int]:
    """The calls of each charge that is booked."""
    if not (home / LEDGER_FILE).exists():
        return {}
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    found = dict[str, int]()
    try:
        for entry in ledger.entries:
            found[entry.charge_id] = found.get(entry.charge_id, 0) + entry.calls
    finally:
        ledger.close()
    return found


def wait_for_calls(served: Served, count: int) -> dict[str, int]:
    """Until so many calls are booked."""
    wait_until(
        lambda: sum(calls_in(served.home).values()) == count, f"{count} calls", 60, (served.child,)
    )
    return calls_in(served.home)


def packed(body: bytes) -> bytes:
    """A body, compressed."""
    return gzip.compress(body)


def records(answer: Answer) -> Any:
    """The JSON of an answer."""
    return json.loads(answer.body)
