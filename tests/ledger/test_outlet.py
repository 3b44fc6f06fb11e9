"""How a shipper feeds a sink that fails: other sinks go on, and it is left alone for a while."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.daemon import ship
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.outlet import Outlet
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.testing.memory import MemorySink
from tests.cli.homes import home_of
from tests.ledger.build import observe


class _Failing(MemorySink):
    """Fails while it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.fails = True
        self.asked = self.published = 0

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        self.asked += 1
        if self.fails:
            raise GenAICostError("away")
        super().append(ledger_id, entries)

    def publish(self) -> None:
        self.published += 1


@pytest.fixture
def ledger(tmp_path: Path) -> Generator[Ledger]:
    opened = Ledger(home_of(tmp_path, [observe(1)]) / "ledger.sqlite", readonly=True)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("chance", "wanted"),
    [
        (0.0, [1, 2, 4, 8, 16, 32, 60, 60, 60]),
        (0.5, [0.75, 1.5, 3, 6, 12, 24, 45, 45, 45, 45]),
        (1.0, [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30, 30]),
    ],
)
def test_sink_that_fails_is_left_alone_for_twice_as_long_each_time(
    ledger: Ledger, chance: float, wanted: list[float]
) -> None:
    sink, now_s = _Failing(), 0.0
    outlet = Outlet(sink, clock_s=lambda: now_s, chance=lambda: chance)
    asked_at: list[float] = []
    for quarter in range(1_200):
        now_s, before = quarter / 4, sink.asked
        failed = outlet.feed(ledger)
        assert failed == (sink.asked > before)
        assert not outlet.is_fed
        asked_at += [now_s] if failed else []
    waits = [later - sooner for sooner, later in itertools.pairwise(asked_at)]
    assert waits[: len(wanted)] == wanted
    sink.fails, now_s = False, 600.0
    assert not outlet.feed(ledger)
    assert (outlet.is_fed, len(sink.entries)) == (True, 1)
    assert not outlet.feed(ledger)  # at once again
    assert sink.published == 2


def test_other_sinks_are_fed_beside_one_that_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = home_of(tmp_path, [observe(1)])
    failing, well = _Failing(), MemorySink()
    done = ship(home, [home / "journal"], sinks=[failing, well])
    assert len(well.entries) == 1
    assert (done.sink_errors, done.unfed) == (1, 1)
    assert "sink _Failing: away; it is fed again next time" in caplog.text
