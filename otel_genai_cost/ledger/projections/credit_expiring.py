"""Credit that will soon be void: said to its tenant and to the team, once for each end.

What is left then depends on the order in which calls were booked, so it is an event of the ledger's own journal before
it is a notice: a ledger that is rebuilt says the same.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from otel_genai_cost.ledger.projections.credit_rows import ACTIVE
from otel_genai_cost.limits.notice import AUDIENCES, Notice
from otel_genai_cost.pricing.money import format_money, parse_money

__all__ = ["EXPIRING_EVENT", "EXPIRING_SCHEMA", "Expiring"]

_logger = logging.getLogger("otel_genai_cost")

EXPIRING_EVENT: Final = "credit_expiring"
"""The type of the event."""

EXPIRING_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS credit_expiring (
    tenant TEXT NOT NULL,
    currency TEXT NOT NULL,
    expires_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, currency, expires_us)
) WITHOUT ROWID;
"""

_SECOND_US: Final = 1_000_000
_LEAD_US: Final = 7 * 86_400 * _SECOND_US
_LOOK_EVERY_US: Final = 60 * _SECOND_US
_ENDS_MAX: Final = 200
"""Ends in one event: a line of the journal stays short, and a month's end is not thousands of writes."""

_OPEN: Final = (
    "FROM credit_grant g JOIN credit_account a ON a.n = g.account"
    f" WHERE g.phase = {ACTIVE} AND g.is_spent = 0"
)
_SOON: Final = (
    f"SELECT DISTINCT a.tenant, a.currency, g.expires_us {_OPEN} AND g.expires_us > :now"
    f" AND g.expires_us <= :now + min({_LEAD_US}, (g.expires_us - g.from_us) / 4)"
    f" AND g.expires_us <= :now + {_LEAD_US}"
    " AND NOT EXISTS (SELECT 1 FROM credit_expiring e WHERE e.tenant = a.tenant AND e.currency = a.currency"
    " AND e.expires_us = g.expires_us) ORDER BY g.expires_us, a.tenant, a.currency"
)
"""Seven days before the end, or in the last quarter of a shorter life."""


class Expiring:
    """What was said of which ends, in an open ledger.

    Args:
        db: its connection.
        write: writes events down, for good.
        queue: has a notice sent.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        write: Callable[[Iterable[Mapping[str, Any]]], None],
        queue: Callable[[Notice], None],
    ) -> None:
        self._db, self._write, self._queue = db, write, queue
        self._looked_us: int | None = None

    def is_due(self, now_us: int) -> bool:
        """Whether any credit is to be spoken of; looked for once a minute.

        Args:
            now_us: unix microseconds.
        """
        looked_us = self._looked_us
        if looked_us is not None and looked_us <= now_us < looked_us + _LOOK_EVERY_US:
            return False
        self._looked_us = now_us
        return bool(self._soon(now_us))

    def say(self, now_us: int) -> None:
        """Write down and queue what is to be said, inside the caller's transaction.

        Args:
            now_us: unix microseconds.
        """
        soon = [(*one, self._left(*one)) for one in self._soon(now_us)]
        events = [
            {"type": EXPIRING_EVENT, "at_us": now_us, "ends": soon[n : n + _ENDS_MAX]}
            for n in range(0, len(soon), _ENDS_MAX)
        ]
        self._write(events)
        for event in events:
            self.take(event)

    def _soon(self, now_us: int) -> list[tuple[str, str, int]]:
        return self._db.execute(_SOON, {"now": now_us}).fetchall()

    def _left(self, tenant: str, currency: str, expires_us: int) -> str:
        rows = self._db.execute(
            f"SELECT g.amount, g.burnt {_OPEN} AND a.tenant = ? AND a.currency = ? AND g.expires_us = ?",
            (tenant, currency, expires_us),
        )
        return format_money(sum(parse_money(amount) - parse_money(burnt) for amount, burnt in rows))

    def take(self, event: Mapping[str, Any]) -> None:
        """Take what was said, and queue the notices of it; the same event may come again.

        Args:
            event: as it stands in the ledger's own journal.
        """
        try:
            notices = _notices(event)
        except (KeyError, TypeError, ValueError) as error:
            _logger.error("an event of expiring credit cannot be read: %r", error)
            return
        for one in notices:
            self._db.execute(
                "INSERT OR IGNORE INTO credit_expiring VALUES (?,?,?)",
                (one.tenant, one.facts["currency"], one.facts["expires_us"]),
            )
            for audience in AUDIENCES:
                self._queue(one._replace(audience=audience))


def _notices(event: Mapping[str, Any]) -> list[Notice]:
    """Raises KeyError, TypeError or ValueError for what is no such event."""
    return [
        Notice(
            kind="expiring",
            key=f"expiring|{tenant}|{currency}|{int(expires_us)}",
            tenant=str(tenant),
            audience="team",
            at_us=int(event["at_us"]),
            facts={
                "scope": f"tenant={tenant}",
                "currency": str(currency),
                "side": "price",
                "expiring": format_money(parse_money(left)),
                "expires_us": int(expires_us),
            },
        )
        for tenant, currency, expires_us, left in event["ends"]
    ]
