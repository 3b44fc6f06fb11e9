"""What if: the same usage as calls of another model, or with more of its input cached, by the functions of `genai-cost
prices impact`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.ledger.rerating.active_terms import Terms
from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.ledger.rerating.rerate import assess
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.view import Table, View
from otel_genai_cost.pages.viewer import Viewer
from otel_genai_cost.pages.what_ifs import Run, Sums
from otel_genai_cost.pricing.what_if import Model, WhatIf
from otel_genai_cost.reports.newest import newest_charges
from otel_genai_cost.reports.selection import Selection
from otel_genai_cost.reports.tables import report
from otel_genai_cost.reports.what_if import (
    IMPACT_COLUMNS,
    all_of,
    impact_of,
    impact_record,
    impact_records,
    instead_of,
    more_cached,
    share_in,
)

__all__ = ["view"]

_CHARGES_MAX: Final = 200_000
_ROWS_MAX: Final = 50
_AT_ONCE_S: Final = 0.25
"""How long a page waits before it shows how far the answer is."""

_STOPPED_S: Final = 2.0
"""How long it takes to end what some hundred charges are at."""

_TABLE_S: Final = 5.0
"""How long a table waits: the address of the page that has the whole answer gives one at once."""


class _Question(NamedTuple):
    """What is asked, and by whom: nobody is shown the answer to another's."""

    folder: Path
    viewer: Viewer
    selection: Selection
    instead: str
    cached: str
    book: str


def view(data: Data, asked: Asked, viewer: Viewer) -> View:
    """The page.

    Args:
        data: what it is made of.
        asked: which calls; `instead` names another model, `cached` a share of the input.
        viewer: who asks.

    Raises:
        ConfigurationError: if a value of it cannot be used.
    """
    run = _run(data, asked, viewer)
    values: dict[str, Any] = {
        "run": run,
        "chosen": asked.selection.models,
        "instead": asked.text("instead"),
        "cached": asked.text("cached"),
        "records": [],
        "sums": [],
        "more": 0,
        "book": data.book().digest,
        "refresh": None,
    }
    records: list[dict[str, Any]] = []
    if run is not None:
        if asked.form == "csv":
            _check_whole(run)
        if run.result is None and not run.is_over:
            values["refresh"] = asked.link("/what-if", run=run.id, end="")
        found = run.result or {}
        records = impact_records(found)
        values |= {
            "records": records[:_ROWS_MAX],
            "more": max(0, len(records) - _ROWS_MAX),
            "sums": [impact_record(key, one) for key, one in all_of(found).items()],
        }
    return View("what_if.html", values, Table.of_records("what-if", IMPACT_COLUMNS, records))


def _check_whole(run: Run) -> None:
    """A table has no room to say that it is of some charges alone.

    Raises:
        ConfigurationError: if it would be.
    """
    run.wait(_TABLE_S)
    if run.is_cut or run.result is None:
        raise ConfigurationError(
            "these are too many charges for a table",
            value=f"{run.done:,} of {run.whole}",
            remedy="choose a shorter time, or use `genai-cost prices impact --csv`",
        )


def _run(data: Data, asked: Asked, viewer: Viewer) -> Run | None:
    """The answer as far as it is; None if nothing is asked yet."""
    instead, cached = asked.text("instead"), asked.text("cached")
    if not (instead or cached):
        return None
    book, selection = data.book(), asked.selection
    question = _Question(data.folder, viewer, selection, instead, cached, book.digest)
    run = data.what_ifs.find(asked.text("run"), question)
    if run is None:
        run = data.what_ifs.begin(question, _working(data, selection, instead, cached))
        run.wait(_AT_ONCE_S)
    if asked.text("end"):
        run.stop()
        run.wait(_STOPPED_S)
    return run


def _working(data: Data, selection: Selection, instead: str, cached: str) -> Callable[[Run], Sums]:
    """What the thread does. Which charges are meant is asked before, since a page's figures end with the page.

    Raises:
        ConfigurationError: for another model that the book does not know, and for what is no share.
    """
    book = data.book()
    what_if = WhatIf(book, instead_of(book, _models(data, selection), instead)) if instead else None
    used = more_cached(share_in(cached)) if cached else None
    newest = newest_charges(data.figures, selection, _CHARGES_MAX + 1, data.standing.seq)
    charge_ids, has_more = newest[:_CHARGES_MAX], len(newest) > _CHARGES_MAX

    def work(run: Run) -> Sums:
        with closing(data.ledger()) as ledger, ledger.snapshot():
            terms = Terms(what_if or book, ledger.contracts, used)
            found = assess(ledger, terms, Books(data.journals), charge_ids)
            parts = run.parts(found, len(charge_ids), has_more=has_more)
            return impact_of(parts, selection, what_if)

    return work


def _models(data: Data, selection: Selection) -> list[Model]:
    """Those of the calls, as they are booked."""
    groups = report(data.figures, ["provider", "model"], selection, data.standing.seq)
    return [(one.keys["provider"], model) for one in groups if (model := one.keys["model"])]
