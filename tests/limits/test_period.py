"""Periods tile all time in every zone, whatever its clock does at midnight."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.limits.period import ALWAYS, PeriodKind, period

_ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Havana",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Antarctica/Troll",
)
_KINDS: tuple[tuple[PeriodKind, int], ...] = (
    ("day", 1),
    ("week", 1),
    ("month", 1),
    ("anchored", 15),
    ("anchored", 29),
    ("anchored", 31),
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _us(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)


def _local(us: int, zone: str) -> str:
    at = (_EPOCH + timedelta(microseconds=us)).astimezone(ZoneInfo(zone))
    return at.replace(tzinfo=None).isoformat(sep=" ", timespec="minutes")


@pytest.mark.parametrize("zone", _ZONES)
@pytest.mark.parametrize(("kind", "anchor"), _KINDS)
@pytest.mark.parametrize("first_year", [2010, 2025])
def test_three_years_are_tiled(zone: str, kind: PeriodKind, anchor: int, first_year: int) -> None:
    at_us, end_us = (
        _us(f"{first_year}-01-01T00:00+00:00"),
        _us(f"{first_year + 3}-01-01T00:00+00:00"),
    )
    while at_us < end_us:
        from_us, to_us = period(kind, zone, anchor, at_us)
        for within_us in (from_us, (from_us + to_us) // 2, to_us - 1):
            assert period(kind, zone, anchor, within_us) == (from_us, to_us)
        assert from_us <= at_us < to_us
        assert period(kind, zone, anchor, to_us)[0] == to_us
        at_us = to_us


@given(
    at_us=st.integers(_us("1900-01-01T00:00+00:00"), _us("2100-01-01T00:00+00:00")),
    zone=st.sampled_from(_ZONES),
    kind_anchor=st.sampled_from(_KINDS),
)
def test_every_instant_is_in_one_period(
    at_us: int, zone: str, kind_anchor: tuple[PeriodKind, int]
) -> None:
    from_us, to_us = period(kind_anchor[0], zone, kind_anchor[1], at_us)
    assert from_us <= at_us < to_us
    assert period(kind_anchor[0], zone, kind_anchor[1], from_us - 1)[1] == from_us


@pytest.mark.parametrize(
    ("zone", "within", "begins", "ends"),
    [
        ("America/Santiago", "2026-09-06T12:00-03:00", "2026-09-06 01:00", "2026-09-07 00:00"),
        ("Africa/Cairo", "2026-04-24T12:00+03:00", "2026-04-24 01:00", "2026-04-25 00:00"),
        ("Asia/Beirut", "2026-03-29T12:00+03:00", "2026-03-29 01:00", "2026-03-30 00:00"),
        ("America/Havana", "2026-03-08T12:00-04:00", "2026-03-08 01:00", "2026-03-09 00:00"),
        ("Europe/Berlin", "2026-10-25T12:00+01:00", "2026-10-25 00:00", "2026-10-26 00:00"),
    ],
)
def test_a_day_begins_when_the_clock_says_so(
    zone: str, within: str, begins: str, ends: str
) -> None:
    from_us, to_us = period("day", zone, 1, _us(within))
    assert (_local(from_us, zone), _local(to_us, zone)) == (begins, ends)
    assert _local(from_us - 1, zone) < begins[:11]


def test_a_day_that_a_zone_left_out_has_no_period() -> None:
    noon = "2011-12-29T12:00-10:00"
    _, to_us = period("day", "Pacific/Apia", 1, _us(noon))
    from_us, _ = period("day", "Pacific/Apia", 1, to_us)
    assert (_local(to_us - 1, "Pacific/Apia"), _local(from_us, "Pacific/Apia")) == (
        "2011-12-29 23:59",
        "2011-12-31 00:00",
    )
    assert period("anchored", "Pacific/Apia", 30, _us(noon))[1] == to_us


@pytest.mark.parametrize(
    ("anchor", "day", "begins", "ends"),
    [
        (31, "2026-02-28", "2026-02-28", "2026-03-31"),
        (31, "2026-02-27", "2026-01-31", "2026-02-28"),
        (30, "2028-02-29", "2028-02-29", "2028-03-30"),
        (29, "2026-03-01", "2026-02-28", "2026-03-29"),
        (15, "2026-01-14", "2025-12-15", "2026-01-15"),
    ],
)
def test_an_anchor_beyond_a_months_end_is_its_last_day(
    anchor: int, day: str, begins: str, ends: str
) -> None:
    from_us, to_us = period("anchored", "UTC", anchor, _us(f"{day}T12:00+00:00"))
    assert (_local(from_us, "UTC")[:10], _local(to_us, "UTC")[:10]) == (begins, ends)


def test_total_is_all_time() -> None:
    assert {period("total", "UTC", 1, at_us) for at_us in (-1, 0, 1 << 61)} == {ALWAYS}


@pytest.mark.parametrize("at_us", [-(1 << 62), 1 << 62])
@pytest.mark.parametrize(("kind", "anchor"), _KINDS)
def test_an_instant_beyond_the_calendar_is_counted_at_its_end(
    kind: PeriodKind, anchor: int, at_us: int
) -> None:
    from_us, to_us = period(kind, "Pacific/Apia", anchor, at_us)
    assert from_us < to_us


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no such time zone"):
        period("day", "Europe/Atlantis", 1, 0)
