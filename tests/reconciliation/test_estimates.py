"""Estimates beside what came of them: guessed usage that was reported later, and holds of a real gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.journal.observation import Observation
from tests.cli.homes import home_of, seconds_of
from tests.cli.program import call, rows_of
from tests.gate.opened import opened
from tests.ledger.build import observe
from tests.limits.build import budget

Capture = pytest.CaptureFixture[str]

_MODEL = "gpt-4o-2024-08-06"


def _seen(n: int, at_s: int, tokens: tuple[int, int], quality: str = "reported") -> Observation:
    """An observation of the nth response: the client's, or a framework's around it, which guesses."""
    is_client = quality == "reported"
    scope = "client" if is_client else "framework"
    one = observe(
        2 * n if is_client else 2 * n + 1,
        trace=n,
        above=(2 * n + 1,) if is_client else (),
        start_s=at_s,
        end_s=at_s + 1,
        tokens=tokens,
        response_id=f"chatcmpl-{n}",
        scope=scope,
    )
    if is_client:
        return one
    usage = one.reading.usage._replace(quality="estimated", input_total=None, output_total=None)
    return one._replace(reading=one.reading._replace(usage=usage))


def _both(n: int, at_s: int, guess: tuple[int, int], truth: tuple[int, int]) -> list[Observation]:
    return [_seen(n, at_s, truth), _seen(n, at_s, guess, "estimated")]


def test_guesses_are_compared_with_reports_by_week(capsys: Capture, tmp_path: Path) -> None:
    sunday, monday = (seconds_of(f"2026-11-{day}T23:30:00Z") for day in (22, 23))
    seen = [
        *_both(1, sunday, (900, 150), (1_000, 100)),
        *_both(2, sunday, (1_200, 50), (1_000, 100)),
        *_both(3, monday, (500, 30), (1_000, 40)),
        _seen(4, monday, (10, 10)),
        _seen(5, monday, (7, 7), "estimated"),  # nobody reports it: no part of it
    ]
    home = str(home_of(tmp_path, seen))
    assert len(rows_of(capsys, "charges", "--ledger", home)) == 5
    shared = {"model": _MODEL, "unit": "tokens"}
    first, second = "2026-11-16", "2026-11-23"
    expected = [
        (first, "input", 2, 2_100, 2_000, "1.0500"),
        (first, "output", 2, 200, 200, "1.0000"),
        (second, "input", 1, 500, 1_000, "0.5000"),
        (second, "output", 1, 30, 40, "0.7500"),
    ]
    names = ("week", "what", "calls", "estimated", "actual", "factor")
    found = rows_of(capsys, "estimates", "--ledger", home)
    assert found == [{**shared, **dict(zip(names, row, strict=True))} for row in expected]
    later = rows_of(capsys, "estimates", "--from", "2026-11-23", "--ledger", home)
    assert later == found[2:]
    zoned = rows_of(capsys, "estimates", "--tz", "Europe/Berlin", "--ledger", home)
    assert {(row["week"], row["calls"]) for row in zoned} == {(second, 3)}
    shown = call(capsys, "estimates", "--ledger", home).out
    assert "1.0500" in shown


def test_what_was_certain_of_a_guess_is_none(capsys: Capture, tmp_path: Path) -> None:
    """Of an answer that was left, the provider had said how much went in."""
    report, guess = _both(1, 0, (1_000, 150), (1_000, 100))
    usage = guess.reading.usage._replace(
        low={"input": 1_000, "output": 20}, high={"input": 1_000, "output": 500}
    )
    guess = guess._replace(reading=guess.reading._replace(usage=usage))
    home = str(home_of(tmp_path, [report, guess]))
    (row,) = rows_of(capsys, "estimates", "--ledger", home)
    assert (row["what"], row["factor"]) == ("output", "1.5000")


def test_holds_are_compared_with_what_their_calls_came_to(capsys: Capture, tmp_path: Path) -> None:
    """As they were admitted, though the ledger puts what a call came to in a hold's place."""
    ended = [observe(n, trace=n, response_id=f"chatcmpl-{n}") for n in range(1, 4)]
    unknown = observe(4, trace=4, response_id="chatcmpl-4", model="house-model")
    with opened(tmp_path, budget("acme", scope={"tenant": "acme"}, hard="10")) as gate:
        for one, amount in zip([*ended, unknown], ("0.007", "0.014", "0.0035", "1"), strict=True):
            assert gate.post("reserve", id=one.id, tenant="acme", amount=amount).status_code == 200
        assert gate.reserve(99, "2").status_code == 200  # of which nothing is heard
        gate.book(*ended, unknown)
        assert gate.state(99) == "held"
    (row,) = rows_of(capsys, "estimates", "--ledger", str(tmp_path))
    assert row == {
        "week": row["week"],
        "model": _MODEL,
        "what": "hold",
        "unit": "USD",
        "calls": 3,
        "estimated": "0.0245",
        "actual": "0.0105",
        "factor": "2.3333",
    }


def test_without_estimates_it_is_said(capsys: Capture, tmp_path: Path) -> None:
    home = str(home_of(tmp_path, [_seen(1, 0, (10, 10))]))
    done = call(capsys, "estimates", "--ledger", home)
    assert (done.code, done.out) == (0, "")
    assert "estimated and reported" in done.err
