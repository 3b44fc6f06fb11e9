"""Prepaid credit's pace: a call's hold at the gate, and its charge booked, which burns and ends the hold."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from otel_genai_cost.gate.admission import Asked
from otel_genai_cost.gate.bound import Bound
from otel_genai_cost.gate.holding import Held, Reservation, Terms, reserve
from otel_genai_cost.gate.sqlite_store import SqliteStore
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.posting.run import settle_waiting
from otel_genai_cost.ledger.storage.store import Ledger
from tests.bench.measure import Result, of_aim
from tests.ledger.build import START_US, observe, tenant
from tests.ledger.projections.credit_entries import event

_TENANTS: Final = 10_000
_CALLS: Final = 4_000
_AT_ONCE: Final = 64
_BOOKED_AT_ONCE: Final = 256
_BOOKED_US: Final = START_US + 10**10


def credits_of_calls() -> Iterator[Result]:
    """Calls of 10,000 tenants with two grants each, held and booked, a second of CPU time."""
    rates = [_pairs_a_second() for _ in range(3)]
    middle = sorted(rates)[1]
    noise = max(rates) / min(rates) - 1
    name = "prepaid calls held and booked a second"
    yield of_aim(name, middle, 2_000, "1/s", ">= 1.00", noise)


def _pairs_a_second() -> float:
    calls = [
        observe(n, trace=n, start_s=n, end_s=n + 1, attribution=tenant(f"t{7 * n % _TENANTS}"))
        for n in range(1, _CALLS + 1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with closing(Ledger(home / LEDGER_FILE)) as ledger:
            _grant(ledger)
            started_s = time.process_time()
            _hold(home, calls)
            _book(ledger, calls)
            took_s = time.process_time() - started_s
            assert not any(one.held for one in ledger.credits.balances(_BOOKED_US, 0))
            assert sum(one.burnt > 0 for one in ledger.credits.balances(_BOOKED_US, 0)) == _CALLS
    return _CALLS / took_s


def _grant(ledger: Ledger) -> None:
    for first in range(0, _TENANTS, 500):
        written = [
            {"ref": f"{n}-{kind}", "tenant": f"t{n}", "amount": "10", "kind": kind}
            for n in range(first, first + 500)
            for kind in ("paid", "promo")
        ]
        with ledger.transaction():
            ledger.ingest([event(*written)], START_US, 0)


def _hold(home: Path, calls: list[Observation]) -> None:
    """As the gate does, with so many calls at once as ask it."""
    store = SqliteStore(home, [], lambda: START_US)
    for first in range(0, len(calls), _AT_ONCE):
        asked = [
            store.submit(partial(reserve, request=_request(one), terms=Terms(lambda *_: None)))
            for one in calls[first : first + _AT_ONCE]
        ]
        done, _ = wait(asked)
        assert all(isinstance(one.result(), Held) for one in done)
    store.close()


def _request(call: Observation) -> Reservation:
    who = call.attribution.tenant
    return Reservation(
        id=call.id,
        digest="d",
        text="{}",
        asked=Asked({"tenant": who}, None, None),
        tenant=who,
        bound=lambda *_: Bound.of(10**17, "USD"),
        ttl_us=600_000_000,
        is_dispatched=True,
        lost_after_us=None,
    )


def _book(ledger: Ledger, calls: list[Observation]) -> None:
    """As the shipper does."""
    for first in range(0, len(calls), _BOOKED_AT_ONCE):
        part = calls[first : first + _BOOKED_AT_ONCE]
        with ledger.transaction():
            ledger.ingest(map(to_record, part), _BOOKED_US, 0)
            settle_waiting(ledger, _BOOKED_US, _BOOKED_US, lambda _, __: None)
