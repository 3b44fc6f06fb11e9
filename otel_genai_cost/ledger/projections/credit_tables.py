"""The tables of prepaid credit, and their rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from otel_genai_cost.ledger.projections.credit_rows import (
    ACTIVE,
    EXPIRED,
    UPCOMING,
    Account,
    BurnRow,
    HeldGrant,
    Overdrawn,
    account_of,
    held_grant_of,
    text_of,
)
from otel_genai_cost.limits.credit import Burn, Grant
from otel_genai_cost.pricing.money import format_money, parse_money

__all__ = ["SCHEMA", "Tables"]

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS credit_account (
    n INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    currency TEXT NOT NULL,
    from_us INTEGER,
    granted TEXT NOT NULL,
    burnt TEXT NOT NULL,
    expired TEXT NOT NULL,
    overdraft TEXT NOT NULL,
    unpriced INTEGER NOT NULL,
    mark TEXT,
    low_at TEXT,
    UNIQUE (tenant, currency)
);
CREATE TABLE IF NOT EXISTS credit_grant (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    account INTEGER NOT NULL,
    ref TEXT NOT NULL,
    amount TEXT NOT NULL,
    priority INTEGER NOT NULL,
    from_us INTEGER NOT NULL,
    expires_us INTEGER,
    kind TEXT NOT NULL,
    cost_basis TEXT,
    created_us INTEGER NOT NULL,
    digest TEXT NOT NULL,
    burnt TEXT NOT NULL,
    expired TEXT NOT NULL,
    phase INTEGER NOT NULL,
    is_spent INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS credit_grant_open ON credit_grant (account, is_spent, phase);
CREATE INDEX IF NOT EXISTS credit_grant_begins ON credit_grant (phase, from_us);
CREATE INDEX IF NOT EXISTS credit_grant_ends ON credit_grant (phase, expires_us);
CREATE TABLE IF NOT EXISTS credit_burn (
    n INTEGER PRIMARY KEY,
    account INTEGER NOT NULL,
    charge_id TEXT NOT NULL,
    entry_seq INTEGER NOT NULL,
    place INTEGER NOT NULL,
    grant_n INTEGER,
    amount TEXT NOT NULL,
    UNIQUE (entry_seq, place)
);
CREATE INDEX IF NOT EXISTS credit_burn_of ON credit_burn (charge_id, account);
CREATE TABLE IF NOT EXISTS credit_expiry (
    n INTEGER PRIMARY KEY,
    grant_n INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    amount TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS credit_overdraft (
    charge_id TEXT NOT NULL,
    account INTEGER NOT NULL,
    entry_seq INTEGER NOT NULL,
    occurred_us INTEGER NOT NULL,
    amount TEXT NOT NULL,
    PRIMARY KEY (charge_id, account)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS credit_overdraft_of ON credit_overdraft (account, occurred_us, entry_seq);
"""

_TURNS: Final = "credit_turns"
_PUT_ACCOUNT: Final = (
    "INSERT INTO credit_account VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (n) DO UPDATE SET"
    " from_us = excluded.from_us, granted = excluded.granted, burnt = excluded.burnt,"
    " expired = excluded.expired, overdraft = excluded.overdraft,"
    " unpriced = excluded.unpriced, mark = excluded.mark, low_at = excluded.low_at"
)
_GRANT: Final = (
    "g.n, g.id, g.ref, a.tenant, a.currency, g.amount, g.priority, g.from_us, g.expires_us, g.kind, g.cost_basis,"
    " g.created_us, g.digest, g.burnt, g.expired, g.phase"
)
_GRANTS: Final = f"SELECT {_GRANT} FROM credit_grant g JOIN credit_account a ON a.n = g.account"


