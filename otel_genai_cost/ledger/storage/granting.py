"""Granting credit: all of what was written or none of it, and what was granted before is not granted again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import GrantConflictError, GrantsError, Problem
from otel_genai_cost.journal.codec import encode
from otel_genai_cost.journal.reader import LINE_LIMIT_BYTES
from otel_genai_cost.ledger.projections.credits import GRANT_EVENT, grants_in
from otel_genai_cost.ledger.storage.decided import decide, waiting
from otel_genai_cost.ledger.storage.keeping import EVENTS
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.credit import Grant
from otel_genai_cost.limits.grant_form import conflict, grant_record, grants_of
from otel_genai_cost.whole_files import alone_in

__all__ = ["Granted", "grant_credit"]


_LINE_MAX: Final = LINE_LIMIT_BYTES - 4_096
"""What is granted in one go is one line of the journal, so that a crash leaves all of it or nothing."""

_TOO_MANY: Final = ("too many grants in one go", "grant some hundreds at a time")


class Granted(NamedTuple):
    """A grant as it was decided, now or before."""

    grant: Grant
    is_new: bool


def grant_credit(
    ledger: Path,
    written: Sequence[Mapping[str, Any]],
    now_us: int,
    *,
    place: str = "grants",
    lines: Sequence[int] = (),
) -> list[Granted]:
    """Write down grants for good. They take effect when the ledger next reads its own journal.

    Args:
        ledger: its file, which need not be there yet.
        written: the fields of each grant. One that was granted before, with the same ref and contents, is left as it
            was; a ref with other contents is refused, since nobody could say which of them was meant.
        now_us: the time, unix microseconds.
        place: where they were written, for problems.
        lines: on which line each stands, where that is known.

    Returns:
        All of them, in their order.

    Raises:
        GrantsError: with every problem, if one is broken; nothing is granted then.
        GrantConflictError: if all that is wrong is that a ref was used before.
        LedgerError: if nothing can be written, or the ledger cannot be read.
    """
    grants, problems = grants_of(written, now_us, place, lines)
    if problems:
        raise GrantsError(tuple(problems))
    with alone_in(ledger.parent / EVENTS):
        known = _known(ledger, {grant.id for grant in grants})
        clashes = [one for one in grants if known.get(one.id, one).digest != one.digest]
        if clashes:
            raise GrantConflictError(tuple(Problem(place, 0, *conflict(one)) for one in clashes))
        fresh = {one.id: one for one in grants if one.id not in known}
        if fresh:
            records = [grant_record(one) for one in fresh.values()]
            event = {"type": GRANT_EVENT, "at_us": now_us, "grants": records}
            if len(encode(event)) > _LINE_MAX:
                raise GrantsError((Problem(place, 0, *_TOO_MANY),))
            decide(ledger.parent, event)
    return [Granted(known.get(one.id, one), one.id in fresh) for one in grants]


def _known(path: Path, ids: set[str]) -> dict[str, Grant]:
    """Those of these grants that were decided before, whether they have taken effect or not."""
    found: dict[str, Grant] = {}
    offsets: Mapping[str, int] = {}
    if path.exists():
        with closing(Ledger(path, readonly=True)) as ledger, ledger.snapshot():
            offsets = {one.path: one.byte_offset for one in ledger.cursors.all()}
            grants = (ledger.credits.grant(grant_id) for grant_id in ids)
            found = {one.id: one for one in grants if one is not None}
    for event in waiting(path.parent, offsets, GRANT_EVENT):
        for grant in grants_in(event):
            if grant.id in ids:
                found.setdefault(grant.id, grant)
    return found
