"""`genai-cost anomalies`: from spans to alerts, by the ledger alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import Budget, budget_record
from otel_genai_cost.limits.hold import Hold
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.reports.anomalies import anomalies
from otel_genai_cost.reports.selection import EVERYTHING, Selection
from otel_genai_exporters.duckdb import DuckDBSink
from tests.cli.command import rows, run
from tests.ledger.build import START_US, observe, tenant
from tests.limits.build import budget

_HOUR_S = 3_600
_RUNAWAY_H = 20 * 24
_END_H = 21 * 24
_MILLION = (1_000_000, 100_000)
"""Tokens of a call of 3.50 USD."""


def _call(n: int, who: str | None, at_s: int) -> Observation:
    return observe(
        n, trace=n, start_s=at_s, end_s=at_s + 1, tokens=_MILLION, attribution=tenant(who)
    )


def _calls() -> Iterator[Observation]:
    """Three weeks of a call an hour of each of two tenants; and in the last day six hours in which one makes ten."""
    n = 0
    for hour in range(_END_H):
        for who in ("acme", "globex"):
            n += 1
            yield _call(n, who, hour * _HOUR_S)
        if _RUNAWAY_H <= hour < _RUNAWAY_H + 6:
            for at_s in range(1, 10):
                n += 1
                yield _call(n, "globex", hour * _HOUR_S + at_s)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("anomalies") / "home"
    journal = Journal([home / "journal"])
    for one in _calls():
        journal.append(to_record(one))
    journal.close()
    rows("ship", "--drain", "--json", "--ledger", str(home))
    return home


def test_alert_as_others_script_against_it(home: Path) -> None:
    (alert,) = rows("anomalies", "--json", "--ledger", str(home))
    at_us = microseconds(alert.pop("at"))
    begins_us = START_US + _RUNAWAY_H * _HOUR_S * 1_000_000
    assert begins_us < at_us <= begins_us + 2 * _HOUR_S * 1_000_000
    assert alert == {
        "rule": "organisation_share",
        "scope": "tenant=globex",
        "window_h": 6,
        "observed": "52.5",  # 15 calls in six hours, of which six are usual
        "expected": "21",
        "ratio": "2.5",
        "currency": "USD",
        "budget": None,
    }


def test_alerts_of_a_time(home: Path) -> None:
    (alert,) = rows("anomalies", "--json", "--ledger", str(home))
    at_us = microseconds(alert["at"])
    for options, found in (
        (("--from", rfc3339(at_us)), 1),
        (("--from", rfc3339(at_us + 1)), 0),
        (("--to", rfc3339(at_us)), 0),
        (("--to", rfc3339(at_us + 3_600_000_000)), 1),
        (("--tenant", "globex"), 1),
        (("--tenant", "acme"), 0),
    ):
        done = rows("anomalies", "--json", "--ledger", str(home), *options)
        assert len(done) == found, options


def test_nothing_unusual_is_said_and_is_no_error(home: Path) -> None:
    done = run("anomalies", "--ledger", str(home), "--tenant", "acme")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing unusual" in done.stderr


def test_flags_of_single_calls(tmp_path: Path) -> None:
    """One that fell back from a model that failed, and one that the gate told to wait."""
    home, acme = tmp_path / "home", tenant("acme", feature="chat", action="a")
    journal = Journal([home / "journal"])
    failed = observe(1, attribution=acme, tokens=None, error="openai.RateLimitError")
    fallen = observe(2, start_s=3, end_s=4, attribution=acme, model="o4-mini-2025-04-16")
    paced = observe(3, trace=3, start_s=9, end_s=10, attribution=acme)
    for one in (failed, fallen, paced):
        journal.append(to_record(one))
    journal.close()
    rows("ship", "--drain", "--json", "--ledger", str(home))
    opened = Ledger(home / LEDGER_FILE)
    with opened.transaction():
        answer = json.dumps({"decision": "pace", "retry_after_s": 4})
        opened.holds.write(None, _hold(paced.id, answer))
    opened.close()
    found = rows("anomalies", "--flags", "--json", "--ledger", str(home))
    assert [(row["charge_id"], row["flag"], row["observed"], row["expected"]) for row in found] == [
        (fallen.id, "fallback", "o4-mini-2025-04-16", "gpt-4o"),
        (paced.id, "over_rate", 4, 0),
    ]
    assert {(row["tenant"], row["feature"], row["action"]) for row in found} == {
        ("acme", "chat", "a")
    }
    of_model = rows(
        *("anomalies", "--flags", "--json", "--ledger", str(home), "--model", "o4-mini-2025-04-16")
    )
    assert [row["flag"] for row in of_model] == ["fallback"]
    assert "fallback" in run("anomalies", "--flags", "--ledger", str(home)).stdout
    assert run("anomalies", "--model", "gpt-4o", "--ledger", str(home)).returncode == 2


def test_budget_that_burns(tmp_path: Path) -> None:
    """Of 100 USD a month 35 go within ten minutes: an even pace would have been 14 cents in the hour."""
    home = tmp_path / "home"
    journal = Journal([home / "journal"])
    for n in range(10):
        journal.append(to_record(_call(n + 1, "acme", 60 * n)))
    journal.close()
    rows("ship", "--drain", "--json", "--ledger", str(home))
    opened = Ledger(home / LEDGER_FILE)
    with opened.transaction():
        for one in (budget("all"), budget("each", scope={"tenant": "*"}, hard="10000")):
            opened.budgets.decide({"type": "budget", **budget_record(one)}, START_US)
    opened.close()
    (first,) = rows("anomalies", "--json", "--ledger", str(home))  # of the larger one it is 0.35 %
    assert (first["rule"], first["scope"], first["budget"]) == ("burn", "organisation", "all")
    assert (first["observed"], first["window_h"], first["currency"]) == ("14", 1, "USD")
    assert float(first["ratio"]) > 14.4


def _hold(id_: str, answer: str) -> Hold:
    return Hold(
        id=id_,
        digest="",
        state="closed",
        amount=1,
        currency="USD",
        tenant="acme",
        expires_us=START_US,
        ends_us=START_US,
        claims=(),
        request="{}",
        answer=answer,
    )


def test_ledger_that_is_not_there(tmp_path: Path) -> None:
    assert run("anomalies", "--ledger", str(tmp_path / "none")).returncode == 2
    done = run("anomalies", "--json", "--ledger", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "")


def test_of_one_tenant_they_are_those_of_all(home: Path) -> None:
    """What one tenant is asked of is read alone, but for what all together spent."""
    _check_each(home, lambda at_us: ())
    each = budget("each", scope={"tenant": "*"}, hard="1", period="month")
    _check_each(home, lambda at_us: [each])


def _check_each(home: Path, budgets_at: Callable[[int], Iterable[Budget]]) -> None:
    store = DuckDBSink(home / "charges.duckdb")
    every = anomalies(store, EVERYTHING, budgets_at)
    assert {one.scope for one in every} >= {"tenant=globex"}
    for who in ("acme", "globex"):
        theirs = [one for one in every if one.scope == f"tenant={who}"]
        named, seen = Selection(tenants=(who,)), Selection(visible=(who,))
        assert anomalies(store, named, budgets_at) == theirs
        assert anomalies(store, seen, budgets_at) == theirs
