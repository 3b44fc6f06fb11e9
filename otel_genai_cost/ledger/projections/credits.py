"""Prepaid credit: what was granted, what calls burnt of it, and what is left.

Grants are decisions; burns follow from grants and entries in the order in which they took effect, and are written in
the transaction that books the entries. Neither is ever changed: a correction, an expiry and a top-up that pays what
was overdrawn are rows of their own.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.projections.credit_expiring import (
    EXPIRING_EVENT,
    EXPIRING_SCHEMA,
    Expiring,
)
from otel_genai_cost.ledger.projections.credit_rows import EXPIRED, UPCOMING, Account, HeldGrant
from otel_genai_cost.ledger.projections.credit_run import CreditRun, EntriesOf
from otel_genai_cost.ledger.projections.credit_tables import SCHEMA, Tables
from otel_genai_cost.limits.credit import Grant
from otel_genai_cost.limits.credit_budget import credit_places
from otel_genai_cost.limits.grant_form import grant_of
from otel_genai_cost.limits.hold import Place
from otel_genai_cost.limits.notice import AUDIENCES, Audience, Notice
from otel_genai_cost.pricing.money import format_money, parse_money

__all__ = [
    "GRANT_EVENT",
    "MARK_EVENT",
    "Balance",
    "Burnt",
    "Credits",
    "GrantState",
    "Outside",
    "grants_in",
]

_logger = logging.getLogger("otel_genai_cost")

GRANT_EVENT: Final = "grant"
"""The type of the event by which credit is granted."""

MARK_EVENT: Final = "credit_mark"
"""The type of the event that says below what balance a top-up is asked for."""

HeldBy = Callable[[str, str], int]
"""What open holds of a tenant come to in a currency (atto)."""


def _nothing_held(tenant: str, currency: str) -> int:
    return 0


class Balance(NamedTuple):
    """What a tenant has in a currency; sums are atto, `granted - burnt - expired - held = available`.

    Attributes:
        tenant, currency: whose, and in what.
        granted: what has begun.
        burnt: what calls came to, whether a grant covered it or not.
        expired: what nobody used in its time.
        held: reserved by calls that are not booked yet.
        available: what may be reserved; below 0 where it is overdrawn.
        overdraft: what of `burnt` no grant has covered.
        upcoming: granted, and not begun.
        expires_us: when the next grant ends that has something left; None if none does.
        expiring: what would expire then.
        unpriced: calls of the tenant whose price is not known: they burn nothing until it is.
        as_of_seq: the last entry that is counted.
    """

    tenant: str
    currency: str
    granted: int
    burnt: int
    expired: int
    held: int
    overdraft: int
    upcoming: int
    expires_us: int | None
    expiring: int
    unpriced: int
    as_of_seq: int

    @property
    def available(self) -> int:
        """See above."""
        return self.granted - self.burnt - self.expired - self.held


class Outside(NamedTuple):
    """What calls of a tenant with credit came to in a currency of which it was granted nothing: no credit pays it."""

    currency: str
    amount: int


class GrantState(NamedTuple):
    """A grant and what has become of it (atto)."""

    grant: Grant
    burnt: int
    expired: int


class Burnt(NamedTuple):
    """A signed part of a grant that a call burnt: of which entry, when the call occurred, and how much (atto)."""

    grant: Grant
    seq: int
    occurred_us: int
    amount: int


class Credits:
    """Grants and burns of an open ledger.

    Args:
        db: its connection.
        entries_of: reads what is booked, for a grant that begins before it is given.
        queue: takes notices, in the same transaction.
        write: writes events down, for good.
        held_by: what the gate holds.
    """

    name = "credits"
    schema = SCHEMA + EXPIRING_SCHEMA
    decisions: tuple[str, ...] = (GRANT_EVENT, MARK_EVENT, EXPIRING_EVENT)

    def __init__(
        self,
        db: sqlite3.Connection,
        entries_of: EntriesOf,
        queue: Callable[[Notice], None],
        write: Callable[[Iterable[Mapping[str, Any]]], None],
        held_by: HeldBy = _nothing_held,
    ) -> None:
        self._tables, self._entries_of = Tables(db), entries_of
        self._queue, self._held_by = queue, held_by
        self._expiring = Expiring(db, write, queue)

    def book(self, entries: Sequence[Entry]) -> None:
        """Burn what entries come to, each of its tenant's credit in its currency."""
        if not self._tables.is_used():
            return
        run = CreditRun(self._tables)
        for entry in entries:
            run.pass_time(entry.booked_us)
            run.book(entry)
        self._end(run, entries[-1].booked_us)

    def decide(self, event: Mapping[str, Any], now_us: int) -> None:
        """Take note of grants, of below what balance to ask for more, and of what was said to be void soon. A ref that
        is there stays what it was.

        Args:
            event: as it stands in the ledger's own journal.
            now_us: the time of taking note, unix microseconds.
        """
        if event["type"] == EXPIRING_EVENT:
            self._expiring.take(event)
            return
        run = CreditRun(self._tables)
        if event["type"] == MARK_EVENT:
            _set_mark(run, event)
        else:
            self._add(run, event)
        run.pass_time(now_us, is_back=True)
        run.catch_up(self._entries_of)
        self._end(run, now_us)

    def _add(self, run: CreditRun, event: Mapping[str, Any]) -> None:
        for grant in grants_in(event):
            known = self._tables.grant(grant.id)
            if known is None:
                run.add(grant)
            elif known.grant.digest != grant.digest:
                _logger.error("the grant %r was there with other contents, which stay", grant.ref)

    def _end(self, run: CreditRun, now_us: int) -> None:
        for account, at_us in run.came_low(now_us):
            for audience in AUDIENCES:
                self._queue(_notice(account, audience, at_us))
        run.flush()

    def pass_time(self, now_us: int) -> None:
        """Let grants begin and end though nothing is booked, and say which will soon, inside the caller's
        transaction."""
        run = CreditRun(self._tables)
        run.pass_time(now_us, is_back=True)
        self._end(run, now_us)
        self._expiring.say(now_us)

    def is_due(self, now_us: int) -> bool:
        """Whether any grant begins or ends by then, or is to be said to end soon."""
        return self._tables.is_used() and (
            bool(self._tables.due_grants(now_us, is_back=True)) or self._expiring.is_due(now_us)
        )

    def sums(self, now_us: int, tenant: str | None = None) -> dict[Place, int]:
        """The sums of credit as a gate reads them (atto), of a tenant or of all; nothing of who was granted nothing.

        Args:
            now_us: see `balance`.
            tenant: its id; None for all.
        """
        found: dict[Place, int] = {}
        for one in self._tables.accounts(tenant) if self._tables.is_used() else []:
            if one.from_us is not None:
                places = credit_places(one.tenant, one.currency)
                values = (*self._begun_by(one, now_us), one.burnt)
                found.update(zip(places, values, strict=True))
        return found

    def turns(self) -> int:
        """How often grants were made, began or ended: what the sums depend on besides entries."""
        return self._tables.turns() if self._tables.is_used() else 0

    def _begun_by(self, account: Account, now_us: int) -> tuple[int, int]:
        """What was granted and has begun by a time, and what has expired."""
        granted, expired = account.granted, account.expired
        for one in self._tables.due_grants(now_us, is_back=True, account=account.n):
            if one.phase == UPCOMING:
                granted += one.grant.amount
            expired += _expired(one, now_us)
        return granted, expired

    def balance(self, tenant: str, currency: str, now_us: int, as_of_seq: int) -> Balance | None:
        """What a tenant has in a currency; None if it was granted nothing in it.

        Args:
            tenant: its id.
            currency: which.
            now_us: what begins or ends by then has, though no row says so yet; unix microseconds.
            as_of_seq: the last entry of the ledger.
        """
        if not self._tables.is_used():
            return None
        account = self._tables.account(tenant, currency)
        if account is None or account.from_us is None:
            return None
        return self._balance(account, now_us, as_of_seq)

    def balances(self, now_us: int, as_of_seq: int, tenant: str | None = None) -> list[Balance]:
        """Those of a tenant, or all.

        Args:
            now_us, as_of_seq: see `balance`.
            tenant: its id; None for all.
        """
        accounts = self._tables.accounts(tenant) if self._tables.is_used() else []
        return [
            self._balance(one, now_us, as_of_seq) for one in accounts if one.from_us is not None
        ]

    def outside(self, tenant: str) -> list[Outside]:
        """What a tenant with credit used in currencies of which it was granted nothing."""
        accounts = self._tables.accounts(tenant) if self._tables.is_used() else []
        return [
            Outside(one.currency, one.burnt)
            for one in accounts
            if one.from_us is None and one.burnt
        ]

    def grants(self, tenant: str | None = None) -> list[GrantState]:
        """Those of a tenant, or all, in the order of creation within an account."""
        accounts = self._tables.accounts(tenant) if self._tables.is_used() else []
        return [
            GrantState(held.grant, held.burnt, held.expired)
            for one in accounts
            for held in self._tables.grants(one.n)
        ]

    def burnt(self) -> Iterator[Burnt]:
        """What calls burnt of every grant, in the order in which it was recorded."""
        if not self._tables.is_used():
            return
        grants = {
            one.n: one.grant
            for account in self._tables.accounts()
            for one in self._tables.grants(account.n)
        }
        for grant, seq, occurred_us, amount in self._tables.every_burn():
            yield Burnt(grants[grant], seq, occurred_us, amount)

    def grant(self, grant_id: str) -> Grant | None:
        """The grant of that id."""
        found = self._tables.grant(grant_id) if self._tables.is_used() else None
        return None if found is None else found.grant

    def _balance(self, account: Account, now_us: int, as_of_seq: int) -> Balance:
        open_grants = self._tables.open_grants(account.n)
        granted, expired = self._begun_by(account, now_us)
        active = [
            one
            for one in open_grants
            if one.grant.from_us <= now_us < one.grant.end_us and one.burnt < one.grant.amount
        ]
        ends_us = min((one.grant.end_us for one in active), default=None)
        ending = [one for one in active if one.grant.end_us == ends_us]
        never = not ending or ending[0].grant.expires_us is None
        return Balance(
            tenant=account.tenant,
            currency=account.currency,
            granted=granted,
            burnt=account.burnt,
            expired=expired,
            held=self._held_by(account.tenant, account.currency),
            overdraft=max(account.overdraft, 0),
            upcoming=sum(
                one.grant.amount
                for one in open_grants
                if one.phase == UPCOMING and one.grant.from_us > now_us
            ),
            expires_us=None if never else ends_us,
            expiring=0 if never else sum(one.grant.amount - one.burnt for one in ending),
            unpriced=sum(one.unpriced for one in self._tables.accounts(account.tenant)),
            as_of_seq=as_of_seq,
        )


