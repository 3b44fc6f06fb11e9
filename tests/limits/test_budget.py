"""What a budget counts, and what it is called in files and events."""

from __future__ import annotations

import json

import pytest

from otel_genai_cost.limits.budget import Dimensions, Rung, budget_of, budget_record, numbered
from otel_genai_cost.limits.measures import Measures
from tests.limits.build import budget


@pytest.mark.parametrize(
    ("scope", "dimensions", "key"),
    [
        ({}, {"tenant": None}, "organisation"),
        ({"tenant": "acme"}, {"tenant": "acme", "feature": "chat"}, "tenant=acme"),
        ({"tenant": "acme"}, {"tenant": "globex"}, None),
        ({"tenant": "*"}, {"tenant": "globex"}, "tenant=globex"),
        ({"tenant": "*"}, {"tenant": None}, None),
        ({"tenant": "*"}, {}, None),
        (
            {"tenant": "*", "feature": "chat"},
            {"tenant": "a", "feature": "chat"},
            "feature=chat,tenant=a",
        ),
        ({"tenant": "*", "feature": "chat"}, {"tenant": "a", "feature": "x"}, None),
        ({"feature": "*"}, {"feature": "a,tenant=b%"}, "feature=a%2Ctenant%3Db%25"),
    ],
)
def test_key_says_in_which_counter_a_call_is(
    scope: dict[str, str], dimensions: Dimensions, key: str | None
) -> None:
    one = budget(scope=scope)
    assert one.key(dimensions) == key
    found = list(Measures([one.measure]).matching(dimensions))
    assert found == ([] if key is None else [(one.measure, one.series, key)])


def test_series_follows_from_what_is_counted_alone() -> None:
    one = budget()
    same = (
        budget("other"),
        budget(hard="1"),
        budget(thresholds=(1,)),
        budget(version=7, recorded_at_us=9, valid_from_us=3),
    )
    others = (
        budget(scope={"tenant": "*"}),
        budget(period="day"),
        budget(zone="Europe/Berlin"),
        budget(period="anchored", anchor=3),
        budget(currency="EUR"),
        budget(side="price"),
    )
    assert {each.series for each in same} == {one.series}
    assert len({each.series for each in (one, *others)}) == len(others) + 1


def test_a_budget_survives_being_written() -> None:
    one = budget(
        scope={"tenant": "*", "model": "gpt-4o"},
        soft="12.000000000000000001",
        ladder=(Rung(80, "warn"), Rung(90, "downgrade", (("a", "b"),)), Rung(95, "pace", (), 150)),
        unknown_price=5,
        valid_to_us=99,
    )
    for each in (one, budget(hard=None, unknown_price="allow")):
        assert budget_of(json.loads(json.dumps(budget_record(each)))) == each


def test_versions_are_numbered_by_when_they_were_recorded() -> None:
    first, second, other = (
        budget(recorded_at_us=1),
        budget(recorded_at_us=2, hard="7"),
        budget("a", recorded_at_us=3),
    )
    expected = {"b": [first._replace(version=1), second._replace(version=2)]}
    expected["a"] = [other._replace(version=1)]
    assert numbered([other, second, first]) == expected


def test_marks_are_of_the_hard_limit_else_of_the_soft_one() -> None:
    assert budget(hard="10", soft="5", thresholds=(50, 120)).marks == {
        "50": 5 * 10**18,
        "120": 12 * 10**18,
        "soft": 5 * 10**18,
    }
    assert budget(hard=None, soft="5", thresholds=(80,)).marks == {"80": 4 * 10**18}
    assert budget(hard=None, thresholds=(80,)).marks == {}


def test_a_mark_is_reached_by_no_less_than_its_share() -> None:
    one = budget(hard="0.000000000000000003", thresholds=(50,))
    assert one.marks == {"50": 2}
    assert (one.percent(1), one.percent(2), budget(hard="0").percent(1)) == (33, 66, None)
