"""Deciding budgets: all that was written, or nothing of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.errors import BudgetsError, Problem
from otel_genai_cost.journal.codec import encode
from otel_genai_cost.journal.reader import LINE_LIMIT_BYTES
from otel_genai_cost.ledger.projections.budgets import BUDGET, budgets_in
from otel_genai_cost.ledger.storage.decided import decide, waiting
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import Budget, budget_record, numbered
from otel_genai_cost.limits.budget_form import budgets_of

__all__ = ["decide_budgets", "known_budgets"]

_LINE_MAX: Final = LINE_LIMIT_BYTES - 4_096
"""What is decided in one go is one line of the journal, so that a crash leaves all of it or nothing."""


def decide_budgets(
    ledger: Path,
    written: Sequence[Mapping[str, Any]],
    now_us: int,
    *,
    place: str = "budgets",
    lines: Sequence[int] = (),
) -> list[Budget]:
    """Write down versions of budgets for good. They take effect when the ledger next reads its own journal.

    Args:
        ledger: its file, which need not be there yet.
        written: the fields of each, as they stand in `budgets.toml` or in JSON.
        now_us: the time, unix microseconds.
        place: where they were written, for problems.
        lines: on which line each stands, where that is known.

    Returns:
        Those that are new, without their numbers; what the ledger has already is left out.

    Raises:
        BudgetsError: with every problem, if one is broken; nothing is decided then.
        LedgerError: if nothing can be written, or the ledger cannot be read.
    """
    found, problems = budgets_of(written, known_budgets(ledger), now_us, place, lines)
    first, *others = [budget_record(one) for one in found] or [{}]
    event = {"type": BUDGET, **first, "with": others}
    if not problems and len(encode(event)) > _LINE_MAX:
        problems = [Problem(place, 0, "too many budgets in one go", "split it by some hundreds")]
    if problems:
        raise BudgetsError(tuple(problems))
    if found:
        decide(ledger.parent, event)
    return found


def known_budgets(ledger: Path) -> Mapping[str, Sequence[Budget]]:
    """Every version that was decided, by budget, whether it has taken effect or not.

    Args:
        ledger: its file, which need not be there yet.

    Raises:
        LedgerError: if the ledger cannot be read.
    """
    offsets: Mapping[str, int] = {}
    found: list[Budget] = []
    if ledger.exists():
        with closing(Ledger(ledger, readonly=True)) as opened, opened.snapshot():
            offsets = {one.path: one.byte_offset for one in opened.cursors.all()}
            found = [one for versions in opened.budgets.every().values() for one in versions]
    for event in waiting(ledger.parent, offsets, BUDGET):
        found += budgets_in(event)
    return numbered(dict.fromkeys(one._replace(version=0) for one in found))
