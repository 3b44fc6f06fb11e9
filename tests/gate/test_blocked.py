"""That calls are blocked is said at once, to each audience what it may see, and once until a limit is raised."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest

from otel_genai_cost.alerts.render import render
from otel_genai_cost.errors import LedgerError
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.keeping import EVENTS
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Audience
from tests.gate.opened import Opened, hold_id, opened
from tests.limits.build import budget


def _shown(home: Path, audience: Audience) -> list[tuple[str, str]]:
    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
        found = ledger.notices.since(0, audience, "acme")
        messages = [render(one.notice, one.id) for one in found if one.notice.kind == "blocked"]
    return [(one.title, one.text.splitlines()[0]) for one in messages]


def _until_written(home: Path, count: int) -> None:
    end_s = time.monotonic() + 10
    while sum(b'"blocked"' in line for line in _lines(home)) < count:
        assert time.monotonic() < end_s
        time.sleep(0.01)


def _lines(home: Path) -> list[bytes]:
    folder = home / EVENTS
    return [line for path in folder.glob("*.jsonl") for line in path.read_bytes().splitlines()]


def _block(gate: Opened) -> None:
    gate.reserve(1, "8")
    gate.post("settle", id=hold_id(1), amount="8")
    for n in (2, 3, 4):
        assert gate.reserve(n, "3").status_code == 402
    assert gate.reserve(5, "10.01").json()["type"] == "too_large"


def test_a_block_is_said_once_and_to_a_tenant_without_cost(tmp_path: Path) -> None:
    with opened(tmp_path, budget("acme", scope={"tenant": "acme"}, hard="10")) as gate:
        _block(gate)
        _until_written(tmp_path, 2)
    ship(tmp_path, [])
    ((title, sums),) = _shown(tmp_path, "team")
    assert title == "Calls of acme are blocked by budget acme"
    assert sums == "8 USD of 10 USD are used or held."
    ((title, first),) = _shown(tmp_path, "tenant")
    assert (title, "USD" in first) == ("Your limit is reached", False)
    with opened(tmp_path) as again:
        assert again.reserve(6, "3").status_code == 402
        _until_written(tmp_path, 4)
    ship(tmp_path, [])
    assert len(_shown(tmp_path, "team")) == 1, "another process says the same notice"


def test_a_block_that_could_not_be_written_is_said_when_it_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[str] = []

    def full(home: Path, event: object) -> None:
        tries.append("failed")
        raise LedgerError("no space left")

    with opened(tmp_path, budget("acme", scope={"tenant": "acme"}, hard="10")) as gate:
        gate.reserve(1, "8")
        gate.post("settle", id=hold_id(1), amount="8")
        with monkeypatch.context() as patched:
            patched.setattr("otel_genai_cost.gate.blocked.decide", full)
            assert gate.reserve(2, "3").status_code == 402
            end_s = time.monotonic() + 10
            while not (tries and not gate.gate.blocked._said):
                assert time.monotonic() < end_s
                time.sleep(0.01)
        assert gate.reserve(3, "3").status_code == 402
        _until_written(tmp_path, 2)
    ship(tmp_path, [])
    assert len(_shown(tmp_path, "team")) == 1


def test_a_block_by_a_price_shows_the_price(tmp_path: Path) -> None:
    one = budget("acme", scope={"tenant": "acme"}, hard="10", side="price")
    with opened(tmp_path, one) as gate:
        _block(gate)
        _until_written(tmp_path, 2)
    ship(tmp_path, [])
    assert "8 USD of 10 USD are used or held." in _shown(tmp_path, "tenant")[0][1]
