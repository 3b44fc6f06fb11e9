"""A server of one kind under `opentelemetry-instrument`, what is asked of it, and whose its calls are."""

from __future__ import annotations

import base64
import os
import socket
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from otel_genai_cost.journal.reader import read, segments
from otel_genai_cost.journal.record import from_record
from tests.demo.processes import ROOT, Child, children, wait_until
from tests.demo.stage import clean_environment

__all__ = ["REQUESTS", "RIGHT", "SPOOFED", "Server", "Told", "asked", "serving", "told"]

SPOOFED: Final = {
    "baggage": "tenant.id=evil,genai_cost.initiator=system,genai_cost.feature=evil,tenant.plan=evil",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
}
"""What anybody can send: a tenant in baggage, and a trace that isn't sampled."""


class Told(NamedTuple):
    """Whom a call was for, or why it is nobody's."""

    tenant: str | None
    absent: str | None
    initiator: str = "user"
    labels: tuple[str, ...] = ()


class Server(NamedTuple):
    """A running server."""

    url: str
    journal: Path
    child: Child


@contextmanager
def serving(
    folder: Path,
    command: Sequence[str],
    environment: Mapping[str, str],
    python: str = sys.executable,
) -> Generator[Server]:
    """Start it, and end it with the block. `{port}` in the command is a free port."""
    port = _free_port()
    bin_folder = Path(python).parent
    words = [word.format(port=port) for word in command]
    program = bin_folder / words[0]
    changed = {
        **clean_environment(),
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_GENAI_COST_JOURNAL": str(folder / "journal"),
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        **environment,
    }
    started = [str(bin_folder / "opentelemetry-instrument"), str(program), *words[1:]]
    with children() as family:
        child = family.start("server", started, folder / "server.log", changed)
        wait_until(lambda: _answers(port), "the server to listen", 60, (child,))
        yield Server(f"http://127.0.0.1:{port}", folder / "journal", child)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def asked(server: Server, paths: Iterable[str]) -> dict[str, Told]:
    """Ask each path as a tenant, as nobody, and with baggage that names another; gives what is right for each."""
    right: dict[str, Told] = {}
    for path in paths:
        for who, headers in REQUESTS.items():
            name = f"{path.strip('/').replace('/', '-')}-{who}"
            if path == "/ws":
                _websocket(server.url, f"{path}?id={name}", headers)
            else:
                url = f"{server.url}{path}"
                httpx.get(url, params={"id": name}, headers=headers, timeout=30).raise_for_status()
            right[name] = RIGHT[who]
    return right


REQUESTS: Final[Mapping[str, Mapping[str, str]]] = {
    "acme": {"X-Org-Id": "acme"},
    "nobody": {},
    "spoofed": SPOOFED,
    "globex": {"X-Org-Id": "globex", **SPOOFED},
}
RIGHT: Final = {
    "acme": Told("acme", None),
    "nobody": Told(None, "missing"),
    "spoofed": Told(None, "missing"),
    "globex": Told("globex", None),
}


_CLOSE: Final = b"\x88"
"""How a frame begins that closes a websocket; applications here send ASCII."""


def _websocket(url: str, path: str, headers: Mapping[str, str]) -> None:
    """A handshake, then whatever comes until the server says that it closes: it may wait ten seconds for our word."""
    host, port = url.removeprefix("http://").split(":")
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {base64.b64encode(b'0123456789abcdef').decode()}",
        "Sec-WebSocket-Version: 13",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        answer = connection.recv(4096)
        assert b" 101 " in answer.split(b"\r\n")[0], answer
        while _CLOSE not in answer:
            answer = connection.recv(4096) or _CLOSE


def told(server: Server, names: Iterable[str]) -> dict[str, Told]:
    """Whose these calls are, by the journal."""
    wanted = set(names)

    def found() -> dict[str, Told] | None:
        read_so_far = _read(server.journal)
        return read_so_far if wanted <= read_so_far.keys() else None

    return wait_until(found, "all calls in the journal", 30, (server.child,))


def _read(journal: Path) -> dict[str, Told]:
    found: dict[str, Told] = {}
    for segment in segments(journal):
        records = (record for record in read(segment).records if "type" not in record)
        for observation in map(from_record, records):
            tenant, _, absent, initiator, labels, _ = observation.attribution
            found[observation.reading.response_id or ""] = Told(
                tenant, absent, initiator, tuple(sorted({*labels} - {"action"}))
            )
    return found
