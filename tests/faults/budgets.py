"""Budgets while who books is killed: sums are those of the entries, what is reached is reported once, and a ledger that
is lost comes to the same.

Shippers are forked and killed at a random moment, some in the middle of a transaction, while calls are journalled, some
of which go to another tenant by a span that comes later, and while limits are raised and lowered.
"""

from __future__ import annotations

import logging
import os
import random
import shutil
import signal
import sqlite3
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.journal.reader import read, segments
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.projections.crossings import CROSSING
from otel_genai_cost.ledger.storage.budgeting import decide_budgets
from otel_genai_cost.ledger.storage.keeping import EVENTS
from otel_genai_cost.ledger.storage.store import Ledger
from tests.faults.row import Row
from tests.ledger.build import observe, tenant

_TENANTS: Final = ("acme", "globex", "initech", "umbrella")
_CALLS_A_ROUND: Final = 8
_LIFE_S: Final = (0.02, 0.4)
_BUDGETS: Final[tuple[dict[str, Any], ...]] = (
    {"id": "each", "scope": {"tenant": "*"}, "period": "total"},
    {"id": "all", "period": "total"},
    {"id": "month", "scope": {"tenant": "*"}, "period": "month", "zone": "America/Santiago"},
)


def rows(short: bool) -> Iterator[Row]:
    """What came of it."""
    kills = 20 if short else 200
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        logging.disable(logging.ERROR)
        try:
            home = Path(folder) / "home"
            calls = _booked_under_fire(home, kills)
            found = {**_checked(home), **_rebuilt(home, Path(folder) / "rebuilt")}
            crossings = len(_rows(home, "SELECT * FROM crossing"))
        finally:
            logging.disable(logging.NOTSET)
    wrong = [f"{count} {name}" for name, count in found.items() if count]
    yield Row(
        f"budgets: {kills} kills of the shipper, {calls:,} calls, {crossings} crossings",
        "nothing wrong or lost",
        ", ".join(wrong) or "nothing",
        not wrong and crossings > 0,
        time.monotonic() - started_s,
    )


