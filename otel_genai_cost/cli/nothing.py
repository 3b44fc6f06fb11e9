"""Why an answer is empty: how many segments and calls there are, where, of what time, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from otel_genai_cost.journal.reader import segments
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.store import Ledger
from otel_genai_cost.reports.selection import Selection, told_in

__all__ = ["why_nothing"]


class _Booked(NamedTuple):
    """What a ledger holds: charges, and when the first and the last occurred."""

    calls: int = 0
    first_us: int = 0
    last_us: int = 0


def why_nothing(
    folder: Path,
    journals: Sequence[Path],
    has_ledger: bool,
    selection: Selection,
    kind: str = "",
) -> Iterator[str]:
    """The lines that explain an empty answer.

    Args:
        folder: the ledger's.
        journals: the folders that feed it.
        has_ledger: whether there is a ledger in `folder`.
        selection: the calls that were asked for.
        kind: what else they had to be: ` of gpt-4o`, for example.
    """
    booked = _booked(folder / LEDGER_FILE) if has_ledger else _Booked()
    yield f"no call{kind} {selection}"
    held = "; ".join(_journal(one) for one in journals)
    if not booked.calls:
        yield f"0 calls in {folder}; journals: {held}"
        yield "nothing was metered here: `genai-cost doctor` looks at the set-up, --ledger FOLDER reads another ledger"
        return
    first, last = (told_in(selection.zone, us) for us in (booked.first_us, booked.last_us))
    calls = "1 call" if booked.calls == 1 else f"{booked.calls:,} calls"
    yield f"{calls} in {folder}, from {first} to {last}; journals: {held}"
    yield _remedy(selection, kind)


def _journal(folder: Path) -> str:
    try:
        count = len(segments(folder))
    except OSError as error:
        return f"{folder} (cannot be read: {error.strerror})"
    return f"{folder} ({count} segment{'' if count == 1 else 's'})"


def _remedy(selection: Selection, kind: str) -> str:
    named = [
        word
        for word, names in (
            ("tenant", selection.tenants),
            ("model", selection.models),
            ("feature", selection.features),
        )
        if names
    ]
    if named:
        return f"see what there is: `genai-cost report --by {','.join(named)}`"
    if kind:
        return "see what there is: `genai-cost report --by model`"
    return "ask for another time: --last, --since, or --from and --to"


def _booked(ledger: Path) -> _Booked:
    opened = Ledger(ledger, readonly=True)
    try:
        calls, times = 0, list[int]()
        for entry in opened.entries():
            calls += entry.calls
            times.append(entry.occurred_us)
    finally:
        opened.close()
    return _Booked(calls, min(times), max(times)) if times else _Booked()