class Tables:
    """Their statements, on the ledger's connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def is_used(self) -> bool:
        """Whether there is any account. A ledger that an older version wrote may have no tables yet."""
        try:
            return self._db.execute("SELECT 1 FROM credit_account LIMIT 1").fetchone() is not None
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return False
            raise

    def accounts(self, tenant: str | None = None) -> list[Account]:
        """Those of a tenant, or all."""
        where, values = ("", ()) if tenant is None else (" WHERE tenant = ?", (tenant,))
        rows = self._db.execute(
            f"SELECT * FROM credit_account{where} ORDER BY tenant, currency", values
        )
        return [account_of(row) for row in rows]

    def account(self, tenant: str, currency: str) -> Account | None:
        """One of them; None if there is none.

        Args:
            tenant: its id.
            currency: which.
        """
        row = self._db.execute(
            "SELECT * FROM credit_account WHERE tenant = ? AND currency = ?", (tenant, currency)
        ).fetchone()
        return None if row is None else account_of(row)

    def open_account(self, tenant: str, currency: str) -> Account:
        """Begin one.

        Args:
            tenant: its id.
            currency: which.
        """
        (n,) = self._db.execute("SELECT coalesce(max(n), 0) + 1 FROM credit_account").fetchone()
        account = Account(n, tenant, currency)
        self.save_accounts([account])
        return account

    def save_accounts(self, accounts: Iterable[Account]) -> None:
        """Write them as they are now."""
        self._db.executemany(
            _PUT_ACCOUNT,
            [
                (
                    one.n,
                    one.tenant,
                    one.currency,
                    one.from_us,
                    format_money(one.granted),
                    format_money(one.burnt),
                    format_money(one.expired),
                    format_money(one.overdraft),
                    one.unpriced,
                    text_of(one.mark),
                    text_of(one.low_at),
                )
                for one in accounts
            ],
        )

    def grant(self, grant_id: str) -> HeldGrant | None:
        """The grant of that id."""
        return next(self._grants("g.id = ?", (grant_id,)), None)

    def grant_n(self, n: int) -> HeldGrant:
        """The grant of that number."""
        return next(self._grants("g.n = ?", (n,)))

    def grants(self, account: int) -> list[HeldGrant]:
        """All of an account, in the order of their creation."""
        return list(self._grants("g.account = ? ORDER BY g.n", (account,)))

    def open_grants(self, account: int) -> list[HeldGrant]:
        """Those of an account that are not spent, or have not begun."""
        return list(
            self._grants(
                f"g.account = ? AND (g.is_spent = 0 OR g.phase = {UPCOMING}) ORDER BY g.n",
                (account,),
            )
        )

    def due_grants(self, now_us: int, is_back: bool, account: int | None = None) -> list[HeldGrant]:
        """Those that begin or end by a time.

        Args:
            now_us: unix microseconds.
            is_back: whether those that ended after it are wanted, too, since a clock was set back.
            account: only of this account, by its number.
        """
        of, its = ("", ()) if account is None else ("g.account = ? AND ", (account,))
        due = f"(g.phase = {UPCOMING} AND g.from_us <= ?) OR (g.phase = {ACTIVE} AND g.expires_us <= ?)"
        times = [now_us, now_us]
        if is_back:
            due, times = f"{due} OR (g.phase = {EXPIRED} AND g.expires_us > ?)", [*times, now_us]
        return list(self._grants(f"{of}({due})", (*its, *times)))

    def _grants(self, where: str, values: Sequence[object]) -> Iterator[HeldGrant]:
        rows = self._db.execute(f"{_GRANTS} WHERE {where}", values)
        return map(held_grant_of, rows)

    def add_grant(self, account: int, grant: Grant) -> HeldGrant:
        """Write a new one down.

        Args:
            account: its account's number.
            grant: what was decided.
        """
        cursor = self._db.execute(
            f"INSERT INTO credit_grant VALUES (NULL,{_marks(15)})",
            (
                grant.id,
                account,
                grant.ref,
                format_money(grant.amount),
                grant.priority,
                grant.from_us,
                grant.expires_us,
                grant.kind,
                text_of(grant.cost_basis),
                grant.created_us,
                grant.digest,
                "0",
                "0",
                UPCOMING,
                0,
            ),
        )
        assert cursor.lastrowid is not None
        return HeldGrant(cursor.lastrowid, grant)

    def save_grants(self, grants: Iterable[HeldGrant]) -> None:
        """Write what has become of them. What indexes are over is written where it changed alone."""
        changed = [one for one in grants if one.is_changed]
        self._db.executemany(
            "UPDATE credit_grant SET burnt = ?, expired = ? WHERE n = ?",
            [(format_money(one.burnt), format_money(one.expired), one.n) for one in changed],
        )
        self._db.executemany(
            "UPDATE credit_grant SET phase = ?, is_spent = ? WHERE n = ?",
            [(one.phase, one.is_spent, one.n) for one in changed if one.is_moved],
        )
        for one in changed:
            one.note_saved()

    def turns(self) -> int:
        """How often grants were made, began or ended."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (_TURNS,)).fetchone()
        return 0 if row is None else int(row[0])

    def add_turn(self) -> None:
        """Count one more."""
        self._db.execute(
            "INSERT OR REPLACE INTO meta VALUES (?,?)", (_TURNS, str(self.turns() + 1))
        )

    def add_burns(self, rows: Iterable[BurnRow]) -> None:
        """Append to the burns."""
        self._db.executemany(
            "INSERT INTO credit_burn VALUES (NULL,?,?,?,?,?,?)",
            [(*row[:4], row.burn.grant, format_money(row.burn.amount)) for row in rows],
        )

    def burns(self, account: int, charge_id: str) -> list[Burn]:
        """What a charge burnt and gave back, in the order in which it was recorded.

        Args:
            account: of which account, by its number.
            charge_id: 32 hex digits.
        """
        rows = self._db.execute(
            "SELECT grant_n, amount FROM credit_burn WHERE charge_id = ? AND account = ? ORDER BY n",
            (charge_id, account),
        )
        return [Burn(grant, parse_money(amount)) for grant, amount in rows]

    def every_burn(self) -> Iterator[tuple[int, int, int, int]]:
        """What entries burnt of grants, in the order in which it was recorded: the grant, the entry's seq, when its
        call occurred, and how much."""
        rows = self._db.execute(
            "SELECT grant_n, entry_seq, occurred_us, b.amount FROM credit_burn b JOIN entry ON seq = entry_seq"
            " WHERE grant_n IS NOT NULL ORDER BY b.n"
        )
        return ((grant, seq, at_us, parse_money(amount)) for grant, seq, at_us, amount in rows)

    def next_place(self, entry_seq: int) -> int:
        """The place of an entry's next burn."""
        row = self._db.execute(
            "SELECT coalesce(max(place) + 1, 0) FROM credit_burn WHERE entry_seq = ?", (entry_seq,)
        ).fetchone()
        return int(row[0])

    def add_expiry(self, grant: int, at_us: int, amount: int) -> None:
        """Append to what has expired.

        Args:
            grant: its number.
            at_us: when that was noticed, unix microseconds.
            amount: atto; below 0 for what has not expired after all.
        """
        self._db.execute(
            "INSERT INTO credit_expiry VALUES (NULL,?,?,?)", (grant, at_us, format_money(amount))
        )

    def overdrawn_of(self, account: int, charge_id: str) -> int:
        """What of a charge no grant has covered so far (atto).

        Args:
            account: of which account, by its number.
            charge_id: 32 hex digits.
        """
        row = self._db.execute(
            "SELECT amount FROM credit_overdraft WHERE charge_id = ? AND account = ?",
            (charge_id, account),
        ).fetchone()
        return 0 if row is None else parse_money(row[0])

    def overdrawn(self, account: int, before_us: int, limit: int) -> list[Overdrawn]:
        """What is not covered, the oldest first.

        Args:
            account: of which account, by its number.
            before_us: only what occurred before, unix microseconds.
            limit: how many charges at most.
        """
        rows = self._db.execute(
            "SELECT * FROM credit_overdraft WHERE account = ? AND occurred_us < ?"
            " ORDER BY occurred_us, entry_seq LIMIT ?",
            (account, before_us, limit),
        )
        return [
            Overdrawn(charge, n, seq, us, parse_money(amount))
            for charge, n, seq, us, amount in rows
        ]

    def save_overdrawn(self, one: Overdrawn) -> None:
        """Write what is not covered of a charge: nothing is no row."""
        if one.amount:
            self._db.execute(
                "INSERT INTO credit_overdraft VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET amount = excluded.amount",
                (*one[:4], format_money(one.amount)),
            )
        else:
            self._db.execute(
                "DELETE FROM credit_overdraft WHERE charge_id = ? AND account = ?", one[:2]
            )


def _marks(count: int) -> str:
    return ",".join("?" * count)