def _booked_under_fire(home: Path, kills: int) -> int:
    draw, journal = random.Random(kills), Journal([home / "journal"])
    now_s, later, calls = time.time_ns() // 10**9, list[Any](), 0
    for n in range(kills):
        if n % 5 == 0:
            written = [{**one, "currency": "USD", "hard": _about(calls, draw)} for one in _BUDGETS]
            decide_budgets(home / LEDGER_FILE, written, time.time_ns() // 1000)
        child = _shipper(home)
        for _ in range(_CALLS_A_ROUND):
            calls += 1
            _journal_call(journal, draw, calls * 10, later, now_s)
        time.sleep(draw.uniform(*_LIFE_S))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    for one in later:
        journal.append(to_record(one))
    journal.close()
    ship(home, [home / "journal"], drain=True)
    return calls


def _about(calls: int, draw: random.Random) -> str:
    """A limit that what is spent by now may have come to, or not."""
    return f"{0.0035 * (calls + 1) * draw.uniform(0.1, 1.5):.4f}"


def _journal_call(
    journal: Journal, draw: random.Random, span: int, later: list[Any], now_s: int
) -> None:
    """A call of the present; one in ten turns out to be another tenant's."""
    start_s = now_s - 1_795_000_000 - draw.randrange(1, 60)
    said: dict[str, Any] = {"trace": span, "start_s": start_s, "end_s": start_s + 1}
    who = tenant(draw.choice(_TENANTS), "baggage")
    journal.append(to_record(observe(span, attribution=who, **said)))
    if draw.random() < 0.1:
        other = tenant(draw.choice(_TENANTS), "for_tenant")
        later.append(observe(span + 1, above=(span,), scope="native", attribution=other, **said))
    if later and draw.random() < 0.1:
        journal.append(to_record(later.pop()))


def _shipper(home: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    while True:
        try:
            ship(home, [home / "journal"], drain=True)
        except (GenAICostError, OSError, sqlite3.Error):
            time.sleep(0.001)


def _checked(home: Path) -> dict[str, int]:
    """What is wrong, by what, worked out from the tables by other code."""
    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
        versions = [one for each in ledger.budgets.every().values() for one in each]
        wrong = 0
        for series in {one.series for one in versions}:
            one = next(each for each in versions if each.series == series)
            sums: dict[tuple[str, int], int] = defaultdict(int)
            for entry in ledger.entries:
                key = one.key({"tenant": entry.attribution.tenant})
                if key is not None:
                    sums[key, one.period_at(entry.occurred_us)[0]] += entry.amount
            found = {
                (c.place.key, c.place.period_from_us): c.booked
                for c in ledger.budgets.counters(series)
            }
            wrong += sum(found.get(at, 0) != sums[at] for at in found.keys() | sums.keys())
        unsaid = _unsaid(ledger)
    with closing(sqlite3.connect(home / LEDGER_FILE)) as db:
        keys = db.execute("SELECT key, audience FROM notice").fetchall()
        rows = db.execute(
            "SELECT budget, series, key, period_from, mark, direction, episode FROM crossing"
        ).fetchall()
    events = [
        record
        for path in segments(home / EVENTS)
        for record in read(path).records
        if record.get("type") == CROSSING
    ]
    expected = sum(1 if one["scope"] == "organisation" else 2 for one in _distinct(events))
    return {
        "sums wrong": wrong,
        "unsaid": unsaid,
        "said twice": sum(n - 1 for n in Counter(keys).values()),
        "notices lost": expected - len(keys),
        "episodes wrong": _out_of_turn(rows),
    }


def _distinct(events: list[Any]) -> list[Any]:
    """One that is written again after a crash is the same one."""
    names = ("budget", "series", "scope", "period_from_us", "direction")
    return list({str([*map(one.get, names), one["crossed"]]): one for one in events}.values())


def _unsaid(ledger: Ledger) -> int:
    """Marks that a sum has come to and that nobody has heard of."""
    count = 0
    for budget in ledger.budgets.active(time.time_ns() // 1000):
        for one in ledger.budgets.counters(budget.series):
            last = ledger.budgets.last_crossings(budget.id, one.place)
            up = {name for name, each in last.items() if each.direction == "up"}
            reached = {name for name, amount in budget.marks.items() if one.booked >= amount}
            count += len(reached - up)
    return count


def _out_of_turn(rows: list[Any]) -> int:
    """An episode begins with one `up`, and all but the last end with one `down`."""
    found: dict[Any, dict[str, set[int]]] = defaultdict(lambda: {"up": set(), "down": set()})
    for *place, direction, episode in rows:
        found[tuple(place)][direction].add(episode)
    return sum(
        one["up"] != set(range(1, len(one["up"]) + 1))
        or one["down"] not in (one["up"], one["up"] - {len(one["up"])})
        for one in found.values()
    )


def _rebuilt(home: Path, folder: Path) -> dict[str, int]:
    """How a ledger differs that is made again from what was written down."""
    shutil.copytree(home / "journal", folder / "journal")
    shutil.copytree(home / EVENTS, folder / EVENTS)
    ship(folder, [folder / "journal"], drain=True)
    tables = {
        "crossings": "SELECT * FROM crossing",
        "counters": "SELECT series, key, period_from, currency, booked, calls FROM counter WHERE calls != 0",
        "versions": "SELECT body FROM budget",
        "notices": "SELECT id, kind, at_us FROM notice",
    }
    return {
        f"{name} differ": len(_rows(home, sql) ^ _rows(folder, sql)) for name, sql in tables.items()
    }


def _rows(home: Path, sql: str) -> set[Any]:
    with closing(sqlite3.connect(home / LEDGER_FILE)) as db:
        return set(db.execute(sql))
