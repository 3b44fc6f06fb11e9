"""Caps, while the gate and the ledger are killed: 64 workers call for 20 tenants until their budgets are spent.

A worker holds, makes its call, which comes to at most what was held, and writes its observation; or it gives the hold
up, or forgets about it. Gate and shipper are killed by SIGKILL again and again, and started anew. Afterwards no
tenant's entries may exceed its cap, nothing may be held, and every sum must be that of the entries, added up by other
means.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.gate.cached import open_backend
from otel_genai_cost.gate.mirror import GateSink
from otel_genai_cost.gate.tokens import TOKENS_FILE, add_token
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.projections.budgets import BUDGET
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import budget_record
from otel_genai_cost.pricing.money import parse_money
from tests.faults.row import Row
from tests.ledger.build import observe, tenant
from tests.limits.build import budget
from tests.queues.brokers import Brokers, free_port

__all__ = ["rows"]

_WORKERS: Final = 64
_TENANTS: Final = 20
_TTL_S: Final = 4
_STORES: Final = ("sqlite", "postgresql", "redis")
_PROGRAMS: Final = multiprocessing.get_context("forkserver")


class _Size(NamedTuple):
    """How often they are killed, and what each tenant may spend."""

    kills: int
    cap: str


_LONG: Final = _Size(200, "2")
_SHORT: Final = _Size(4, "0.05")


def rows(short: bool) -> Iterator[Row]:
    """Of each store.

    Args:
        short: whether a few kills will do.
    """
    _PROGRAMS.set_forkserver_preload(["tests.faults.caps_program"])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = Brokers(folder, stack)
        for store in _STORES:
            address = None if store == "sqlite" else servers.address(store, Path("/usr/bin"))
            home = folder / f"home-{store}"
            home.mkdir()
            yield from _Caps(store, home, address, _SHORT if short else _LONG).rows()


class _Caps:
    """One store's."""

    def __init__(self, store: str, home: Path, address: str | None, size: _Size) -> None:
        self._store, self._home, self._address, self._size = store, home, address, size
        self._port, self._stop = free_port(), threading.Event()
        self._journal = Journal([home / "journal"])
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def rows(self) -> Iterator[Row]:
        began_s = time.monotonic()
        cap = budget("caps", scope={"tenant": "*"}, hard=self._size.cap)
        for one in (cap, budget("all", hard="100000")):
            decide(self._home, {"type": BUDGET, **budget_record(one)})
        self._token = add_token(self._home / TOKENS_FILE, None, None)
        self._ship()
        with self._processes() as processes:
            self._work(processes)
            time.sleep(_TTL_S + 3)
            self._ship()
            time.sleep(2)
            standing = {one["scope"]: one for one in self._budgets()}
        took_s = time.monotonic() - began_s
        yield from self._judged(standing, took_s)

    def _judged(self, standing: Mapping[str, Any], took_s: float) -> Iterator[Row]:
        spent, cap = self._spent(), Decimal(self._size.cap)
        calls = f"{self._counts['calls']} calls, {self._counts['refused']} refused"
        over = [one for one in spent.values() if one > cap]
        full = min(spent.values(), default=Decimal(0)) / cap
        name = f"{self._store}: {_WORKERS} workers, {_TENANTS} caps, {self._size.kills} SIGKILLs"
        yield Row(
            f"{name}: caps exceeded",
            "0",
            f"{len(over)} of {len(spent)} ({calls}; least used {full:.0%})",
            not over and len(spent) == _TENANTS,
            took_s,
        )
        held = {key: one["held"] for key, one in standing.items() if parse_money(one["held"])}
        yield Row(f"{name}: held after its time", "0", str(len(held)), not held, took_s)
        sums = {f"tenant={name}": amount for name, amount in spent.items()}
        sums["organisation"] = sum(spent.values(), Decimal(0))
        wrong = [key for key, amount in sums.items() if Decimal(standing[key]["booked"]) != amount]
        yield Row(
            f"{name}: sums that are not the entries'", "0", str(len(wrong)), not wrong, took_s
        )

    def _spent(self) -> Mapping[str, Decimal]:
        """Of each tenant, by adding up the entries."""
        found: dict[str, Decimal] = {}
        with closing(Ledger(self._home / LEDGER_FILE, readonly=True)) as ledger:
            for entry in ledger.entries:
                tenant = str(entry.attribution.tenant)
                found[tenant] = found.get(tenant, Decimal(0)) + Decimal(entry.amount).scaleb(-18)
        return found

    def _ship(self) -> None:
        sinks = []
        if self._address is not None:
            sinks = [GateSink(open_backend(self._address), lambda: time.time_ns() // 1000)]
        ship(self._home, [self._home / "journal"], sinks=sinks, drain=True)
        for sink in sinks:
            sink.close()

    def _processes(self) -> _Processes:
        return _Processes(self._home, self._address, self._port)

    def _work(self, processes: _Processes) -> None:
        workers = [threading.Thread(target=self._worker, args=(n,)) for n in range(_WORKERS)]
        for one in workers:
            one.start()
        draw = random.Random(1)
        for n in range(self._size.kills):
            self._until_up()
            time.sleep(draw.uniform(0.2, 1.5))
            processes.kill("gate" if n % 2 else "ship")
        self._until_up()
        time.sleep(2)
        self._stop.set()
        for one in workers:
            one.join()
        processes.kill("ship", again=False)

    def _worker(self, number: int) -> None:
        draw, n = random.Random(number), 0
        while not self._stop.is_set():
            n += 1
            self._call(draw, number * 1_000_000 + n)

    def _call(self, draw: random.Random, span: int) -> None:
        """Hold, call, and write what came of it."""
        name = f"t{draw.randrange(_TENANTS)}"
        tokens = draw.randrange(200, 2_000), draw.randrange(10, 400)
        at_s = int(time.time()) - 1_795_000_000
        one = observe(
            span, trace=span, start_s=at_s, end_s=at_s, tokens=tokens, attribution=tenant(name)
        )
        forgets, gives_up = draw.random() < 0.03, draw.random() < 0.1
        answer = self._asked(
            "/v1/reserve",
            id=one.id,
            tenant=name,
            provider="openai",
            model="gpt-4o-2024-08-06",
            input_tokens=tokens[0] + draw.randrange(200),
            max_tokens=tokens[1] + draw.randrange(200),
            modalities=["text"],
            ttl_s=_TTL_S,
            dispatched=not forgets,
        )
        with self._lock:
            self._counts["calls" if answer else "refused"] += 1
        if not answer or forgets:
            time.sleep(0 if answer else 0.05)
        elif gives_up:
            self._asked("/v1/release", id=one.id)
        else:
            with self._lock:
                self._journal.append(to_record(one))

    def _asked(self, path: str, **body: Any) -> bool:
        """Whether the gate says yes; asked again until it answers, as it may be down."""
        while True:
            with suppress(OSError, http.client.HTTPException):
                status = self._request("POST", path, body)[0]
                if status < 500:
                    return status == 200
            time.sleep(0.1)

    def _until_up(self) -> None:
        while True:
            with suppress(OSError, http.client.HTTPException):
                if self._request("GET", "/health", None)[0] == 200:
                    return
            time.sleep(0.05)

    def _budgets(self) -> list[Any]:
        return list(self._request("GET", "/v1/budgets", None)[1]["budgets"])

    def _request(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        headers = {"Authorization": f"Bearer {self._token}"}
        with closing(connection):
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())


class _Processes:
    """The gate and the shipper, each in a process of its own that is forked from a clean one."""

    def __init__(self, home: Path, address: str | None, port: int) -> None:
        self._arguments = (str(home), address, port)
        self._running: dict[str, Any] = {}

    def __enter__(self) -> _Processes:
        for name in ("gate", "ship"):
            self._start(name)
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._running.values():
            one.kill()
            one.join()

    def kill(self, name: str, *, again: bool = True) -> None:
        one = self._running[name]
        os.kill(one.pid, signal.SIGKILL)
        one.join()
        if again:
            self._start(name)

    def _start(self, name: str) -> None:
        from tests.faults import caps_program

        target = getattr(caps_program, name)
        self._running[name] = one = _PROGRAMS.Process(target=target, args=self._arguments)
        one.start()
