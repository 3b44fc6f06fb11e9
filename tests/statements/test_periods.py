"""Periods as people name them, and that every instant is in one of them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.ledger.tenants.directory import directory_of
from otel_genai_cost.statements.periods import (
    Calendar,
    Zones,
    calendar_of,
    first_day_of,
    label_of,
    reach,
)
from otel_genai_cost.statements.statement import Cadence
from tests.faults.statements_fleet import ZONES
from tests.statements.runs import row


@pytest.mark.parametrize(
    ("text", "cadence", "anchor", "label"),
    [
        ("2026-10", None, None, "2026-10"),
        ("2026-W41", None, None, "2026-W41"),
        ("2026-10-05", None, None, "2026-10-05"),
        ("2026-10-05", "weekly", None, "2026-W41"),
        ("2026-10-05", "monthly", None, "2026-10"),
        ("2027-01-01", "weekly", None, "2026-W53"),
        ("2026-10", None, 15, "2026-10-15"),
        ("2026-10", "anchored", 31, "2026-10-31"),
        ("2026-02", None, 31, "2026-02-28"),
        ("2026-10-14", None, 15, "2026-09-15"),
    ],
)
def test_a_period_is_named(
    text: str, cadence: Cadence | None, anchor: int | None, label: str
) -> None:
    calendar, first = calendar_of(text, cadence, anchor)
    assert label_of(calendar, first) == label
    given = calendar.anchor if calendar.cadence == "anchored" else None
    assert calendar_of(label, calendar.cadence, given) == (calendar, first)


_calendars = st.sampled_from(
    [Calendar("daily"), Calendar("weekly"), Calendar("monthly"), Calendar("anchored", 31)]
)


@settings(max_examples=150)
@given(
    _calendars,
    st.sampled_from(ZONES),
    st.sampled_from(ZONES),
    st.integers(1_690_000_000, 1_790_000_000),
    st.integers(-3_000_000, 3_000_000),
)
def test_every_instant_is_in_one_period_of_its_name(
    calendar: Calendar, zone: str, other: str, moved_s: int, apart_s: int
) -> None:
    moved_us = moved_s * 1_000_000
    first = row("acme", "2020-01-01T00:00:00Z", zone)
    later = row("acme", "2020-01-01T00:00:00Z", other)._replace(from_us=moved_us)
    zones = Zones(directory_of([first, later]))
    at_us = moved_us + apart_s * 1_000_000
    found = zones.period("acme", calendar, at_us)
    assert found.from_us <= at_us < found.to_us
    assert found.zone == (zone if at_us < moved_us else other)
    assert found in zones.periods("acme", calendar, found.first_day)
    after = zones.period("acme", calendar, found.to_us)
    assert after.from_us == found.to_us, "they touch"
    assert zones.period("acme", calendar, found.from_us) == found
    from_us, to_us = reach(calendar, [found.first_day])
    assert from_us <= found.from_us < found.to_us <= to_us


@given(_calendars, st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_first_days_follow_each_other(calendar: Calendar, day: date) -> None:
    first = first_day_of(calendar, day)
    assert first <= day
    assert first_day_of(calendar, first) == first
    assert first_day_of(calendar, first - timedelta(days=1)) < first
