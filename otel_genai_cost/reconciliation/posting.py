"""Posting true-ups: the ledger's one writer appends what the bill differs by, and ends what was held for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import tzinfo
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.ledger.daemon import LEDGER_FILE, writer_lock
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Queryable
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.reconciliation.lost import is_billed_or_never
from otel_genai_cost.reconciliation.ours import condition_of, selection_of_days
from otel_genai_cost.reconciliation.reading import providers_of
from otel_genai_cost.reconciliation.true_up import TrueUp, charge_of, true_up_entries

__all__ = ["Posted", "post_true_ups"]

_SQL: Final = (Path(__file__).parent / "sql" / "posted.sql").read_text(encoding="utf-8")


class Posted(NamedTuple):
    """The entries, and how many holds of lost calls ended with them."""

    entries: list[Entry]
    ended: int


def post_true_ups(
    home: Path,
    store: Queryable,
    provider: str,
    wanted: Iterable[TrueUp],
    *,
    days: tuple[str, str],
    zone: tzinfo,
    now_us: int,
) -> Posted:
    """Post what the books lack to say what the bill says. Where all of it is final, what was held for calls of these
    days of which nothing was heard ends with that: they are billed, and booked by this, or never.

    Args:
        home: the ledger's folder.
        store: what holds the entries, and is fed after this.
        provider: as its bills are kept.
        wanted: of every cell of these days.
        days: the first and the last.
        zone: whose days they are.
        now_us: the time of posting, unix microseconds.

    Returns:
        What was posted; nothing if the books say so already.

    Raises:
        LedgerLockedError: if another process is the ledger's writer.
        LedgerError: if the ledger cannot be read or written.
    """
    wanted = list(wanted)
    providers = providers_of(provider)
    selection = selection_of_days(days, zone)
    ends = selection.from_us or 0, selection.to_us or 0
    condition, parameters = condition_of(selection, providers)
    if not providers:  # of bills that are kept under no provider, whose true-ups name none
        condition = f"{condition} AND provider IS NULL"
    known = {row[0] for row in store.query(_SQL.format(condition=condition), parameters).rows}
    ids = sorted(known | {charge_of(provider, one.cell) for one in wanted})
    booked_as = providers[0] if providers else None
    with writer_lock(home):
        ledger = Ledger(home / LEDGER_FILE)
        try:
            posted = ledger.entries.by_charge(ids)
            entries = true_up_entries(provider, booked_as, wanted, posted, now_us, zone)
            with ledger.transaction():
                ended = 0
                if wanted and all(one.amount is not None for one in wanted):
                    ended = _end_lost(ledger, providers, *ends)
                return Posted(ledger.entries.append(entries), ended)
        finally:
            ledger.close()


def _end_lost(ledger: Ledger, providers: Collection[str], from_us: int, to_us: int) -> int:
    lost = [
        hold for hold in ledger.holds.open() if is_billed_or_never(hold, providers, from_us, to_us)
    ]
    for hold in lost:
        ledger.holds.write(hold, hold.after("end"))
    return len(lost)
