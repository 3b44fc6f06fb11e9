"""`genai-cost doctor`: how much of the spend rests on a provider's default."""

from __future__ import annotations

import json
from pathlib import Path

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.pricing.rate import price
from tests.cli.command import rows, run
from tests.ledger.build import BOOK, observe

_WRITTEN = {"cache_write": 500}


def _claude(n: int, parts: dict[str, int]) -> Observation:
    one = observe(n, trace=n, parts=parts)
    reading = one.reading._replace(provider="anthropic", model_returned="claude-opus-4-8")
    cost = price(BOOK, "anthropic", "claude-opus-4-8", reading.usage, one.end_us, {})
    return one._replace(reading=reading, cost=cost)


def _shipped(folder: Path, *observations: Observation) -> str:
    journal = Journal([folder / "journal"])
    for one in observations:
        journal.append(to_record(one))
    journal.close()
    assert run("ship", "--drain", "--ledger", str(folder)).returncode == 0
    return str(folder)


def _found(home: str) -> list[tuple[str, str]]:
    told = map(json.loads, run("doctor", "--json", "--ledger", home).stdout.splitlines())
    return [(one["state"], one["found"]) for one in told if one["name"] == "defaults"]


def test_the_share_and_its_cache_writes_are_told(tmp_path: Path) -> None:
    home = _shipped(tmp_path, _claude(1, _WRITTEN), _claude(2, {"cache_write_5m": 500}))
    [(state, seen)] = _found(home)
    assert state == "warning"
    assert seen == (
        "50.0 % of 0.01625 USD rests on a provider's default (0.003125 are cache writes of unknown lifetime): "
        "up to 0.001875 more"
    )


def test_charges_and_entries_carry_the_bounds(tmp_path: Path) -> None:
    home = _shipped(tmp_path, _claude(1, _WRITTEN))
    bounds = {"low": "0.008125", "high": "0.01"}
    [charge] = rows("charges", "--json", "--ledger", home)
    assert (charge["quality"], charge["total"], charge["bounds"]) == (
        "estimated",
        "0.008125",
        bounds,
    )
    [entry] = rows("entries", "--json", "--ledger", home)
    assert (entry["quality"], entry["bounds"]) == ("estimated", bounds)
    shown = run("explain", charge["charge_id"], "--ledger", home).stdout
    assert "priced, estimated" in shown
    assert "0.008125 to 0.01 USD" in " ".join(shown.split())


def test_nothing_rests_on_a_default(tmp_path: Path) -> None:
    home = _shipped(tmp_path, _claude(2, {"cache_write_5m": 500}))
    assert _found(home) == [("ok", "no figure rests on a provider's default")]


def test_without_a_ledger_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert _found(str(tmp_path)) == []
