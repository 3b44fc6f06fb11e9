"""Grants, charges, corrections, expiries, steps of the clock and crashes in any order, held against other sums."""

from __future__ import annotations

import sqlite3
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.credit import Burn, burn, unwind
from otel_genai_cost.limits.credit_budget import credit_places
from otel_genai_cost.limits.hold import Claim, Hold
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.money import format_money
from tests.ledger.projections.credit_entries import NOW_US, SECOND_US, entry, event

_TENANTS = st.sampled_from(("acme", "globex"))
_CURRENCIES = st.sampled_from(("USD", "ACU"))
_AMOUNTS = st.one_of(st.integers(1, 30), st.integers(1, 10**19))
_STEPS = st.integers(-40, 90)


class _Charge:
    """A charge as the test knows it: for whom, when, and what it comes to."""

    def __init__(self, number: int, tenant: str, currency: str, occurred_us: int) -> None:
        self.number, self.tenant, self.currency = number, tenant, currency
        self.occurred_us, self.amount, self.revision = occurred_us, 0, -1


class CreditMachine(RuleBasedStateMachine):
    charges: Bundle[_Charge] = Bundle("charges")
    holds: Bundle[Hold] = Bundle("holds")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name) / "ledger.sqlite"
        self.ledger = Ledger(self.path)
        self.ledger._db.execute("PRAGMA synchronous = OFF")
        self.now_us, self.numbers = NOW_US, 0
        self.events: list[dict[str, Any]] = []
        self.booked: list[Entry] = []
        self.held: dict[tuple[str, str], int] = {}

    def teardown(self) -> None:
        self._rebuild()
        self.ledger.close()
        self._folder.cleanup()

    @rule(
        tenant=_TENANTS,
        currency=_CURRENCIES,
        amount=_AMOUNTS,
        priority=st.integers(0, 2),
        begins=st.none() | _STEPS,
        lasts=st.none() | st.integers(1, 60),
        basis=st.none() | st.integers(0, 2),
        again=st.booleans(),
    )
    def grant(
        self,
        tenant: str,
        currency: str,
        amount: int,
        priority: int,
        begins: int | None,
        lasts: int | None,
        basis: int | None,
        again: bool,
    ) -> None:
        from_us = self.now_us + (begins or 0) * SECOND_US
        written = {
            "ref": f"r{len(self.events)}",
            "tenant": tenant,
            "currency": currency,
            "amount": format_money(amount),
            "priority": priority,
            "from": rfc3339(from_us),
            "expires": None if lasts is None else rfc3339(from_us + lasts * SECOND_US),
            "cost_basis": basis,
        }
        self.events.append(event(written, now_us=self.now_us))
        for _ in range(1 + again):
            with self.ledger.transaction():
                self.ledger.ingest(self.events[-1:], self.now_us, 0)

    @rule(
        target=charges,
        tenant=_TENANTS,
        currency=_CURRENCIES,
        amount=_AMOUNTS,
        ago=st.integers(0, 60),
        crashes=st.booleans(),
    )
    def charge(self, tenant: str, currency: str, amount: int, ago: int, crashes: bool) -> _Charge:
        self.numbers += 1
        made = _Charge(self.numbers, tenant, currency, self.now_us - ago * SECOND_US)
        self._post(made, amount, crashes=crashes)
        return made

    @rule(target=holds, tenant=_TENANTS, currency=_CURRENCIES, amount=_AMOUNTS)
    def hold(self, tenant: str, currency: str, amount: int) -> Hold:
        """A call that is about to be made holds credit; its charge is booked later, or never."""
        self.numbers += 1
        claim = Claim(credit_places(tenant, currency).burnt, amount)
        made = Hold(
            id=f"{self.numbers:032x}",
            digest="",
            state="sent",
            amount=amount,
            currency=currency,
            tenant=tenant,
            expires_us=self.now_us,
            ends_us=self.now_us,
            claims=(claim,),
        )
        with self.ledger.transaction():
            self.ledger.holds.write(None, made)
        self._count_held(made, 1)
        return made

    @rule(hold=consumes(holds))
    def release(self, hold: Hold) -> None:
        with self.ledger.transaction():
            self.ledger.holds.write(hold, hold.after("release"))
        self._count_held(hold, -1)

    @rule(target=charges, hold=consumes(holds), amount=_AMOUNTS, crashes=st.booleans())
    def book_held(self, hold: Hold, amount: int, crashes: bool) -> _Charge:
        """A hold ends in the transaction that books its charge."""
        made = _Charge(int(hold.id, 16), hold.tenant or "", hold.currency, self.now_us)
        self._post(made, amount, crashes=crashes, hold=hold)
        self._count_held(hold, -1)
        return made

    def _count_held(self, hold: Hold, sign: int) -> None:
        key = (hold.tenant or "", hold.currency)
        self.held[key] = self.held.get(key, 0) + sign * hold.amount

    @rule(charge=charges, amount=_AMOUNTS)
    def rate_again(self, charge: _Charge, amount: int) -> None:
        self._post(charge, amount)

    @rule(charge=charges)
    def reverse(self, charge: _Charge) -> None:
        self._post(charge, 0)

    @rule(target=charges, charge=consumes(charges), tenant=_TENANTS)
    def reattribute(self, charge: _Charge, tenant: str) -> _Charge:
        amount = charge.amount
        self._post(charge, 0)
        charge.tenant = tenant
        self._post(charge, amount)
        return charge

    @rule(step=_STEPS)
    def step_clock(self, step: int) -> None:
        self.now_us += step * SECOND_US

    @rule()
    def pass_time(self) -> None:
        with self.ledger.transaction():
            self.ledger.credits.pass_time(self.now_us)
        assert not self.ledger.credits.is_due(self.now_us)

    def _post(
        self, charge: _Charge, amount: int, *, crashes: bool = False, hold: Hold | None = None
    ) -> None:
        charge.revision += 1
        posted = entry(
            charge.number,
            amount - charge.amount,
            tenant=charge.tenant,
            currency=charge.currency,
            revision=charge.revision,
            occurred_us=charge.occurred_us,
            booked_us=self.now_us,
        )
        if crashes:
            try:
                with self.ledger.transaction():
                    self._append(posted, hold)
                    raise KeyboardInterrupt
            except KeyboardInterrupt:
                pass
        with self.ledger.transaction():
            self.booked += self._append(posted, hold)
        charge.amount = amount

    def _append(self, posted: Entry, hold: Hold | None) -> list[Entry]:
        if hold is not None:
            self.ledger.holds.write(hold, hold.after("book"))
        return self.ledger.entries.append([posted])

    def _grants(self) -> list[dict[str, Any]]:
        return [one["grants"][0] for one in self.events]

    def _counted(self) -> dict[tuple[str, str], Decimal]:
        """What calls came to since the first grant of their currency, by the test's own books."""
        sums: dict[tuple[str, str], Decimal] = {}
        for grant in self._grants():
            key = (grant["tenant"], grant["currency"])
            sums[key] = sum(
                (
                    Decimal(one.amount).scaleb(-18)
                    for one in self.booked
                    if (one.attribution.tenant, one.currency) == key
                    and any(
                        one.occurred_us >= other["from_us"]
                        for other in self._grants()
                        if (other["tenant"], other["currency"]) == key
                    )
                ),
                Decimal(0),
            )
        return sums

    @invariant()
    def what_is_left_is_what_was_granted_less_what_was_burnt_and_has_expired(self) -> None:
        for (tenant, currency), spent in self._counted().items():
            found = self.ledger.credits.balance(tenant, currency, self.now_us, 0)
            assert found is not None
            rows = self._rows(tenant, currency)
            granted = sum(
                Decimal(row["amount"])
                for row in rows
                if row["phase"] > 0 or row["from_us"] <= self.now_us
            )
            assert Decimal(found.granted).scaleb(-18) == granted
            assert Decimal(found.burnt).scaleb(-18) == spent
            left = sum(
                Decimal(row["amount"]) - Decimal(row["burnt"])
                for row in rows
                if (row["phase"] > 0 or row["from_us"] <= self.now_us)
                and (row["expires_us"] is None or row["expires_us"] > self.now_us)
            )
            overdrawn = self._uncovered(tenant, currency)
            held = Decimal(self.held.get((tenant, currency), 0)).scaleb(-18)
            assert Decimal(found.available).scaleb(-18) == left - overdrawn - held

    @invariant()
    def no_grant_is_burnt_twice_or_out_of_its_time(self) -> None:
        for row in self._query("SELECT * FROM credit_grant"):
            burns = self._query(
                "SELECT b.amount, b.charge_id FROM credit_burn b JOIN entry e ON e.seq = b.entry_seq"
                " WHERE b.grant_n = ?",
                row["n"],
            )
            by_charge: dict[str, Decimal] = {}
            for one in burns:
                charge = one["charge_id"]
                by_charge[charge] = by_charge.get(charge, Decimal(0)) + Decimal(one["amount"])
                occurred_us = next(e for e in self.booked if e.charge_id == charge).occurred_us
                assert row["expires_us"] is None or occurred_us < row["expires_us"]
            assert all(amount >= 0 for amount in by_charge.values())
            burnt = sum(by_charge.values(), Decimal(0))
            assert burnt == Decimal(row["burnt"]) and 0 <= burnt <= Decimal(row["amount"])
            expired = sum(
                (
                    Decimal(one["amount"])
                    for one in self._query(
                        "SELECT amount FROM credit_expiry WHERE grant_n = ?", row["n"]
                    )
                ),
                Decimal(0),
            )
            assert expired == Decimal(row["expired"])
            assert expired == (Decimal(row["amount"]) - burnt if row["phase"] == 2 else 0)

    @invariant()
    def every_entry_burns_what_it_comes_to(self) -> None:
        burnt = {
            row["entry_seq"]: Decimal(0)
            for row in self._query("SELECT DISTINCT entry_seq FROM credit_burn")
        }
        for row in self._query("SELECT entry_seq, amount FROM credit_burn"):
            burnt[row["entry_seq"]] += Decimal(row["amount"])
        amounts = {one.seq: Decimal(one.amount).scaleb(-18) for one in self.booked}
        assert all(amounts[seq] == amount for seq, amount in burnt.items())

    @invariant()
    def nothing_is_overdrawn_while_a_grant_of_its_time_has_something_left(self) -> None:
        for account in self._query("SELECT * FROM credit_account WHERE from_us IS NOT NULL"):
            if Decimal(account["overdraft"]) <= 0:
                continue
            for one in self._query(
                "SELECT * FROM credit_overdraft WHERE account = ?", account["n"]
            ):
                for grant in self._query(
                    "SELECT * FROM credit_grant WHERE account = ?", account["n"]
                ):
                    assert (
                        grant["phase"] == 0
                        or grant["burnt"] == grant["amount"]
                        or one["occurred_us"] >= (grant["expires_us"] or 1 << 62)
                    )

    def _rebuild(self) -> None:
        """A ledger that is lost comes to the same sums: what people granted is read first then, and what is booked may
        come in another order."""
        with tempfile.TemporaryDirectory() as folder:
            other = Ledger(Path(folder) / "ledger.sqlite")
            with other.transaction():
                other.ingest(self.events, self.now_us, 0)
            for one in sorted(self.booked, key=lambda one: (one.occurred_us, one.seq)):
                with other.transaction():
                    other.entries.append([one._replace(booked_us=self.now_us)])
            for ledger in (self.ledger, other):
                with ledger.transaction():
                    ledger.credits.pass_time(self.now_us)
            ends = any(one["expires_us"] is not None for one in self._grants())
            for mine in self.ledger.credits.balances(self.now_us, 0):
                theirs = other.credits.balance(mine.tenant, mine.currency, self.now_us, 0)
                assert theirs is not None
                assert theirs.burnt == mine.burnt
                if not any(one["from_us"] > self.now_us for one in self._grants()):
                    assert theirs.granted == mine.granted
                    if not ends:
                        assert theirs.available - mine.held == mine.available
                        assert theirs.overdraft == mine.overdraft
            other.close()

    def _rows(self, tenant: str, currency: str) -> list[sqlite3.Row]:
        return self._query(
            "SELECT g.* FROM credit_grant g JOIN credit_account a ON a.n = g.account"
            " WHERE a.tenant = ? AND a.currency = ?",
            tenant,
            currency,
        )

    def _uncovered(self, tenant: str, currency: str) -> Decimal:
        rows = self._query(
            "SELECT b.amount FROM credit_burn b JOIN credit_account a ON a.n = b.account"
            " WHERE a.tenant = ? AND a.currency = ? AND b.grant_n IS NULL",
            tenant,
            currency,
        )
        return sum((Decimal(row["amount"]) for row in rows), Decimal(0))

    def _query(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        cursor = self.ledger._db.cursor()
        cursor.row_factory = sqlite3.Row
        return cursor.execute(sql, values).fetchall()


TestCredits = CreditMachine.TestCase
TestCredits.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_parts_that_are_given_back_are_those_that_were_burnt() -> None:
    recorded = [Burn(1, 5), Burn(2, 3), Burn(None, 2), Burn(None, -2), Burn(3, 2)]
    assert unwind(4, recorded) == [Burn(3, -2), Burn(2, -2)]
    assert unwind(11, recorded) == [Burn(3, -2), Burn(2, -3), Burn(1, -5), Burn(None, -1)]
    assert burn(0, []) == []
