"""A gate over a ledger of its own, with a clock that is set by hand, and what its answers are checked against."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from starlette.testclient import TestClient

from otel_genai_cost.gate.gate import Gate, Options
from otel_genai_cost.gate.service import application
from otel_genai_cost.gate.sqlite_store import SqliteStore
from otel_genai_cost.gate.tokens import TOKENS_FILE, Tokens, add_token
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.posting.run import settle_waiting
from otel_genai_cost.ledger.projections.budgets import BUDGET
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import Budget, budget_record
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

    def __init__(self, home: Path, gate: Gate, client: TestClient, clock: Clock) -> None:
        self.home, self.gate, self.client, self.clock = home, gate, client, clock
        self.team = self.token(None)

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
        with closing(sqlite3.connect(self.home / LEDGER_FILE)) as db:
            row = db.execute("SELECT state FROM hold WHERE id = ?", (hold_id(n),)).fetchone()
        return "none" if row is None else str(row[0])

    def sweep(self, later_s: int = 0) -> None:
        from otel_genai_cost.gate.holding import sweep

        self.clock.now_us += later_s * 1_000_000
        self.gate.store.submit(sweep).result()


def hold_id(n: int) -> str:
    return f"{n:032x}"


@contextmanager
def opened(
    home: Path, *budgets: Budget, options: Options | None = None, journals: Iterable[Path] = ()
) -> Generator[Opened]:
    """A gate with these budgets."""
    with closing(Ledger(home / LEDGER_FILE)) as ledger, ledger.transaction():
        events = [{"type": BUDGET, **budget_record(one)} for one in budgets]
        ledger.ingest(events, START_US, 0)
    clock = Clock()
    gate = Gate(
        SqliteStore(home, list(journals), clock),
        Tokens(home / TOKENS_FILE, clock),
        lambda: BOOK,
        home,
        options,
        clock,
    )
    try:
        with TestClient(application(gate), raise_server_exceptions=True) as client:
            yield Opened(home, gate, client, clock)
    finally:
        gate.close()


def post(home: Path, *observations: Any, settle: bool = True) -> None:
    """What the shipper does with observations."""
    with closing(Ledger(home / LEDGER_FILE)) as ledger, ledger.transaction():
        ledger.ingest([to_record(one) for one in observations], START_US, 0)
        if settle:
            settle_waiting(ledger, 1 << 62, START_US, lambda _, __: None)


def check_sums(home: Path, key_of: Callable[[str], str] = lambda key: key) -> None:
    """That what is held of each sum is what the open holds say, worked out anew by SQL of its own."""
    with closing(sqlite3.connect(home / LEDGER_FILE)) as db:
        expected: Counter[tuple[str, str, int]] = Counter()
        flying: Counter[tuple[str, str, int]] = Counter()
        rows = db.execute(
            "SELECT s.series, s.key, s.period_from, s.amount, h.state FROM hold_scope s"
            " JOIN hold h ON h.id = s.hold_id WHERE h.state IN ('held','sent','measured','lost')"
        )
        for series, key, from_us, amount, state in rows:
            expected[series, key, from_us] += int(amount)
            flying[series, key, from_us] += int(amount) if state in ("held", "sent") else 0
        kept = db.execute("SELECT series, key, period_from, open, in_flight FROM held").fetchall()
    assert {row[:3]: int(row[3]) for row in kept if int(row[3])} == {
        key: n for key, n in expected.items() if n
    }
    assert {row[:3]: int(row[4]) for row in kept if int(row[4])} == {
        key: n for key, n in flying.items() if n
    }
