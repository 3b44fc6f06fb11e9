"""What people write of budgets: every defect in one go, and nothing twice."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.limits.budget import Budget, numbered
from otel_genai_cost.limits.budget_form import budgets_of, fields_of
from otel_genai_cost.pricing.instants import microseconds

_NOW_US = microseconds("2026-11-29T12:00:00Z")
_GOOD: dict[str, Any] = {"id": "b", "period": "month", "currency": "USD", "hard": "100"}


def _read(*written: dict[str, Any], known: tuple[Budget, ...] = ()) -> list[Budget]:
    found, problems = budgets_of(written, numbered(known), _NOW_US)
    assert problems == []
    return found


def _problems(*written: dict[str, Any], known: tuple[Budget, ...] = ()) -> list[str]:
    _, problems = budgets_of(written, numbered(known), _NOW_US)
    assert all(one.remedy for one in problems)
    return [one.what for one in problems]


def test_what_is_left_out_has_a_safe_default() -> None:
    (one,) = _read(_GOOD)
    assert (one.scope, one.zone, one.side, one.soft) == ((), "UTC", "cost", None)
    assert (one.thresholds, one.on_gate_down, one.unknown_price) == ((80, 100), "closed", "deny")
    assert (one.valid_from_us, one.valid_to_us, one.recorded_at_us) == (_NOW_US, None, _NOW_US)


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("hard", "-1", "hard is '-1'"),
        ("hard", Decimal("NaN"), "hard is 'NaN'"),
        ("hard", Decimal("Infinity"), "hard is 'Infinity'"),
        ("hard", "1e30", "hard is '1e30'"),
        ("hard", 10**30, "hard is '1000"),
        ("hard", 0.1, "hard is '0.1'"),
        ("hard", True, "hard is 'True'"),
        ("hard", "0.0000000000000000001", "hard is '0.0000000000000000001'"),
        ("soft", "101", "soft 101 is more than hard 100"),
        ("currency", "XYZ", "currency is 'XYZ'"),
        ("currency", "usd", "currency is 'usd'"),
        ("zone", "Europe/Atlantis", "zone is 'Europe/Atlantis'"),
        ("zone", "../../etc/passwd", "zone is '../../etc/passwd'"),
        ("zone", 7, "zone is '7'"),
        ("period", "year", "period is 'year'"),
        ("id", "a b", "id is 'a b'"),
        ("scope", {"country": "de"}, "unknown dimension 'country' in scope"),
        ("scope", {"tenant": "a b"}, "'a b' is no tenant id"),
        ("scope", {"feature": 7}, "feature is '7' in scope"),
        ("scope", {"organisation": "us"}, "the organisation 'us'"),
        ("scope", "acme", "scope is 'acme'"),
        ("thresholds", [0], "a threshold of '0'"),
        ("thresholds", [201], "a threshold of '201'"),
        ("thresholds", [Decimal("0.8")], "a threshold of '0.8'"),
        ("thresholds", [80, 80], "a threshold stands twice"),
        ("ladder", [{"at": 80, "do": "sing"}], "do is 'sing'"),
        ("ladder", [{"at": 0, "do": "warn"}], "at is '0'"),
        ("ladder", ["warn"], "a rung is 'warn'"),
        ("ladder", [{"at": 80, "do": "warn"}] * 2, "the rung warn at 80 stands twice"),
        ("ladder", [{"at": 80, "do": "downgrade"}], "models of a rung that is downgrade"),
        ("ladder", [{"at": 80, "do": "warn", "models": {"a": "b"}}], "models of a rung"),
        ("ladder", [{"at": 80, "do": "downgrade", "models": {}}], "models that are none"),
        ("ladder", [{"at": 80, "do": "warn", "burst": 200}], "burst of a rung that is warn"),
        ("anchor", 15, "a period of month with anchor"),
        ("on_gate_down", "panic", "on_gate_down is 'panic'"),
        ("allowance", "5", "an allowance goes with"),
        ("unknown_price", "free", "unknown_price is 'free'"),
        ("from", "yesterday", "from is 'yesterday'"),
        ("from", "2026-13-01", "from is '2026-13-01'"),
        ("to", "2026-11-01T00:00:00Z", "to 2026-11-01T00:00:00Z is past"),
        ("colour", "red", "unknown key 'colour' in a budget"),
    ],
)
def test_every_defect_is_named(field: str, value: object, what: str) -> None:
    (found,) = _problems({**_GOOD, field: value})
    assert found.startswith(what)


def test_all_defects_come_in_one_go_and_nothing_is_left_for_later() -> None:
    found = _problems(
        {"id": "x", "period": "month"},
        {**_GOOD, "hard": "-1", "currency": "?", "zone": "Nowhere", "thresholds": [0, 500]},
        {**_GOOD, "id": "y", "period": "anchored"},
    )
    assert found == [
        "budget without 'currency'",
        "currency is '?'",
        "zone is 'Nowhere'",
        "hard is '-1'",
        "a threshold of '0'",
        "a threshold of '500'",
        "a period of anchored without anchor",
    ]
    assert _problems({"id": "x", "period": "month", "currency": "USD"}) == [
        "neither a soft nor a hard limit"
    ]


def test_versions_of_one_budget_do_not_overlap() -> None:
    first = {**_GOOD, "from": "2026-12-01", "to": "2027-01-01"}
    later = {**_GOOD, "hard": "200", "from": "2026-12-15"}
    assert _problems(first, later) == ["two versions of 'b' hold at 2026-12-15T00:00:00Z"]
    assert _problems(later, later) == ["two versions of 'b' hold at 2026-12-15T00:00:00Z"]
    assert _problems({**first, "to": "2026-12-15"}, later) == []
    assert _problems({**first, "id": "a"}, later) == []
    known = tuple(_read(later))
    assert _problems(first, known=known) == [
        "it overlaps version 1 of 'b', which holds from 2026-12-15T00:00:00Z"
    ]


def test_a_date_is_when_it_begins_in_the_budgets_zone() -> None:
    (one,) = _read({**_GOOD, "zone": "America/Santiago", "from": "2026-09-06"})
    assert one.valid_from_us == microseconds("2026-09-06T04:00:00Z")


def test_what_is_recorded_already_is_no_change() -> None:
    (one,) = _read(_GOOD)
    known = (one._replace(recorded_at_us=1, valid_from_us=_NOW_US - 5),)
    assert _read(_GOOD, known=known) == []
    assert _read({**_GOOD, "hard": "100.00"}, known=known) == []
    (changed,) = _read({**_GOOD, "hard": "101"}, known=known)
    assert changed.hard == 101 * 10**18
    dated = {**_GOOD, "from": "2026-11-29T12:00:00Z"}
    assert len(_read(dated, known=known)) == 1
    assert _read(dated, known=tuple(_read(dated))) == []


def test_a_file_that_plans_ahead_may_be_run_again_when_its_time_has_come() -> None:
    """What says no beginning does not begin anew after what was to follow it."""
    later = {**_GOOD, "hard": "200", "from": "2026-11-01"}
    latest = {**_GOOD, "hard": "300", "from": "2026-11-15"}
    first = _read(_GOOD)[0]._replace(
        recorded_at_us=1, valid_from_us=microseconds("2026-10-01T00:00:00Z")
    )
    known = (first, *(one._replace(recorded_at_us=1) for one in _read(later, latest)))
    assert _read(_GOOD, later, latest, known=known) == []
    assert [one.hard for one in _read(_GOOD, latest, known=known)] == [100 * 10**18], (
        "what the file does not say any more is not passed over"
    )
    changed = {**_GOOD, "hard": "101"}
    assert [one.hard for one in _read(changed, later, latest, known=known)] == [101 * 10**18]


_FULL: dict[str, Any] = {
    "id": "full",
    "scope": {"tenant": "*", "organisation": "*", "model": "gpt-4o"},
    "period": "anchored",
    "anchor": 31,
    "zone": "Asia/Kathmandu",
    "side": "price",
    "currency": "ACU",
    "soft": Decimal("5"),
    "hard": 10,
    "thresholds": [100, 50, 120],
    "ladder": [
        {"at": 100, "do": "block"},
        {"at": 80, "do": "pace", "burst": 150},
        {"at": 60, "do": "downgrade", "models": {"gpt-4o": "gpt-4o-mini"}},
    ],
    "on_gate_down": "open",
    "allowance": "1.50",
    "unknown_price": "0.25",
}


@pytest.mark.parametrize("written", [_GOOD, _FULL])
def test_what_is_written_for_a_version_makes_it_again(written: dict[str, Any]) -> None:
    (one,) = _read(written)
    assert _read(fields_of(one)) == [one]


_JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | st.just(math.inf)
    | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(tuple(_FULL)), _JUNK, max_size=4))
def test_whatever_is_written_is_a_budget_or_a_problem(changes: dict[str, Any]) -> None:
    found, problems = budgets_of([{**_FULL, **changes}], {}, _NOW_US)
    assert bool(found) != bool(problems)
