"""Prices by the hour, the weekday and the holiday: half-open windows of UTC, and one row for every instant."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.errors import PriceBookError
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.clock import WEEKDAYS, Clock, clock_of, minutes
from otel_genai_cost.pricing.instants import days_of, microseconds
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import partition
from tests.pricing.books import book_of, model

_CALENDAR: Final = '[[calendar]]\nid = "cn"\nsource = "page"\ndays = ["2026-10-01"]\n'
_PEAK: Final = """\
[[price.variant]]
input = 2
[price.variant.when]
hours_utc = ["01:00-04:00", "06:00-10:00"]
weekdays = ["mon", "tue", "wed", "thu", "fri"]
except_calendar = "cn"
[[price.variant]]
when = { hours_utc = ["01:00-04:00"], weekdays = ["sat"], input_tokens_gt = 100 }
input = 7
"""


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return book_of(tmp_path, _CALENDAR + model("m", "input = 1") + _PEAK)


@pytest.mark.parametrize(
    ("at", "tokens", "total"),
    [
        ("2026-09-02T00:59:59.999999Z", 1_000_000, "1"),
        ("2026-09-02T01:00:00Z", 1_000_000, "2"),
        ("2026-09-02T03:59:59.999999Z", 1_000_000, "2"),
        ("2026-09-02T04:00:00Z", 1_000_000, "1"),
        ("2026-09-02T14:00:00+08:00", 1_000_000, "2"),
        ("2026-10-01T02:00:00Z", 1_000_000, "1"),
        ("2026-10-02T02:00:00Z", 1_000_000, "2"),
        ("2026-09-06T02:00:00Z", 1_000_000, "1"),
        ("2026-09-05T02:00:00Z", 100, "0.0001"),
        ("2026-09-05T02:00:00Z", 101, "0.000707"),
    ],
)
def test_the_hour_the_weekday_and_the_holiday_choose_the_row(
    book: Book, at: str, tokens: int, total: str
) -> None:
    cost = price(book, "acme", "m", partition(tokens, None, {}), microseconds(at), {})
    assert cost.total_text == total


def test_outside_every_window_a_model_without_a_base_row_is_refused(tmp_path: Path) -> None:
    text = model("m", 'when = { hours_utc = ["01:00-02:00"] }', "input = 1")
    book = book_of(tmp_path, text)
    inside, outside = (
        price(book, "acme", "m", partition(1, None, {}), microseconds(f"2026-09-02T{at}Z"), {})
        for at in ("01:30:00", "02:00:00")
    )
    assert (inside.status, outside.reason) == ("priced", "unpriced_tier")


@pytest.mark.parametrize(
    ("text", "windows"),
    [
        ("01:00-04:00", ((60, 240),)),
        ("16:30-00:30", ((990, 1_440), (0, 30))),
        ("22:00-00:00", ((1_320, 1_440),)),
        ("00:00-24:00", ((0, 1_440),)),
    ],
)
def test_a_window_may_pass_midnight(text: str, windows: tuple[tuple[int, int], ...]) -> None:
    assert minutes(text) == windows


@pytest.mark.parametrize(
    "text", ["", "1:00-2:00", "01:00", "01:60-02:00", "25:00-26:00", "a:b-c:d"]
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        minutes(text)


@pytest.mark.parametrize(
    ("when", "what"),
    [
        ('{ hours_utc = "01:00-04:00" }', "hours_utc is"),
        ('{ hours_utc = ["1-4"] }', "hours_utc is"),
        ('{ weekdays = ["monday"] }', "weekdays is"),
        ("{ weekdays = [] }", "weekdays is"),
        ('{ except_calendar = "fr" }', "calendar 'fr' is not listed"),
    ],
)
def test_a_broken_clock_is_told(tmp_path: Path, when: str, what: str) -> None:
    with pytest.raises(PriceBookError, match=what):
        book_of(tmp_path, model("m", f"when = {when}", "input = 1"))


def test_hours_that_meet_on_a_common_weekday_contradict_each_other(tmp_path: Path) -> None:
    def variant(hours: str, days: str) -> str:
        when = f'{{ hours_utc = ["{hours}"], weekdays = [{days}] }}'
        return f"[[price.variant]]\nwhen = {when}\ninput = 2\n"

    text = model("m", "input = 1") + variant("01:00-04:00", '"mon", "tue"')
    book_of(tmp_path, text + variant("04:00-05:00", '"tue"') + variant("01:00-04:00", '"wed"'))
    with pytest.raises(PriceBookError, match="overlaps"):
        book_of(tmp_path, text + variant("03:59-05:00", '"tue"'))


@pytest.mark.parametrize("days", ['["2026-13-01"]', '["1 May"]', "[]", '"2026-10-01"'])
def test_a_calendar_lists_days(tmp_path: Path, days: str) -> None:
    with pytest.raises(PriceBookError, match="days is"):
        book_of(tmp_path, _CALENDAR.replace('["2026-10-01"]', days))


_hours = st.tuples(st.integers(0, 23), st.integers(0, 23)).map(
    lambda pair: f"{pair[0]:02}:00-{pair[1]:02}:30"
)
_whens = st.fixed_dictionaries(
    {},
    optional={
        "hours_utc": st.lists(_hours, min_size=1, max_size=3),
        "weekdays": st.lists(st.sampled_from(WEEKDAYS), min_size=1, unique=True),
    },
)
_instants = st.integers(0, 130 * 365 * 86_400_000_000)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def _clock(when: Mapping[str, Any]) -> Clock:
    return clock_of({"hours_utc": ["00:00-24:00"], **when}, {}) or Clock((), frozenset())


@given(_whens, _instants)
def test_a_clock_says_what_the_calendar_date_says(when: Mapping[str, Any], at_us: int) -> None:
    at = _EPOCH + timedelta(microseconds=at_us)
    minute = at.hour * 60 + at.minute
    inside = any(
        start <= minute < end
        for text in when.get("hours_utc", ["00:00-24:00"])
        for start, end in minutes(text)
    )
    named = WEEKDAYS[at.weekday()] in when.get("weekdays", WEEKDAYS)
    assert _clock(when).strikes(at_us) == (inside and named)


@given(_whens, _whens, _instants)
def test_two_clocks_that_strike_at_once_meet(
    one: Mapping[str, Any], other: Mapping[str, Any], at_us: int
) -> None:
    if _clock(one).strikes(at_us) and _clock(other).strikes(at_us):
        assert _clock(one).meets(_clock(other))
        assert _clock(other).meets(_clock(one))


def test_days_are_counted_from_1970() -> None:
    assert days_of(["1970-01-01", "1970-01-05"]) == {0, 4}
