"""The end of an agent: it waits as long as it was given, and no longer, whatever happens to what it waits for."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.forwarding.daemon import EVERY_S, Forwarding
from otel_genai_cost.forwarding.destination import Destination, parse_address
from otel_genai_cost.intake import passing
from otel_genai_cost.intake.passing import Passing
from tests.intake.served import journalled

_GRACE_S: Final = 9.0


class _Clock:
    """A clock that stands still unless somebody waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, s: float) -> None:
        assert s >= 0
        self.now_s += s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    found = _Clock()
    monkeypatch.setattr(passing, "time", found)
    monkeypatch.setattr(Forwarding, "stop", lambda _: found.sleep(EVERY_S))
    return found


def _passing(journal: Path) -> Passing:
    address = parse_address("http://127.0.0.1:9")
    assert address is not None
    return Passing(journal, Destination(address=address, asked="node"))


def test_nobody_acknowledges(
    tmp_path: Path, clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journalled(tmp_path, 1, 2)

    def drain(_: Forwarding, timeout_s: float) -> bool:
        clock.sleep(timeout_s)
        return False

    monkeypatch.setattr(Forwarding, "drain", drain)
    (left,) = _passing(tmp_path).end(_GRACE_S)
    assert left.bytes > 0
    assert clock.now_s == 1000 + _GRACE_S + EVERY_S


def test_somebody_writes_for_ever(
    tmp_path: Path, clock: _Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = journalled(tmp_path, 1, 2, close=False)
    asked: list[float] = []

    def drain(_: Forwarding, timeout_s: float) -> bool:
        asked.append(timeout_s)
        clock.sleep(min(0.7, timeout_s))
        return True

    monkeypatch.setattr(Forwarding, "drain", drain)
    assert _passing(tmp_path).end(_GRACE_S)
    assert clock.now_s == pytest.approx(1000 + _GRACE_S + EVERY_S)
    assert len(asked) == 10 and min(asked) > 0
    journal.close()
    clock.now_s = 1000
    assert _passing(tmp_path).end(_GRACE_S)
    assert clock.now_s == pytest.approx(1000 + 0.7 + EVERY_S)
