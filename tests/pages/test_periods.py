"""Periods beside the ones before them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from otel_genai_cost.pages.asked import Asked, Defaults, asked_of
from otel_genai_cost.pages.periods import before, over
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.reports.selection import local_time


def _asked(now: str, **query: str) -> Asked:
    now_us = microseconds(now)
    return asked_of(query.items(), {}, Defaults("UTC", now_us, now_us))


@pytest.mark.parametrize(
    ("now", "query", "begin", "end"),
    [
        ("2026-11-16T12:00:00Z", {}, "2026-10-01T00:00:00Z", "2026-10-16T12:00:00Z"),
        (
            "2026-11-16T12:00:00Z",
            {"period": "last-month"},
            "2026-09-01T00:00:00Z",
            "2026-10-01T00:00:00Z",
        ),
        ("2026-03-31T12:00:00Z", {}, "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        (
            "2026-11-16T00:00:00Z",
            {"from": "2026-11-10", "to": "2026-11-14"},
            "2026-11-06T00:00:00Z",
            "2026-11-10T00:00:00Z",
        ),
        (
            "2026-11-12T00:00:00Z",
            {"from": "2026-11-10", "to": "2026-11-14"},
            "2026-11-06T00:00:00Z",
            "2026-11-08T00:00:00Z",
        ),
        (
            "2026-04-15T00:00:00Z",
            {"tz": "Europe/Berlin"},
            "2026-03-01T00:00:00+01:00",
            "2026-03-15T02:00:00+01:00",
        ),
    ],
)
def test_the_period_before(now: str, query: dict[str, str], begin: str, end: str) -> None:
    found = before(_asked(now, **query))
    assert found is not None
    assert (
        local_time(found.zone, found.from_us or 0),
        local_time(found.zone, found.to_us or 0),
    ) == (
        begin,
        end,
    )


def test_all_time_has_none_before_it() -> None:
    asked = _asked("2026-11-16T12:00:00Z", period="all")
    assert before(asked) is None
    assert over(asked.selection, asked.now_us) is None


def test_a_forecast_goes_on_at_the_pace_so_far() -> None:
    asked = _asked("2026-11-16T00:00:00Z")
    passed = over(asked.selection, asked.now_us)
    assert passed is not None
    assert passed.is_running
    assert passed.forecast(Decimal("1.5")) == 3
    ended = over(_asked("2026-11-16T00:00:00Z", period="last-month").selection, asked.now_us)
    assert ended is not None
    assert not ended.is_running
