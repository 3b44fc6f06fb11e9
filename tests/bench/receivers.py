"""What an agent and a ledger take to receive calls and to acknowledge them at `node`: processes of their own, asked by
four senders at once, in the time of their processors. The peer does what no receiver can leave out, alone: it unpacks
the same requests, writes what is in them, and brings it onto the disk."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import time
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from otel_genai_cost.forwarding.wire import DURABILITY, PATH, Lines, request_body
from otel_genai_cost.journal.segment import Journal
from tests.bench.measure import Result, of_aim, of_budget
from tests.demo.processes import Child, Children, children
from tests.kubernetes.measure import line, memory_mib, served

_SENDERS: Final = 4
_CALLS: Final = 5_000
"""Of each sender."""

_TOGETHER: Final = 100
"""Calls of a request: what forty pods of five calls a second send in a round."""

_WANTED: Final = 2_000
"""Calls a second of one processor: fifty times what forty pods of one call a second make."""


class _Sender(NamedTuple):
    """What a sender asks, packed as it is sent."""

    requests: tuple[bytes, ...]


class _Taken(NamedTuple):
    """Calls acknowledged a second of the receiver's processor, and of the clock; its memory."""

    cpu_rate: float
    rate: float
    memory_mib: int


def receivers() -> Iterator[Result]:
    """A ledger, then an agent before one."""
    with TemporaryDirectory() as folder:
        senders = [_sender(Path(folder) / f"sender-{n}") for n in range(_SENDERS)]
        least = [_least(senders, Path(folder) / "least") for _ in range(3)]
        noise = max(least) / min(least) - 1
        with children() as started:
            taken = _ledger(Path(folder), started, senders)
            yield from _rows("ledger serve", taken, sorted(least)[1], 1_024, noise)
        with children() as started:
            taken = _agent(Path(folder) / "agents", started, senders)
            yield from _rows("agent before a ledger", taken, sorted(least)[1], 384, noise)


def _rows(
    name: str, taken: _Taken, least_rate: float, limit_mib: int, noise: float
) -> Iterator[Result]:
    yield of_aim(
        f"{name}: calls/s of a core, at `node`", taken.cpu_rate, _WANTED, "1/s", ">= 1.00", noise
    )
    yield of_aim(f"{name}: calls/s by the clock", taken.rate, _WANTED / 5, "1/s", ">= 1.00", noise)
    yield Result(
        f"{name}: a call at `node`",
        1e6 / taken.cpu_rate,
        1e6 / least_rate,
        "unpacked, written, fsync",
        "us",
        least_rate / taken.cpu_rate,
        "<= 10.00",
        noise,
        is_bound=False,
    )
    yield of_budget(f"{name}: memory", taken.memory_mib, limit_mib, "MiB", "<= 1.00", 0.0)


def _sender(folder: Path) -> _Sender:
    journal = Journal([folder])
    for number in range(_CALLS):
        journal.append(line(number))
    journal.close()
    (path,) = folder.glob("*.jsonl")
    lines, offset = path.read_bytes().splitlines(keepends=True), 0
    requests: list[bytes] = []
    for at in range(0, len(lines), _TOGETHER):
        content = b"".join(lines[at : at + _TOGETHER])
        finished = at + _TOGETHER >= len(lines)
        body = request_body([Lines(path.stem, offset, content, finished)])
        requests.append(gzip.compress(body, 1))
        offset += len(content)
    return _Sender(tuple(requests))


def _least(senders: list[_Sender], folder: Path) -> float:
    """Calls a second of the peer."""
    folder.mkdir(exist_ok=True)
    begun_s = time.process_time()
    for n, sender in enumerate(senders):
        descriptor = os.open(folder / str(n), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for request in sender.requests:
            (block,) = json.loads(gzip.decompress(request))["resourceLogs"]
            (record,) = block["scopeLogs"][0]["logRecords"]
            os.write(descriptor, b64decode(record["body"]["bytesValue"]))
            os.fsync(descriptor)
        os.close(descriptor)
    return len(senders) * _CALLS / (time.process_time() - begun_s)


def _ledger(folder: Path, started: Children, senders: list[_Sender]) -> _Taken:
    ledger = served(started, folder, "ledger", "ledger", "serve", "--ledger", str(folder / "l"))
    return _asked(ledger, senders)


def _agent(folder: Path, started: Children, senders: list[_Sender]) -> _Taken:
    folder.mkdir()
    ledger = served(started, folder, "ledger", "ledger", "serve", "--ledger", str(folder / "l"))
    to = f"http://{_at(ledger)}"
    own = ("agent", "--to", to, "--folder", str(folder / "a"))
    return _asked(served(started, folder, "agent", *own), senders)


def _at(child: Child) -> str:
    return child.find(r"receiving journals at http://([^/]+)")


def _asked(child: Child, senders: list[_Sender]) -> _Taken:
    before_s, begun_s = child.cpu_s(), time.monotonic()
    with ThreadPoolExecutor(len(senders)) as pool:
        list(pool.map(lambda one: _send(_at(child), one), senders))
    calls, took_s = len(senders) * _CALLS, child.cpu_s() - before_s
    return _Taken(calls / took_s, calls / (time.monotonic() - begun_s), memory_mib(child))


def _send(at: str, sender: _Sender) -> None:
    connection = http.client.HTTPConnection(at, timeout=60)
    headers = {"content-type": "application/json", "content-encoding": "gzip", DURABILITY: "node"}
    for request in sender.requests:
        while True:
            connection.request("POST", PATH, request, headers)
            answer = connection.getresponse()
            said = answer.read()
            if answer.status == 200:
                break
            assert answer.status == 503, said
            time.sleep(0.05)
    connection.close()
