"""What keeps the pages up to the ledger: it goes on after what fails, and asks what people will ask first, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import ship
from otel_genai_cost.pages.figures import Figures
from otel_genai_cost.pages.following import Following
from otel_genai_cost.pages.warming import warm
from otel_genai_cost.reports.selection import EVERYTHING
from tests.ledger.build import observe, tenant
from tests.pages.views import source_of
from tests.reports.fixture import make_home


def _until(condition: Callable[[], bool]) -> bool:
    give_up_s = time.monotonic() + 30
    while not condition() and time.monotonic() < give_up_s:
        time.sleep(0.02)
    return condition()


def _book(home: Path, n: int) -> None:
    journal = Journal([home / "journal"])
    journal.append(
        to_record(observe(n, trace=n, start_s=9_000, end_s=9_001, attribution=tenant("new")))
    )
    journal.close()
    ship(home, [home / "journal"], drain=True, sinks=[])


def test_entries_are_there_soon_after_they_are_booked(tmp_path: Path) -> None:
    home, warmed = make_home(tmp_path), list[int]()
    with closing(Figures(home)) as figures:
        following = Following(
            figures, warm=lambda: warmed.append(figures.standing.seq), every_s=0.02
        )
        following.start()
        try:
            assert _until(lambda: figures.standing.seq == 5)
            _book(home, 60)
            assert _until(lambda: figures.standing.seq > 5)
        finally:
            following.stop()
    assert warmed == [5]


def test_the_first_page_has_what_the_ledger_has(tmp_path: Path) -> None:
    with closing(Figures(make_home(tmp_path))) as figures:
        following = Following(figures, every_s=60)
        following.start(30)
        try:
            assert figures.standing.seq == 5
        finally:
            following.stop()


def test_it_goes_on_after_what_fails(tmp_path: Path) -> None:
    home, tried = make_home(tmp_path), list[int]()

    def fails() -> None:
        tried.append(1)
        if len(tried) < 3:
            raise GenAICostError("not now")

    with closing(Figures(home)) as figures:
        following = Following(figures, ship=fails, every_s=0.02)
        following.start()
        try:
            assert _until(lambda: figures.standing.seq == 5)
        finally:
            following.stop()
    assert len(tried) >= 3


def test_a_copy_that_is_gone_is_made_again(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    for store in ("charges.duckdb", "nothing"):
        with closing(Figures(home)) as figures:
            assert figures.refresh()
            assert figures.standing.seq == figures.standing.ledger_seq == 5
        (home / "pages.duckdb").unlink()
        (home / store).unlink(missing_ok=True)


def test_another_ledger_in_the_same_folder_begins_anew(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    with closing(Figures(home)) as figures:
        figures.refresh()
        known = figures.standing.ledger_id
        for one in home.glob("ledger.sqlite*"):
            one.unlink()
        ship(home, [home / "journal"], drain=True, sinks=[])
        assert figures.refresh()
        assert figures.standing.ledger_id != known
        assert figures.standing.seq == 5


def test_the_first_pages_are_asked_before_anybody_does(tmp_path: Path) -> None:
    with source_of(make_home(tmp_path)) as source:
        warm(source)
        with closing(source.figures.reading()) as reading:
            data = source.data(reading)
            asked = data.report(["tenant"], EVERYTHING, by_cost=True)
    assert asked[0].keys["tenant"] == "acme"
    assert len(source.figures.sums._known.values()) > 5
