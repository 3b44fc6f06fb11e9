"""What a served ledger says of what it books: unpriced and unattributed by why, duplicates, and what is taken back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.intake.booked_figures import BookedFigures
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, Shipped, ship
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.entries import Entries
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.tenancy.attribution import Attribution
from tests.demo.processes import wait_until
from tests.intake.served import posted, serving, wait_for_calls
from tests.ledger.build import observe

_NOBODY = Attribution(None, None, "missing", "user")
_COUNTED: Final = {
    "calls_total": 4,
    'unpriced_total{reason="unknown_model"}': 1,
    'unattributed_total{reason="missing"}': 1,
    "duplicates_total": 1,
}
"""What comes of them."""


def _journalled(folder: Path) -> Journal:
    """A call reported twice, one of an unknown model, one of the platform's and one that is nobody's."""
    journal = Journal([folder])
    for one in (
        observe(1, trace=1, response_id="r1"),
        observe(2, trace=1, above=(1,), response_id="r1", scope="sdk"),
        observe(3, trace=3, model="a-model-without-a-price"),
        observe(4, trace=4, attribution=_NOBODY),
        observe(5, trace=5, attribution=_NOBODY._replace(initiator="system")),
    ):
        assert journal.append(to_record(one))
    journal.close()
    return journal


def _of_the_ledger(figures: dict[str, float]) -> dict[str, float]:
    names = ("calls", "unpriced", "unattributed", "duplicates")
    return {
        name.removeprefix("genai_cost_ledger_"): value
        for name, value in figures.items()
        if name.startswith(tuple(f"genai_cost_ledger_{one}" for one in names)) and value
    }


def _said(figures: BookedFigures) -> dict[str, float]:
    lines = "".join(figures.figures()).splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_a_ledger_counts_what_it_books_since_it_was_started(tmp_path: Path) -> None:
    _journalled(tmp_path / "there")
    with serving(tmp_path) as served:
        assert served.send(posted(tmp_path / "there")).status == 200
        wait_for_calls(served, 4)

        def all_calls() -> dict[str, float] | None:
            """Of one answer, so that what comes with the calls is seen with them."""
            seen = _of_the_ledger(served.metrics())
            return seen if seen.get("calls_total") == 4 else None

        assert wait_until(all_calls, "its figures", 120, (served.child,)) == _COUNTED
        assert served.child.stop(60) == 0
    with serving(tmp_path) as served:
        assert _of_the_ledger(served.metrics()) == {}


def test_what_a_correction_takes_back_is_counted_by_itself(tmp_path: Path) -> None:
    figures = BookedFigures(tmp_path)
    figures.begin()
    _journalled(tmp_path / "journal")
    done = ship(tmp_path, [tmp_path / "journal"], drain=True)
    figures.look(done)
    figures.look(done)
    ledger = Ledger(tmp_path / LEDGER_FILE)
    try:
        back = [
            one._replace(calls=-one.calls, unpriced=-one.unpriced, revision=1, reason=None)
            for one in ledger.entries
        ]
        with ledger.transaction():
            ledger.entries.append([one._replace(id=one.id[::-1]) for one in back])
    finally:
        ledger.close()
    figures.look(done)
    said = _said(figures)
    assert said["genai_cost_ledger_calls_total"] == 4
    assert said["genai_cost_ledger_calls_credited_total"] == 4
    assert said["genai_cost_ledger_unpriced_credited_total"] == 1
    assert said["genai_cost_ledger_unattributed_credited_total"] == 1
    assert said["genai_cost_ledger_duplicates_total"] == 1


def test_figures_of_a_round_come_together_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks while entries are read sees none of them, and what fails half-way is counted the next time."""
    figures = BookedFigures(tmp_path)
    figures.begin()
    _journalled(tmp_path / "journal")
    done = ship(tmp_path, [tmp_path / "journal"], drain=True)
    meanwhile: list[dict[str, float]] = []
    since = Entries.since

    def failing(entries: Entries, seq: int, limit: int = -1) -> Iterator[Entry]:
        for entry in since(entries, seq, limit):
            yield entry
            meanwhile.append(_of_the_ledger(_said(figures)))
        raise sqlite3.OperationalError("database is locked")

    with monkeypatch.context() as broken:
        broken.setattr(Entries, "since", failing)
        figures.look(done)
    assert meanwhile == [{}] * 4 and _of_the_ledger(_said(figures)) == {}
    figures.look(done)
    assert _of_the_ledger(_said(figures)) == _COUNTED


@pytest.mark.parametrize("there", [False, True])
def test_what_cannot_be_read_counts_nothing(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / LEDGER_FILE).write_bytes(b"no ledger")
    figures = BookedFigures(tmp_path)
    figures.begin()
    figures.look(Shipped(settled=3))
    assert "genai_cost_ledger_duplicates_total 0\n" in "".join(figures.figures())
