"""Who uses more than is fair: compared, told to the team once, and never blocked."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.alerts.serving import serve
from otel_genai_cost.cli.home import Home
from otel_genai_cost.cli.plans.fair_use import upgrades_hourly
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.pricing.instants import microseconds
from tests.alerts.receiver import receiving
from tests.cli.homes import home_of, seconds_of
from tests.cli.program import call, rows_of
from tests.ledger.build import observe, tenant

Capture = pytest.CaptureFixture[str]

_SECRET: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_NOON: Final = "2026-11-20T12:00:00Z"
_PLANS: Final = """schema = "otel-genai-cost-plans/1"
[[plan]]
id = "pro"
kind = "flat"
currency = "USD"
from = 2026-01-01T00:00:00Z
fee = "0.02"
fair_use = "0.35"
"""
_REGISTRY: Final = """zone = "UTC"
[[tenant]]
tenant = "acme"
from = 2026-01-01
plan = "pro"
[[tenant]]
tenant = "globex"
from = 2026-01-01
plan = "pro"
[[tenant]]
tenant = "initech"
from = 2026-01-01
plan = "team"
"""


def _home(folder: Path, *counts: tuple[str, int], day: str = "2026-11-20") -> Path:
    """So many calls of 0.0035 USD of each tenant, and a registry and plans beside them."""
    first, n = seconds_of(f"{day}T08:00:00Z"), 0
    rows: list[Any] = []
    for name, count in counts:
        for place in range(count):
            n += 1
            who = tenant(name, feature="draft" if place else "chat")
            rows.append(
                observe(n, trace=n, start_s=first + n, end_s=first + n + 1, attribution=who)
            )
    (folder / "plans.toml").write_text(_PLANS, encoding="utf-8")
    (folder / "tenants.toml").write_text(_REGISTRY, encoding="utf-8")
    return home_of(folder, rows)


def test_use_is_compared_with_what_is_fair(tmp_path: Path, capsys: Capture) -> None:
    """Two calls are exactly what is fair, three are more; another plan has no such rule."""
    home = _home(tmp_path, ("acme", 3), ("globex", 2), ("initech", 9))
    rows = rows_of(capsys, "plans", "fair-use", "--at", _NOON, "--ledger", str(home))
    assert [(row["tenant"], row["used"], row["limit"], row["crossed"]) for row in rows] == [
        ("acme", "0.0105", "0.007", True),
        ("globex", "0.007", "0.007", False),
    ]
    assert rows[0]["features"] == [
        {"feature": "draft", "cost": "0.007"},
        {"feature": "chat", "cost": "0.0035"},
    ]
    assert (rows[0]["calls"], rows[0]["period_to"]) == (3, "2026-12-01T00:00:00Z")
    table = call(capsys, "plans", "fair-use", "--at", _NOON, "--ledger", str(home))
    assert "acme" in table.out
    october = call(capsys, "plans", "fair-use", "--at", "2026-10-20", "--ledger", str(home))
    assert (october.code, october.out) == (0, "")


def test_where_a_zone_changes_within_the_month_what_is_paid_for_the_rest_counts(
    tmp_path: Path, capsys: Capture
) -> None:
    """From the 16th on the rest of a month in Tokyo: 14.625 of 30 days."""
    home = _home(tmp_path, ("acme", 1))
    moved = ("--from", "2026-11-16T00:00:00Z", "--time-zone", "Asia/Tokyo")
    call(capsys, "tenants", "set", "acme", *moved, "--ledger", str(home))
    (row,) = rows_of(capsys, "plans", "fair-use", "--at", _NOON, "--ledger", str(home))
    assert (row["period_from"], row["period_to"]) == (
        "2026-11-16T00:00:00Z",
        "2026-11-30T15:00:00Z",
    )
    assert (row["used"], row["limit"], row["crossed"]) == ("0.0035", "0.0034125", True)


def test_a_plan_that_begins_within_the_month_is_the_months(tmp_path: Path, capsys: Capture) -> None:
    """Half of the month is paid for: 0.35 of a cent."""
    home = _home(tmp_path, ("newcomer", 2))
    row = ("newcomer", "--from", "2026-11-16T00:00:00Z", "--plan", "pro", "--ledger", str(home))
    call(capsys, "tenants", "set", *row)
    late = _PLANS.replace("from = 2026-01-01T00:00:00Z", "from = 2026-11-16T00:00:00Z")
    (home / "plans.toml").write_text(late, encoding="utf-8")
    (found,) = rows_of(capsys, "plans", "fair-use", "--at", _NOON, "--ledger", str(home))
    assert (found["tenant"], found["limit"], found["crossed"]) == ("newcomer", "0.0035", True)


def test_the_team_hears_of_it_once_a_month(tmp_path: Path) -> None:
    home = _home(tmp_path, ("acme", 3), ("globex", 2))
    now_us = microseconds(_NOON)
    with receiving() as receiver:
        settings = {"url": receiver.url, "secrets": [_SECRET]}
        channel = {"type": "channel_set", "name": "ops", "kind": "webhook", "settings": settings}
        decide(home, {**channel, "audience": "team", "at_us": 1})
        Home.at(home).ship(drain=True)
        for hours in (0, 1, 30):
            at_us = now_us + hours * 3_600_000_000
            serve(
                home,
                once=True,
                clock_us=lambda at_us=at_us: at_us,  # type: ignore[misc]
                hourly=upgrades_hourly(Home.at(home)),
            )
        found = [json.loads(one.body) for one in receiver.came]
    upgrades = [one["data"] for one in found if one["type"] == "genai_cost.upgrade"]
    (said,) = upgrades
    assert said["title"] == "acme uses more than plan pro is meant for"
    assert said["text"].splitlines() == [
        "0.0105 USD of cost; fair is up to 0.007 USD, by share_of_revenue.",
        "Calls: 3",
        "Dearest features: draft 0.007, chat 0.0035",
        "Period: 2026-11-01T00:00:00Z to 2026-12-01T00:00:00Z, UTC",
        "Nothing is blocked.",
    ]


def test_broken_plans_stop_no_alert(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = _home(tmp_path, ("acme", 3))
    (home / "plans.toml").write_text("[[plan]]\n", encoding="utf-8")
    with caplog.at_level(logging.ERROR):
        serve(home, once=True, hourly=upgrades_hourly(Home.at(home)))
    assert "fair use is not looked at" in caplog.text


def test_a_file_of_plans_is_checked(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "plans.toml"
    path.write_text(_PLANS, encoding="utf-8")
    assert call(capsys, "plans", "check", str(path)).out == f"{path}: 1 plan\n"
    path.write_text(_PLANS.replace('kind = "flat"', 'kind = "gift"'), encoding="utf-8")
    done = call(capsys, "plans", "check", str(path))
    assert (done.code, len(done.err.splitlines())) == (2, 1)
    assert "plans.toml:2: kind is 'gift'" in done.err
    none = call(capsys, "plans", "fair-use", "--ledger", str(tmp_path / ""), "--plans", "none.toml")
    assert none.code == 2