def _expired(one: HeldGrant, now_us: int) -> int:
    """What is expired by a time and no row says so yet, or the other way round."""
    if one.phase != EXPIRED and one.grant.end_us <= now_us:
        return one.grant.amount - one.burnt
    if one.phase == EXPIRED and one.grant.end_us > now_us:
        return -one.expired
    return 0


def grants_in(event: Mapping[str, Any]) -> list[Grant]:
    """The grants of an event; one that says something else is passed over, and said."""
    try:
        return [grant_of(record) for record in event["grants"]]
    except (KeyError, TypeError, ValueError) as error:
        _logger.error("an event of granting credit cannot be read: %s", error)
        return []


def _set_mark(run: CreditRun, event: Mapping[str, Any]) -> None:
    try:
        below = event["below"]
        mark = None if below is None else parse_money(below)
        run.set_mark(str(event["tenant"]), str(event["currency"]), mark)
    except (KeyError, ValueError) as error:
        _logger.error("an event of a mark of credit cannot be read: %s", error)


def _notice(account: Account, audience: Audience, at_us: int) -> Notice:
    """That a top-up is needed. Its key has what was granted until then: the same after a rebuild, another after a
    top-up."""
    granted, mark = format_money(account.granted), format_money(account.mark or 0)
    return Notice(
        kind="top_up",
        key=f"top_up|{account.tenant}|{account.currency}|{mark}|{granted}",
        tenant=account.tenant,
        audience=audience,
        at_us=at_us,
        facts={
            "scope": f"tenant={account.tenant}",
            "currency": account.currency,
            "side": "price",
            "available": format_money(account.left),
            "below": mark,
            "granted": granted,
            "burnt": format_money(account.burnt),
        },
    )
