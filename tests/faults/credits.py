"""Credits while everybody is killed: who grants, who holds, who books, and whoever does any of that again.

One process writes a journal; gates, shippers and granters are forked from it and killed at a random moment, some in the
middle of a transaction. Some calls are rated again or go to another tenant by a span that comes later, and some that
were held are never heard of. The books are then held against sums that other code makes of the tables, and against a
ledger that nobody killed.
"""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.gate.admission import Asked
from otel_genai_cost.gate.bound import Bound
from otel_genai_cost.gate.holding import Reservation, Terms, reserve, sweep
from otel_genai_cost.gate.sqlite_store import SqliteStore
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.projections.credits import Balance
from otel_genai_cost.ledger.storage.granting import grant_credit
from otel_genai_cost.ledger.storage.keeping import EVENTS
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.tenancy.attribution import Attribution
from tests.faults.row import Row
from tests.ledger.build import START_US, observe, tenant

_CALLS_A_ROUND: Final = 20
_GRANTS_A_ROUND: Final = 10
_CORRECTED: Final = 0.05
_UNHEARD: Final = 0.02
_LIFE_S: Final = (0.03, 2.0)
"""How long they live at most: as long as it takes to book something about every other time, on this machine."""

_CHECK_EVERY: Final = 100
_NOTHING: Final = Decimal(0)


