"""Why an answer is empty: how many segments and calls there are, where, of what time, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from otel_genai_cost.journal.reader import segments
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.entries import Extent
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.reports.selection import Selection, local_time

__all__ = ["why_empty"]


def why_empty(
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
    booked = _booked(folder / LEDGER_FILE) if has_ledger else Extent(0, None, None)
    yield f"no call{kind} {selection}"
    held = "; ".join(_journal(one) for one in journals)
    if booked.first_us is None or booked.last_us is None:
        yield f"0 calls in {folder}; journals: {held}"
        yield "nothing was metered here: `genai-cost doctor` looks at the set-up, --ledger FOLDER reads another ledger"
        return
    first, last = (local_time(selection.zone, us) for us in (booked.first_us, booked.last_us))
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


def _booked(ledger: Path) -> Extent:
    opened = Ledger(ledger, readonly=True)
    try:
        return opened.entries.extent()
    finally:
        opened.close()
