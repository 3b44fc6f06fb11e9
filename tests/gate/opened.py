"""A gate over a ledger of its own, with a clock that is set by hand, and what its answers are checked against."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing, contextmanager
from decimal import Context, Decimal
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, Final

import psycopg
import redis
from starlette.testclient import TestClient

from otel_genai_cost.gate.cached import CachedStore, open_backend
from otel_genai_cost.gate.gate import Gate, Options
from otel_genai_cost.gate.mirror import GateSink
from otel_genai_cost.gate.service import application
from otel_genai_cost.gate.sqlite_store import SqliteStore
from otel_genai_cost.gate.tokens import TOKENS_FILE, Tokens, add_token
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.posting.run import settle_waiting
from otel_genai_cost.ledger.projections.budgets import BUDGET
from otel_genai_cost.ledger.sink import feed
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import Budget, budget_record
from otel_genai_cost.limits.hold import Hold, Place
from otel_genai_cost.pricing.cost import unpriced
from otel_genai_cost.pricing.load import load_book
from tests.ledger.build import START_US

BOOK: Final = load_book()


class Clock:
    """Shows what it is set to, unix microseconds."""

    def __init__(self, now_us: int = START_US) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us


class Opened:
    """A gate, and a client with the team's token."""

    def __init__(
        self, home: Path, gate: Gate, client: TestClient, clock: Clock, address: str | None
    ) -> None:
        self.home, self.gate, self.client, self.clock = home, gate, client, clock
        self.address = address
        self.team = self.token(None)

    def book(self, *observations: Any, settle: bool = True) -> None:
        """What the shipper does with observations, and with a store elsewhere."""
        post(self.home, *observations, settle=settle)
        bring(self.home, self.address, self.clock)

    def begin(self, observation: Observation) -> None:
        """The start of a call, as the shipper finds it in a journal."""
        begun = to_record(observation._replace(cost=unpriced("unfinished")))
        with closing(Ledger(self.home / LEDGER_FILE)) as ledger, ledger.transaction():
            ledger.ingest([{"type": "start", **begun}], self.clock.now_us, 0)
        bring(self.home, self.address, self.clock)

    def open_holds(self) -> list[Hold]:
        return self.gate.store.submit(lambda within: within.open()).result()

    def token(self, tenant: str | None) -> Mapping[str, str]:
        given = add_token(self.home / TOKENS_FILE, tenant, None)
        return {"Authorization": f"Bearer {given}"}

    def post(self, path: str, token: Mapping[str, str] | None = None, /, **body: Any) -> Any:
        return self.client.post(f"/v1/{path}", json=body, headers=token or self.team)

    def reserve(self, n: int, amount: str | None = "1", **body: Any) -> Any:
        said = {"tenant": "acme", **body} | ({} if amount is None else {"amount": amount})
        return self.post("reserve", id=hold_id(n), **said)

    def budgets(self, token: Mapping[str, str] | None = None, **query: str) -> list[Any]:
        found = self.client.get("/v1/budgets", params=query, headers=token or self.team)
        assert found.status_code == 200, found.text
        return list(found.json()["budgets"])

    def state(self, n: int) -> str:
        found = self.gate.store.submit(lambda within: within.find(hold_id(n))).result()
        return "none" if found is None else found.state

    def sweep(self, later_s: int = 0) -> None:
        from otel_genai_cost.gate.holding import sweep

        self.clock.now_us += later_s * 1_000_000
        self.gate.store.submit(sweep).result()


def hold_id(n: int) -> str:
    return f"{n:032x}"


@contextmanager
def opened(
    home: Path,
    *budgets: Budget,
    address: str | None = None,
    options: Options | None = None,
    journals: Iterable[Path] = (),
) -> Generator[Opened]:
    """A gate with these budgets, and a store at that address, or in the ledger."""
    with closing(Ledger(home / LEDGER_FILE)) as ledger, ledger.transaction():
        events = [{"type": BUDGET, **budget_record(one)} for one in budgets]
        ledger.ingest(events, START_US, 0)
    clock = Clock()
    bring(home, address, clock)
    gate = Gate(
        SqliteStore(home, list(journals), clock)
        if address is None
        else CachedStore(open_backend(address), clock),
        Tokens(home / TOKENS_FILE, clock),
        lambda: BOOK,
        home,
        options,
        clock,
    )
    try:
        with TestClient(application(gate), raise_server_exceptions=True) as client:
            found = Opened(home, gate, client, clock, address)
            yield found
            check_sums(found)
    finally:
        gate.close()


def post(home: Path, *observations: Any, settle: bool = True) -> None:
    """What the shipper does with observations."""
    with closing(Ledger(home / LEDGER_FILE)) as ledger, ledger.transaction():
        ledger.ingest([to_record(one) for one in observations], START_US, 0)
        if settle:
            settle_waiting(ledger, 1 << 62, START_US, lambda _, __: None)


def bring(home: Path, address: str | None, clock: Clock) -> None:
    """What is booked, to a store elsewhere."""
    if address is None:
        return
    with (
        closing(GateSink(open_backend(address), clock)) as sink,
        closing(Ledger(home / LEDGER_FILE)) as ledger,
    ):
        feed(ledger, sink, clock)


def check_sums(found: Opened) -> None:
    """That what is held of each sum is what the open holds say, worked out anew."""
    opened_sums: Counter[Place] = Counter()
    flying: Counter[Place] = Counter()
    for hold in found.open_holds():
        for place, claimed in hold.claims:
            amount = ceil(claimed * _share_left(hold))
            opened_sums[place] += amount
            flying[place] += amount if hold.state in ("held", "sent") else 0
    for place, (opened_sum, in_flight) in _kept(found).items():
        assert (opened_sums.pop(place, 0), flying.pop(place, 0)) == (opened_sum, in_flight)
    assert not any(opened_sums.values())
    assert not any(flying.values())


def _share_left(hold: Hold) -> Fraction:
    """Of a hold whose charge is booked in part, what is not."""
    if not hold.booked or not hold.amount:
        return Fraction(1)
    return max(Fraction(hold.amount - hold.booked, hold.amount), Fraction(0))


def _kept(found: Opened) -> Mapping[Place, tuple[int, int]]:
    """The sums as they are kept, read by no code of the store's."""
    if found.address is None:
        with closing(sqlite3.connect(found.home / LEDGER_FILE)) as db:
            rows: Any = db.execute("SELECT series, key, period_from, open, in_flight FROM held")
            return {Place(*row[:3]): (int(row[3]), int(row[4])) for row in rows}
    if found.address.startswith("postgresql"):
        with psycopg.connect(found.address) as postgres:
            rows = postgres.execute(
                "SELECT series, key, period_from, open, in_flight FROM genai_cost.held"
            ).fetchall()
            return {Place(*row[:3]): (_atto(row[3]), _atto(row[4])) for row in rows}
    with redis.Redis.from_url(found.address, decode_responses=True) as db2:
        kept: Any = db2.hgetall("{genai-cost}:held")
        return {_place(key): _two(text) for key, text in kept.items()}


def _atto(amount: Decimal) -> int:
    return int(amount.scaleb(18, Context(prec=60)))


def _place(field: str) -> Place:
    series, key, from_us = field.split("\x1f")
    return Place(series, key, int(from_us))


def _two(text: str) -> tuple[int, int]:
    opened_sum, in_flight = text.split()
    return int(opened_sum), int(in_flight)
