"""Grants and entries taken note of, in their order: one run is one call inside a transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.projections.credit_rows import (
    ACTIVE,
    EXPIRED,
    UPCOMING,
    Account,
    BurnRow,
    HeldGrant,
    Overdrawn,
)
from otel_genai_cost.ledger.projections.credit_tables import Tables
from otel_genai_cost.limits.credit import Burn, Credit, Grant, burn, burn_order, unwind

__all__ = ["CreditRun", "EntriesOf"]

EntriesOf = Callable[[Collection[str], int], Iterator[Entry]]
"""What is booked of tenants, of calls that occurred from a time on, in order."""

_COVERED_AT_ONCE: Final = 500
_NEVER_US: Final = 1 << 62


class CreditRun:
    """What is read is kept until the run ends, what changes is written by `flush`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._accounts: dict[str, dict[str, Account]] = {}
        self._by_n: dict[int, Account] = {}
        self._openings: dict[str, int | None] = {}
        self._grants: dict[int, HeldGrant] = {}
        self._open: dict[int, dict[int, HeldGrant]] = {}
        self._burns: list[BurnRow] = []
        self._places: dict[int, int] = {}
        self._passed_us: int | None = None
        self._looked_at_us: dict[int, int] = {}
        self._earlier: dict[str, int | None] = {}
        self._until: dict[int, int | None] = {}

    def set_mark(self, tenant: str, currency: str, mark: int | None) -> None:
        """Say below what balance a top-up is asked for.

        Args:
            tenant: its id.
            currency: of the balance.
            mark: atto; None to ask for none.
        """
        account = self._account(tenant, currency) or self._open_account(tenant, currency)
        if mark != account.mark:
            account.low_at = None  # nobody was asked by this one
        account.mark = mark

    def pass_time(self, now_us: int, *, is_back: bool = False) -> None:
        """Let grants begin and end.

        Args:
            now_us: unix microseconds.
            is_back: whether grants that ended after it are in force again, since the clock that said so was wrong.
        """
        if not is_back and self._passed_us is not None and now_us <= self._passed_us:
            return
        self._passed_us = now_us
        for one in self._turns(now_us, is_back):
            self._turn(one, now_us)

    def _turns(self, now_us: int, is_back: bool) -> list[HeldGrant]:
        """The grants that are due, once for each time that one begins or ends, in the order of these times."""
        turns: list[tuple[int, int, HeldGrant]] = []
        for found in self._tables.due_grants(now_us, is_back):
            one = self._grants.setdefault(found.n, found)
            if one.phase == UPCOMING and one.grant.from_us <= now_us:
                turns.append((one.grant.from_us, one.n, one))
            if (one.phase == EXPIRED) != (one.grant.end_us <= now_us):
                turns.append((one.grant.end_us, one.n, one))
        return [one for _, _, one in sorted(turns, key=lambda turn: turn[:2])]

    def _turn(self, one: HeldGrant, now_us: int) -> None:
        account = self._account_of(one)
        self._tables.add_turn()
        self._looked_at_us[account.n] = min(now_us, one.grant.end_us)
        if one.phase == UPCOMING:
            one.phase = ACTIVE
            account.granted += one.grant.amount
            self._cover(account)
        else:
            one.phase = EXPIRED if one.phase == ACTIVE else ACTIVE
            self._expire(account, one, now_us)

    def _expire(self, account: Account, one: HeldGrant, at_us: int) -> None:
        """What a grant has left is expired once its time is over. A call of its time that is booked later takes its
        part back from that."""
        wanted = one.grant.amount - one.burnt if one.phase == EXPIRED else 0
        if wanted != one.expired:
            self._tables.add_expiry(one.n, at_us, wanted - one.expired)
            account.expired += wanted - one.expired
            one.expired = wanted

    def add(self, grant: Grant) -> None:
        """Write down a grant that is not there yet. It takes effect by `pass_time`, and for what is booked already by
        `catch_up`."""
        account = self._account(grant.tenant, grant.currency)
        if account is None:
            account = self._open_account(grant.tenant, grant.currency)
        held = self._tables.add_grant(account.n, grant)
        self._tables.add_turn()
        self._grants[held.n] = self._open_of(account)[held.n] = held
        opened_us = self._opening(grant.tenant)
        if account.from_us is None:
            account.burnt = account.unpriced = 0
        if account.from_us is None or grant.from_us < account.from_us:
            self._earlier.setdefault(grant.tenant, opened_us)
            self._until.setdefault(account.n, account.from_us)
            account.from_us = grant.from_us
            self._openings[grant.tenant] = min(_or_never(opened_us), grant.from_us)

    def catch_up(self, entries_of: EntriesOf) -> None:
        """Let grants that were added burn what is booked of their time already and never counted.

        Args:
            entries_of: reads it.
        """
        if not self._until:
            return
        from_us = min(self._by_n[n].from_us or 0 for n in self._until)
        for entry in entries_of(self._earlier.keys(), from_us):
            self._catch_up_with(entry, entry.attribution.tenant or "")

    def _catch_up_with(self, entry: Entry, tenant: str) -> None:
        account = self._account(tenant, entry.price_currency)
        if account is not None and account.from_us is not None:
            counted_us = _or_never(self._until.get(account.n, 0))
            if account.from_us <= entry.occurred_us < counted_us:
                self._book(account, entry)
        elif (self._openings[tenant] or 0) <= entry.occurred_us < _or_never(self._earlier[tenant]):
            self._leave_aside(entry)

    def book(self, entry: Entry) -> None:
        """Take note of an entry that is being booked: it has burnt nothing yet."""
        self._places.setdefault(entry.seq, 0)
        tenant = entry.attribution.tenant
        if tenant is None or (opened_us := self._opening(tenant)) is None:
            return
        account = self._account(tenant, entry.price_currency)
        if account is not None and account.from_us is not None:
            if entry.occurred_us >= account.from_us:
                self._book(account, entry)
        elif entry.occurred_us >= opened_us:
            self._leave_aside(entry)

    def _leave_aside(self, entry: Entry) -> None:
        """Sum up what no credit is of the currency of."""
        tenant = entry.attribution.tenant
        assert tenant is not None
        account = self._account(tenant, entry.price_currency)
        if account is None:
            account = self._open_account(tenant, entry.price_currency)
        if account.from_us is None:
            account.burnt += entry.price
            account.unpriced += entry.unpriced

    def _book(self, account: Account, entry: Entry) -> None:
        account.unpriced += entry.unpriced
        self._looked_at_us[account.n] = entry.occurred_us
        amount = entry.price
        if amount > 0:
            parts = burn(amount, burn_order(self._credits(account), entry.occurred_us))
        elif amount < 0:
            self._flush_burns()
            parts = unwind(-amount, self._tables.burns(account.n, entry.charge_id))
        else:
            return
        one = Overdrawn(entry.charge_id, account.n, entry.seq, entry.occurred_us, 0)
        self._record(account, one, parts, entry.booked_us)
        if amount < 0:
            self._cover(account)

    def _record(self, account: Account, of: Overdrawn, parts: Sequence[Burn], at_us: int) -> None:
        """Append burns and let the sums follow."""
        place = self._places.get(of.entry_seq)
        if place is None:
            place = self._tables.next_place(of.entry_seq)
        for part in parts:
            self._burns.append(BurnRow(account.n, of.charge_id, of.entry_seq, place, part))
            place += 1
            account.burnt += part.amount
            if part.grant is None:
                account.overdraft += part.amount
                uncovered = self._tables.overdrawn_of(account.n, of.charge_id) + part.amount
                self._tables.save_overdrawn(of._replace(amount=max(uncovered, 0)))
            else:
                one = self._grant(account, part.grant)
                one.burnt += part.amount
                self._expire(account, one, at_us)
        self._places[of.entry_seq] = place

    def _cover(self, account: Account) -> None:
        """Let grants pay what is overdrawn, the oldest first."""
        while account.overdraft > 0:
            ends = [one.grant.end_us for one in self._credits(account) if one.left > 0]
            if not ends:
                return
            found = self._tables.overdrawn(account.n, max(ends), _COVERED_AT_ONCE)
            if not found:
                return
            for one in found:
                self._cover_one(account, one)

    def _cover_one(self, account: Account, one: Overdrawn) -> None:
        wanted = min(one.amount, account.overdraft)
        if wanted <= 0:
            return
        order = burn_order(self._credits(account), one.occurred_us)
        parts = [part for part in burn(wanted, order) if part.grant is not None]
        if parts:
            paid = sum(part.amount for part in parts)
            self._record(account, one, [Burn(None, -paid), *parts], self._passed_us or 0)

    def _credits(self, account: Account) -> list[Credit]:
        return [one.credit for one in self._open_of(account).values() if one.phase != UPCOMING]

    def _open_of(self, account: Account) -> dict[int, HeldGrant]:
        """The grants of an account that may have something left."""
        if account.n not in self._open:
            self._open[account.n] = {
                found.n: self._grants.setdefault(found.n, found)
                for found in self._tables.open_grants(account.n)
            }
        return self._open[account.n]

    def _grant(self, account: Account, n: int) -> HeldGrant:
        """A grant by its number; what is given back to it can be burnt again."""
        if n not in self._grants:
            self._grants[n] = self._tables.grant_n(n)
        return self._open_of(account).setdefault(n, self._grants[n])

    def _account_of(self, one: HeldGrant) -> Account:
        account = self._account(one.grant.tenant, one.grant.currency)
        assert account is not None
        self._open_of(account).setdefault(one.n, one)
        return account

    def _account(self, tenant: str, currency: str) -> Account | None:
        return self._accounts_of(tenant).get(currency)

    def _accounts_of(self, tenant: str) -> dict[str, Account]:
        """All of a tenant, by currency."""
        found = self._accounts.get(tenant)
        if found is None:
            found = {one.currency: one for one in self._tables.accounts(tenant)}
            self._accounts[tenant] = found
            self._by_n.update({one.n: one for one in found.values()})
        return found

    def _open_account(self, tenant: str, currency: str) -> Account:
        account = self._tables.open_account(tenant, currency)
        self._accounts_of(tenant)[currency] = self._by_n[account.n] = account
        return account

    def _opening(self, tenant: str) -> int | None:
        """When the first grant of a tenant begins, of any currency."""
        if tenant not in self._openings:
            begun = [one.from_us for one in self._accounts_of(tenant).values()]
            self._openings[tenant] = min((us for us in begun if us is not None), default=None)
        return self._openings[tenant]

    def came_low(self, now_us: int) -> Iterator[tuple[Account, int]]:
        """The accounts that went below their mark since they last had a top-up, and when (unix microseconds)."""
        for account in self._by_n.values():
            mark = account.mark
            if mark is None or account.from_us is None:
                continue
            if account.left >= mark:
                if account.low_at != account.granted:
                    account.low_at = None
            elif account.low_at is None:
                account.low_at = account.granted
                yield account, self._looked_at_us.get(account.n, now_us)

    def flush(self) -> None:
        """Write what has changed."""
        self._flush_burns()
        self._tables.save_grants(self._grants.values())
        self._tables.save_accounts(self._by_n.values())

    def _flush_burns(self) -> None:
        self._tables.add_burns(self._burns)
        self._burns.clear()


def _or_never(us: int | None) -> int:
    return _NEVER_US if us is None else us
