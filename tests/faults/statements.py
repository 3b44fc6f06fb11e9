"""Statements while who states is killed: every sum is that of the entries, and no kill leaves a trace.

A fleet of tenants in twelve zones is stated month by month, as a schedule does. A twin of the file is stated without a
kill. Processes that are forked begin each round anew and are killed at a random moment, many of them about when they
commit; each leaves all of the round or nothing of it, and what the last one left is gone on with. Late entries and
corrections of earlier months are booked in between.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.ledger.tenants.directory import Directory, directory_of
from otel_genai_cost.pricing.instants import midnight_us, zone_of
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.statements.follow import Schedule, next_round
from otel_genai_cost.statements.periods import Calendar
from otel_genai_cost.statements.run import Spreading
from otel_genai_cost.statements.statement import Statement
from otel_genai_cost.statements.store import STATEMENTS_FILE, Statements, statements_lock
from tests.faults.row import Row
from tests.faults.statements_borne import borne
from tests.faults.statements_fleet import ZONES, Fleet, first_of, fleet_of
from tests.faults.statements_sql import expected, payable
from tests.statements.ledgers import book

_DAY_US: Final = 86_400_000_000
_SCHEDULE: Final = Schedule(Calendar("monthly"), grace_us=3 * _DAY_US)


class _Size(NamedTuple):
    """How much is done."""

    tenants: int
    months: int
    kills: int


class _Done(NamedTuple):
    """The folder of the ledger, that of the twin, how many processes were killed before they were done, and how many of
    them left nothing, all of a round, and part of it."""

    home: Path
    twin: Path
    killed: int
    left: Counter[str]


def rows(short: bool) -> Iterator[Row]:
    """What came of it."""
    size = _Size(24, 4, 16) if short else _Size(300, 13, 200)
    fleet = fleet_of(size.tenants, size.months, 17)
    with tempfile.TemporaryDirectory() as folder:
        started_s = time.monotonic()
        done = _stated_under_fire(Path(folder), fleet, size)
        statements = _of(done.home)
        name = f"statements: {size.tenants} tenants, {size.months} months, {len(ZONES)} zones, {done.killed} kills"
        left = ", ".join(f"{done.left[what]} left {what}" for what in ("nothing", "all", "part"))
        yield Row(
            name,
            "all or nothing is left",
            f"{left}; then {'equal' if _is_equal(done) else 'not equal'} to the twin",
            done.killed >= size.kills and not done.left["part"] and _is_equal(done),
            time.monotonic() - started_s,
        )
        yield from _summed(done, fleet, statements)
        yield _again(done, fleet, size)
        yield _borne(Path(folder) / "borne", fleet)


def _stated_under_fire(folder: Path, fleet: Fleet, size: _Size) -> _Done:
    draw, directory = random.Random(size.kills), directory_of(fleet.rows)
    home, twin, killed, left = folder / "home", folder / "twin", 0, Counter[str]()
    twin.mkdir()
    for month, entries in enumerate(fleet.booked):
        book(home, entries)
        now_us = _due_us(month)
        before, started_s = _bodies(home), time.monotonic()
        _round(home, twin, directory, now_us)
        length_s, after = time.monotonic() - started_s, _bodies(twin)
        _copy(home, folder / "begun")
        while killed < size.kills * (month + 1) // size.months:
            _copy(folder / "begun", home)
            share = draw.uniform(0, 1) if draw.random() < 0.3 else draw.uniform(0.8, 1.3)
            _kill_one(home, directory, now_us, share * length_s)
            killed += 1
            bodies = _bodies(home)
            left["nothing" if bodies == before else "all" if bodies == after else "part"] += 1
        _round(home, home, directory, now_us)
    # In the east, the month after the last one has begun: its calls are due only now.
    for place in (home, twin):
        _round(home, place, directory, _due_us(size.months))
    return _Done(home, twin, killed, left)


def _copy(home: Path, to: Path) -> None:
    """The file of statements as it is, with what is kept beside it."""
    to.mkdir(exist_ok=True)
    for path in to.glob("*statements.*"):
        path.unlink()
    for path in home.glob("*statements.*"):
        shutil.copy(path, to)


def _due_us(month: int) -> int:
    """A day after the month and its grace are over in every zone."""
    return midnight_us(first_of(month + 1), zone_of("UTC")) + 5 * _DAY_US


def _round(
    home: Path,
    place: Path,
    directory: Directory,
    now_us: int,
    held_s: float = 0,
    schedule: Schedule = _SCHEDULE,
) -> None:
    """One round over the ledger in `home`, stated into the file in `place`, which is held open for a while."""
    with (
        statements_lock(place),
        closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger,
        closing(Statements(place)) as file,
    ):
        next_round(ledger, file, schedule, directory, now_us)
        time.sleep(held_s)


def _kill_one(home: Path, directory: Directory, now_us: int, after_s: float) -> None:
    """Kill a process that states before it has closed the file."""
    child = os.fork()
    if not child:
        try:
            _round(home, home, directory, now_us, held_s=600)
        finally:
            os._exit(0)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "what it did failed"


def _is_equal(done: _Done) -> bool:
    return _bodies(done.home) == _bodies(done.twin)


def _bodies(home: Path) -> list[tuple[str, int, str]]:
    if not (home / STATEMENTS_FILE).exists():
        return []
    with closing(sqlite3.connect(home / STATEMENTS_FILE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return db.execute("SELECT series, revision, body FROM statement ORDER BY 1, 2").fetchall()


def _of(home: Path) -> list[Statement]:
    with closing(Statements(home, readonly=True)) as file:
        return [kept.statement for kept in file.of()]


def _summed(done: _Done, fleet: Fleet, statements: Sequence[Statement]) -> Iterator[Row]:
    """The sums of all revisions against those of the entries, in another engine."""
    started_s = time.monotonic()
    with closing(Ledger(done.home / LEDGER_FILE, readonly=True)) as ledger:
        entries = list(ledger.entries)
    wanted = {key: sums for key, sums in expected(entries, fleet.rows).items() if any(sums)}
    found: dict[tuple[str, str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 4)
    for one in statements:
        key = (one.tenant or one.whose, one.label, one.zone, one.currency)
        amounts = (one.price, one.cost, one.calls * 10**18, one.total)
        found[key] = [
            a + Decimal(format_money(b)) for a, b in zip(found[key], amounts, strict=True)
        ]
    sums = {key: (each[0], each[1], int(each[2])) for key, each in found.items() if any(each)}
    wrong = {key for key in {*wanted, *sums} if wanted.get(key) != sums.get(key)}
    unrounded = [key for key in wanted if found[key][3] != payable(wanted[key][0], key[3])]
    torn = [one for one in statements if sum(line.amount for line in one.lines) != one.total]
    revisions = sum(one.revision > 1 for one in statements)
    yield Row(
        f"statements: {len(entries):,} entries, {fleet.late:,} calls late, {revisions:,} further revisions",
        "sums equal by SQL",
        f"{len(wrong)} of {len(wanted):,} differ, {len(unrounded)} rounded otherwise, {len(torn)} torn",
        not wrong and not unrounded and not torn and bool(wanted) and revisions > 0,
        time.monotonic() - started_s,
    )


def _borne(home: Path, fleet: Fleet) -> Row:
    """The same months once more, with what is nobody's borne by tenants: their shares change with every late call."""
    started_s, directory = time.monotonic(), directory_of(fleet.rows)
    schedule = _SCHEDULE._replace(spreading=Spreading("cost"))
    for month, entries in enumerate((*fleet.booked, ())):
        book(home, entries)
        _round(home, home, directory, _due_us(month), schedule=schedule)
    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
        wanted = borne(expected(ledger.entries, fleet.rows))
    statements = _of(home)
    found: dict[tuple[str, str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for one in statements:
        key = (one.tenant or one.whose, one.label, one.currency)
        found[key] = found[key][0] + one.price, found[key][1] + one.cost
    wrong = {key for key in {*wanted, *found} if wanted.get(key, (0, 0)) != found.get(key, (0, 0))}
    return Row(
        f"statements: what is nobody's is borne by cost, {len(statements):,} statements",
        "sums equal by SQL",
        f"{len(wrong)} of {len(wanted):,} differ",
        not wrong and bool(wanted) and any(one.revision > 2 for one in statements),
        time.monotonic() - started_s,
    )


def _again(done: _Done, fleet: Fleet, size: _Size) -> Row:
    """A rerun of everything, with another registry's digest in the way so that nothing is skipped."""
    started_s, before = time.monotonic(), _bodies(done.home)
    with closing(sqlite3.connect(done.home / STATEMENTS_FILE)) as db, db:
        db.execute("DELETE FROM round")
    _round(done.home, done.home, directory_of(fleet.rows), _due_us(size.months))
    again = _bodies(done.home)
    return Row(
        "statements: a rerun of all periods",
        "the same bytes",
        f"{len(again) - len(before)} more, {'equal' if again == before else 'not equal'}",
        again == before,
        time.monotonic() - started_s,
    )
