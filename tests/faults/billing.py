"""Usage on its way to billing systems, through kills and faults: each has what the ledger has, and nothing twice."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Final

from otel_genai_cost.billing.destination import Destination
from otel_genai_cost.billing.file import destinations_in
from otel_genai_cost.billing.opening import connect
from otel_genai_cost.billing.outbox import Outbox
from otel_genai_cost.billing.serving import run
from otel_genai_cost.billing.vendor import vendor_type
from otel_genai_cost.ledger.entry import Entry, tokens_of
from otel_genai_cost.testing.standin.billing import BillingStandIn, Fault
from otel_genai_cost.testing.standin.billing.server import Request
from tests.billing.ledgers import DAY_US, HOUR_US, Booking, post
from tests.billing.vendors import KEY, VENDORS
from tests.faults.billing_program import FileClock
from tests.faults.row import Row

__all__ = ["rows"]

_FAULTS: Final = (
    *(Fault(500), Fault(503, after=True), Fault(0), Fault(0, after=True), Fault(502, part=True)),
    *(Fault(429, retry_after_s=600), Fault(401)),
)
_FAILING_SHARE: Final = 0.2
_CALLS_PER_TENANT: Final = 8
_LATE: Final = 20
"""One call of so many comes ten days late."""

_METERS: Final = """schema = "otel-genai-cost-billing/1"
[[meter]]
name = "cost"
counts = "price"
[[meter]]
name = "nano"
counts = "price"
unit = "0.000000001"
[[meter]]
name = "tokens"
counts = "tokens"
"""

Key = tuple[str, str, int]
"""Customer, meter, and the hour."""


def rows(short: bool) -> Iterator[Row]:
    """A row for each vendor, all of which are sent the same usage by one process.

    Args:
        short: whether a small part of it will do.
    """
    tenants, kills = (10, 15) if short else (300, 200)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        (home / "clock").write_text(str(time.time_ns() // 1000))
        clock = FileClock(home / "clock")
        standins: dict[str, BillingStandIn] = {}
        for case in VENDORS:
            made = case.standin(clock, KEY)  # type: ignore[arg-type]
            standins[case.name or case.vendor] = stack.enter_context(made)
        destinations = _written(home, standins, clock())
        booked = _killed(home, standins, clock, tenants, kills)
        looked_up = _settle(home, destinations, standins, clock)
        for one in destinations:
            yield _row(one, standins[one.name], booked, looked_up[one.name], kills, began)


def _written(
    home: Path, standins: Mapping[str, BillingStandIn], begun_us: int
) -> list[Destination]:
    (home / "key").write_text(KEY)
    day = time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(begun_us // 1_000_000 - 30 * 86_400))
    parts = [_METERS]
    for case in VENDORS:
        name = case.name or case.vendor
        settings = dict(case.settings(standins[name].url))
        money = "nano" if "stripe" in name else "cost"
        if "meter_ids" in settings:
            settings["meter_ids"] = {money: f"mtr_{money}", "tokens": "mtr_tokens"}
        limits = {"past": "20d", "remembers": "20d"} if name == "orb" else {}
        written = {
            "name": name,
            "vendor": case.vendor,
            "key": f"file:{home / 'key'}",
            "meters": [money, "tokens"],
            "customer": "tenant",
            "delay": "1m",
            **limits,
            **settings,
        }
        lines = [f"{key} = {_toml(value)}" for key, value in written.items()]
        parts.append("\n".join(["[[destination]]", f"from = {day}", *lines, ""]))
    (home / "billing.toml").write_text("".join(parts))
    return destinations_in(home / "billing.toml")


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {json.dumps(one)}' for key, one in value.items())}}}"
    return json.dumps(value)


def _killed(
    home: Path, standins: Mapping[str, BillingStandIn], clock: FileClock, tenants: int, kills: int
) -> dict[Key, Decimal]:
    """Kill the process that sends while entries are booked and everything fails now and then; what was booked."""
    booking = Booking([f"t{n}" for n in range(tenants)], seed=kills)
    posted: list[Entry] = []
    begun_us = clock()

    def book(count: int) -> None:
        entries = booking.calls(count, begun_us - DAY_US, clock())
        late_us = begun_us - 10 * DAY_US
        entries += booking.calls(max(1, count // _LATE), late_us, late_us + DAY_US)
        entries += booking.rated_again(max(1, count // _LATE))
        post(home, entries)
        posted.extend(entries)

    book(tenants * _CALLS_PER_TENANT // 2)
    chance, lock = random.Random(kills), threading.Lock()

    def fault(request: Request) -> Fault | None:
        with lock:
            fails = chance.random() < _FAILING_SHARE
            return chance.choice(_FAULTS) if fails else None

    for one in standins.values():
        one.fault = fault
    program = (sys.executable, "-m", "tests.faults.billing_program")
    command = [*program, str(home), str(kills), str(kills)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    last_us = begun_us
    while process.poll() is None:
        if clock() > last_us:  # one was killed
            last_us = clock()
            book(max(2, tenants * _CALLS_PER_TENANT // 2 // kills))
        time.sleep(0.01)
    assert process.returncode == 0, "the process that kills failed"
    for one in standins.values():
        one.fault = lambda request: None
    return _wanted(posted)


def _wanted(posted: Sequence[Entry]) -> dict[Key, Decimal]:
    """What each billing system is to have, added up by other means than those that are tested."""
    sums: Counter[Key] = Counter()
    for one in posted:
        tenant, hour_us = str(one.attribution.tenant), one.occurred_us - one.occurred_us % HOUR_US
        sums[tenant, "cost", hour_us] += one.amount
        sums[tenant, "tokens", hour_us] += sum(tokens_of(one)) * 10**18
    return {key: Decimal(amount).scaleb(-18) for key, amount in sums.items()}


def _settle(
    home: Path,
    destinations: Sequence[Destination],
    standins: Mapping[str, BillingStandIn],
    clock: FileClock,
) -> dict[str, int]:
    """Go on until nothing waits. What is blocked since it may have been taken is looked up there, as people would.

    Returns:
        How many were looked up, by destination.
    """
    looked_up: dict[str, int] = dict.fromkeys(standins, 0)
    waiting = 0
    for _ in range(60):
        clock.advance(3 * HOUR_US)
        errors = [done.error for done in run(home, destinations, clock_us=clock) if done.error]
        assert not errors, errors
        with closing(connect(home)) as db:
            waiting = 0
            for one in destinations:
                outbox = Outbox(db, one.name)
                usage = {
                    key.rpartition("otel-genai-cost|")[2].partition("|")[0]
                    for key in standins[one.name].usage()
                }
                for queued in outbox.in_state("blocked"):
                    was_taken = queued.event.id in usage
                    outbox.requeue([queued.n], clock(), was_taken=was_taken)
                    looked_up[one.name] += 1
                waiting += outbox.counts().get("waiting", 0)
        if not waiting:
            return looked_up
    raise AssertionError(f"{waiting} events still wait")


def _row(
    one: Destination,
    standin: BillingStandIn,
    booked: Mapping[Key, Decimal],
    looked_up: int,
    kills: int,
    began: float,
) -> Row:
    decimals = vendor_type(one.vendor).rules.decimals
    money = one.meters[0].name
    wanted = Counter[Key]()
    for (customer, meter, hour_us), amount in booked.items():
        if meter == "cost":
            meter = money
            amount = amount.scaleb(9) if money == "nano" else amount
            amount = amount.quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN)
        if amount:
            wanted[customer, meter, hour_us] = amount  # type: ignore[assignment]
    has: dict[Key, Decimal] = {}
    usage = [each for counted in standin.usage().values() for each in counted]
    for each in usage:
        key = (each.customer, each.meter, each.at_us)
        has[key] = has.get(key, Decimal(0)) + each.quantity
    found = {key: amount for key, amount in has.items() if amount}
    wrong = sum(found.get(key) != wanted.get(key) for key in {*found, *wanted})
    return Row(
        f"{one.name}: {len(usage)} events through {kills} kills and faults",
        "0 of its sums differ, 0 twice",
        f"{wrong} of {len(wanted)} differ, {standin.doubled} twice, {looked_up} looked up",
        not wrong and not standin.doubled and bool(wanted),
        time.monotonic() - began,
    )