class _World:
    """Draws calls and grants, and remembers what it asked for."""

    def __init__(self, home: Path, tenants: int, seed: int) -> None:
        self.home, self.draw = home, random.Random(seed)
        self._tenants = [f"t{n}" for n in range(tenants)]
        self._journal = Journal([home / "journal"])
        self._span = 0
        self.coming: list[Any] = []
        self.later: list[Any] = []
        self.refs: set[str] = set()
        self.corrected = self.calls = 0

    def write(self) -> None:
        """Some calls, and what is learned of earlier ones."""
        found = [one for one in self.coming if self.draw.random() > _UNHEARD]
        self.coming = [self._call() for _ in range(_CALLS_A_ROUND)]
        found += [self.later.pop() for _ in range(len(self.later)) if self.draw.random() < 0.5]
        self.calls += len(found)
        for one in found:
            assert self._journal.append(to_record(one))

    def _call(self) -> Any:
        self._span += 10
        told: dict[str, Any] = {
            "trace": self._span,
            "start_s": self.draw.randrange(86_400),
            "tokens": (self.draw.randrange(1, 3_000), self.draw.randrange(1, 300)),
        }
        told["end_s"] = told["start_s"] + 1
        who = self.draw.choice(self._tenants)
        if self.draw.random() < _CORRECTED:
            self.corrected += 1
            self.later.append(self._correction(who, told))
        return observe(self._span, attribution=tenant(who, "baggage"), **told)

    def _correction(self, who: str, told: dict[str, Any]) -> Any:
        """A span below the call's own: it knows of a cache, or better for whom the call was."""
        more: dict[str, Any] = {**told, "above": (self._span,), "scope": "native"}
        if self.draw.random() < 0.5:
            cached = {"cache_read": told["tokens"][0] // 2}
            return observe(self._span + 1, parts=cached, attribution=Attribution(), **more)
        other = tenant(self.draw.choice(self._tenants), "for_tenant")
        return observe(self._span + 1, attribution=other, **more)

    def grants(self) -> list[dict[str, Any]]:
        """Grants of all kinds: spent soon, for ever, expired since long, not begun."""
        found: list[dict[str, Any]] = []
        for _ in range(_GRANTS_A_ROUND):
            ref = f"r{len(self.refs)}"
            self.refs.add(ref)
            begins_us = START_US + self.draw.choice((-1, 0, 6, 12)) * 3_600_000_000
            lasts_us = self.draw.choice((None, None, 6 * 3_600_000_000, 1 << 50))
            found.append(
                {
                    "ref": ref,
                    "tenant": self.draw.choice(self._tenants),
                    "currency": "USD",
                    "amount": f"0.00{self.draw.randrange(1, 10**6):06d}",
                    "priority": self.draw.randrange(3),
                    "from": rfc3339(begins_us),
                    "expires": None if lasts_us is None else rfc3339(begins_us + lasts_us),
                }
            )
        return found


def _hold(home: Path, calls: list[Any]) -> None:
    """Hold what calls may come to, as the gate does; whether it is let through makes no difference to who calls."""
    store = SqliteStore(home, [])
    for one in calls:
        request = Reservation(
            id=one.id,
            digest="d",
            text="{}",
            asked=Asked({"tenant": one.attribution.tenant}, None, None),
            tenant=one.attribution.tenant,
            bound=partial(_bound, 2 * (one.cost.total or 0)),
            ttl_us=600_000_000,
            is_dispatched=True,
            lost_after_us=None,
        )
        store.submit(partial(reserve, request=request, terms=Terms(_no_rate)))
    store.close()


def _bound(most: int, model: str | None, max_tokens: int | None, at_us: int) -> Bound:
    return Bound.of(most, "USD")


def _no_rate(amount: int, base: str, quote: str, at_us: int) -> int | None:
    return None


def _sweep(home: Path, at_us: int) -> None:
    store = SqliteStore(home, [], lambda: at_us)
    while store.submit(sweep).result():
        pass
    store.close()


def _forked(work: Callable[[], object]) -> int:
    """Let a child work, over and over; its process id."""
    pid = os.fork()
    if pid:
        return pid
    while True:
        try:
            work()
        except (GenAICostError, OSError, sqlite3.Error):  # another holds it, or has not made it yet
            time.sleep(0.001)


def _killed(pids: list[int], after_s: float) -> None:
    time.sleep(after_s)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def torment(home: Path, kills: int, tenants: int, seed: int) -> dict[str, Any]:
    """Kill shippers and granters, and compare.

    Returns:
        What is wrong, by name, and how much happened.
    """
    world, wrong = _World(home, tenants, seed), Counter[str]()
    journals, done, life_s, seq = [home / "journal"], 0, 0.2, 0
    while done < kills:
        world.write()
        asked = world.grants()
        work: list[Callable[[], object]] = [lambda: ship(home, journals, drain=True)] * 2
        work.append(partial(grant_credit, home / LEDGER_FILE, asked, _now_us()))
        work.append(partial(_hold, home, world.coming))
        pids = [_forked(one) for one in work]
        _killed(pids, world.draw.uniform(0.0, life_s))
        done += len(pids)
        before, seq = seq, _last_seq(home)
        life_s = min(max(life_s * (0.85 if seq > before else 1.25), _LIFE_S[0]), _LIFE_S[1])
        grant_credit(home / LEDGER_FILE, asked, _now_us())  # whoever asks does so again
        _hold(home, world.coming)
        if done % _CHECK_EVERY < len(pids):
            wrong.update(_wrong(home))
    meanwhile = _count(home, "credit_burn")
    ship(home, journals, drain=True)
    wrong.update(_wrong(home))
    holds = _count(home, "hold")
    _sweep(home, _now_us() + 40 * 86_400_000_000)
    wrong["holds left"] += sum(one.held != 0 for one in _balances(home / LEDGER_FILE))
    wrong["refs"] += abs(_count(home, "credit_grant") - len(world.refs))
    wrong["differs"] += _differs(home)
    return {
        "wrong": {name: n for name, n in wrong.items() if n},
        "kills": done,
        "calls": world.calls,
        "corrected": world.corrected,
        "burns between kills": meanwhile,
        "burns": _count(home, "credit_burn"),
        "holds": holds,
        "grants": _count(home, "credit_grant"),
    }


def _now_us() -> int:
    return time.time_ns() // 1000


def _last_seq(home: Path) -> int:
    try:
        return _count(home, "entry")
    except sqlite3.Error:
        return 0  # it is not there yet


def _count(home: Path, table: str) -> int:
    file = f"{(home / LEDGER_FILE).as_uri()}?mode=ro"
    with closing(sqlite3.connect(file, uri=True)) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _wrong(home: Path) -> Counter[str]:
    """Sums of the tables that are not what they have to be, as they stand between two kills."""
    if not (home / LEDGER_FILE).exists():
        return Counter()
    ledger = Ledger(home / LEDGER_FILE, readonly=True)
    with ledger.snapshot():
        found = _wrong_grants(ledger._db) + _wrong_accounts(ledger)
        found += _wrong_entries(ledger) + _wrong_holds(ledger._db)
    ledger.close()
    return found


def _sums(db: sqlite3.Connection, sql: str) -> dict[Any, Decimal]:
    """Amounts, which are decimal texts, by what stands before them."""
    found: dict[Any, Decimal] = {}
    for key, amount in db.execute(sql):
        found[key] = found.get(key, _NOTHING) + Decimal(amount)
    return found


def _wrong_grants(db: sqlite3.Connection) -> Counter[str]:
    found = Counter[str]()
    burnt = _sums(db, "SELECT grant_n, amount FROM credit_burn WHERE grant_n IS NOT NULL")
    expired = _sums(db, "SELECT grant_n, amount FROM credit_expiry")
    for n, amount, phase in db.execute("SELECT n, amount, phase FROM credit_grant"):
        mine, gone = burnt.get(n, _NOTHING), expired.get(n, _NOTHING)
        found["grants burnt twice"] += not 0 <= mine <= Decimal(amount)
        found["expiries that do not add up"] += gone != (
            Decimal(amount) - mine if phase == 2 else 0
        )
    twice = "SELECT count(*) - count(DISTINCT id) FROM credit_grant"
    found["grants granted twice"] += db.execute(twice).fetchone()[0]
    return found


def _wrong_accounts(ledger: Ledger) -> Counter[str]:
    found, db = Counter[str](), ledger._db
    granted = _sums(db, "SELECT account, amount FROM credit_grant WHERE phase > 0")
    burnt = _sums(db, "SELECT account, amount FROM credit_burn")
    expired = _sums(
        db,
        "SELECT g.account, e.amount FROM credit_expiry e JOIN credit_grant g ON g.n = e.grant_n",
    )
    booked: dict[int, Decimal] = {}
    accounts = db.execute("SELECT n, tenant, from_us FROM credit_account").fetchall()
    for entry in ledger.entries:
        for n, who, from_us in accounts:
            if (
                who == entry.attribution.tenant
                and from_us is not None
                and entry.occurred_us >= from_us
            ):
                booked[n] = booked.get(n, _NOTHING) + Decimal(entry.amount).scaleb(-18)
    held = _sums(
        db,
        "SELECT s.key, s.amount FROM hold_scope s JOIN hold h ON h.id = s.hold_id"
        " WHERE s.series = 'credit USD' AND h.state IN ('held', 'sent', 'measured', 'lost')",
    )
    now_us = _now_us()
    for n, who, currency in db.execute("SELECT n, tenant, currency FROM credit_account"):
        spent = burnt.get(n, _NOTHING)
        left = granted.get(n, _NOTHING) - spent - expired.get(n, _NOTHING)
        left -= held.get(f"tenant={who}", _NOTHING).scaleb(-18)
        balance = ledger.credits.balance(who, currency, now_us, 0)
        said = None if balance is None else Decimal(balance.available).scaleb(-18)
        found["balances"] += said != left
        found["burns that are not the sum of the entries"] += spent != booked.get(n, _NOTHING)
    return found


def _wrong_entries(ledger: Ledger) -> Counter[str]:
    burnt = _sums(ledger._db, "SELECT entry_seq, amount FROM credit_burn")
    amounts = {entry.seq: Decimal(entry.amount).scaleb(-18) for entry in ledger.entries}
    return Counter({"entries burnt twice": sum(amounts[seq] != n for seq, n in burnt.items())})


def _wrong_holds(db: sqlite3.Connection) -> Counter[str]:
    """Holds that count beside the charge of their call."""
    rows = db.execute(
        "SELECT o.charge_id FROM hold h JOIN observation o ON o.id = packed_id(h.id) WHERE o.charge_id IS NOT NULL"
        " AND h.state IN ('held', 'sent', 'measured', 'lost')"
    )
    return Counter({"holds beside their charge": len(rows.fetchall())})


def _differs(home: Path) -> int:
    """How many balances are others in a ledger that is made of the same journals without a kill."""
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder)
        shutil.copytree(home / EVENTS, other / EVENTS)
        ship(other, [home / "journal"], drain=True)
        found = [
            {
                (one.tenant, one.currency): (one.granted, one.burnt)
                for one in _balances(each / LEDGER_FILE)
            }
            for each in (home, other)
        ]
    return sum(found[0].get(key) != found[1].get(key) for key in found[0].keys() | found[1].keys())


def _balances(path: Path) -> list[Balance]:
    ledger = Ledger(path, readonly=True)
    try:
        return ledger.credits.balances(_now_us(), 0)
    finally:
        ledger.close()


def rows(short: bool) -> Iterator[Row]:
    """The proof, or a short form of it."""
    kills, tenants = (60, 50) if short else (1_000, 10_000)
    begun_s = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.faults.credits", folder, str(kills), str(tenants)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    said = json.loads(done.stdout)
    wrong = said.pop("wrong")
    what = ", ".join(f"{count:,} {name}" for name, count in said.items())
    yield Row(
        "credits: grants - burns - expired - holds = available, nothing burnt twice",
        f"{kills:,} kills, 0 wrong",
        f"{what}; {wrong or '0 wrong'}",
        held=not wrong and said["kills"] >= kills and said["corrected"] > 0,
        seconds=time.monotonic() - begun_s,
    )


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    print(json.dumps(torment(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), seed=11)))
