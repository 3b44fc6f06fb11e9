"""Pricing models: worked examples, and what holds of any numbers."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.errors import ConfigurationError, FormatTooNewError, PlansError
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import ATTO, format_money, parse_money
from otel_genai_cost.statements.fair_use import FairUseRule, fair_use
from otel_genai_cost.statements.plan_form import load_plans
from otel_genai_cost.statements.plans import (
    Allowance,
    Billed,
    BilledPeriod,
    Overage,
    Plan,
    PricedLine,
    SeatCount,
    billed,
    plan_for,
)
from otel_genai_cost.statements.tiers import Step, Tiers, tier_parts

_FROM, _TO = microseconds("2026-10-01T00:00:00Z"), microseconds("2026-11-01T00:00:00Z")
_DAY_US = 86_400_000_000
_SCHEMA = 'schema = "otel-genai-cost-plans/1"\n'


def _plan(tmp_path: Path, text: str) -> Plan:
    (found,) = _plans(tmp_path, "[[plan]]\n" + text)
    return found


def _plans(tmp_path: Path, text: str) -> list[Plan]:
    path = tmp_path / "plans.toml"
    path.write_text(_SCHEMA + text, encoding="utf-8")
    return load_plans(path)


def _period(*prices: str, calls: int = 100, tokens: int = 0, **more: Any) -> BilledPeriod:
    lines = tuple(PricedLine(f"m{n}", 10, "tokens", parse_money(p)) for n, p in enumerate(prices))
    return BilledPeriod("acme", _FROM, _TO, lines, calls, tokens, **more)


def _texts(found: Billed) -> list[tuple[str, int, str, str]]:
    return [(one.product, one.quantity, one.unit, format_money(one.amount)) for one in found.lines]


_HEAD = 'id = "p"\ncurrency = "USD"\nfrom = 2026-01-01T00:00:00Z\n'


def test_pay_as_you_go_with_markup_and_minimum(tmp_path: Path) -> None:
    plan = _plan(tmp_path, _HEAD + 'kind = "usage"\nmarkup = "0.25"\nminimum = 20\n')
    assert _texts(billed(plan, _period("4", "8"))) == [
        ("m0", 10, "tokens", "5"),
        ("m1", 10, "tokens", "10"),
        ("up to the minimum", 1, "period", "5"),
    ]
    assert format_money(billed(plan, _period("80", "8")).total) == "110"
    assert format_money(billed(plan, _period(calls=0)).total) == "20"


_TIERS = """kind = "usage"
tiers = { mode = "%s", of = "tokens", steps = [
  { up_to = 1000000, price = "2.00", per = 1000000 },
  { up_to = 5000000, price = "1.50", per = 1000000 },
  { price = "1.00", per = 1000000, fee = "0.10" } ] }
"""


@pytest.mark.parametrize(
    ("mode", "tokens", "total"),
    [
        ("graduated", 0, "0"),
        ("graduated", 1_000_000, "2"),
        ("graduated", 1_000_001, "2.0000015"),
        ("graduated", 6_000_000, "9.1"),
        ("volume", 1_000_000, "2"),
        ("volume", 1_000_001, "1.5000015"),
        ("volume", 6_000_000, "6.1"),
    ],
)
def test_tiers(tmp_path: Path, mode: str, tokens: int, total: str) -> None:
    plan = _plan(tmp_path, _HEAD + _TIERS % mode)
    found = billed(plan, _period("123", tokens=tokens))
    assert format_money(found.total) == total
    assert sum(line.quantity for line in found.lines) == tokens


def test_tiers_of_money_are_markups(tmp_path: Path) -> None:
    plan = _plan(
        tmp_path,
        _HEAD + 'kind = "usage"\ntiers = { mode = "graduated", of = "money", steps = ['
        '{ up_to = 100, markup = "0.3" }, { markup = "0.2" }] }\n',
    )
    assert _texts(billed(plan, _period("90", "60"))) == [
        ("AI usage, tier 1", 100, "calls", "130"),
        ("AI usage, tier 2", 100, "calls", "60"),
    ]


_SEATS = """kind = "seat"
fee = 30
seats = [
  { tenant = "acme", seats = 10, from = 2026-01-01T00:00:00Z, to = 2026-10-11T00:00:00Z },
  { tenant = "acme", seats = 14, from = 2026-10-11T00:00:00Z },
  { tenant = "globex", seats = 2, from = 2026-01-01T00:00:00Z } ]
"""


def test_seats_are_pro_rata_and_include_calls(tmp_path: Path) -> None:
    plan = _plan(
        tmp_path,
        _HEAD
        + _SEATS
        + 'allowance = { money = "5", per_seat = true }\noverage = { markup = "0.1" }\n',
    )
    # 10 seats of 10 days and 14 of 21: 394 days of seats, of 31 in a month
    first, second, included, beyond = billed(plan, _period("100")).lines
    assert (first.quantity, second.quantity) == (10, 14)
    assert (first.product, included.product, included.amount) == ("p, seats", "AI included", 0)
    assert abs(first.amount + second.amount - Fraction(30 * 394 * ATTO, 31)) <= 1
    allowance = Fraction(5 * 394 * ATTO, 31)
    assert abs(beyond.amount - (100 * ATTO - allowance) * Fraction(11, 10)) <= 2
    assert len(billed(plan, _period("63.54")).lines) == 3, "what is included costs nothing"


@pytest.mark.parametrize(
    ("of", "beyond", "total"),
    [("tokens = 1000", ("tokens", 500), "100.005"), ("calls = 60", ("calls", 40), "100.0004")],
)
def test_flat_with_an_allowance(
    tmp_path: Path, of: str, beyond: tuple[str, int], total: str
) -> None:
    plan = _plan(
        tmp_path,
        _HEAD
        + f'kind = "flat"\nfee = 100\nallowance = {{ {of} }}\n'
        + 'overage = { price = "0.01", per = 1000 }\n',
    )
    found = billed(plan, _period("70", tokens=1500))
    assert (found.lines[-1].unit, found.lines[-1].quantity) == beyond
    assert format_money(found.total) == total


def test_a_plan_that_begins_in_the_period_is_paid_from_then_on(tmp_path: Path) -> None:
    plan = _plan(
        tmp_path,
        'id = "p"\ncurrency = "USD"\nfrom = 2026-10-25T00:00:00Z\nkind = "flat"\nfee = 31\n',
    )
    assert format_money(billed(plan, _period()).total) == "7"


def test_credit_pays_what_was_burnt(tmp_path: Path) -> None:
    plan = _plan(tmp_path, _HEAD + 'kind = "credit"\n')
    found = billed(plan, _period("7", "5", burnt=parse_money("10")))
    assert _texts(found)[-1] == ("paid by credit", 1, "period", "-10")
    assert format_money(found.total) == "2"


def test_fair_use_by_share_of_what_is_paid(tmp_path: Path) -> None:
    plan = _plan(tmp_path, _HEAD + 'kind = "flat"\nfee = 100\nfair_use = "0.3"\n')
    fair = billed(plan, _period("31", cost=30 * ATTO)).fair_use
    assert fair is not None and not fair.is_crossed
    fair = billed(plan, _period("31", cost=30 * ATTO + 1)).fair_use
    assert fair is not None and fair.is_crossed
    assert billed(plan, _period("31")).fair_use is None, "of an unknown cost nothing is said"


def test_fair_use_by_what_others_of_the_plan_use() -> None:
    rule, peers = FairUseRule(), tuple(range(1, 101))
    assert not fair_use(rule, 95, 0, peers).is_crossed
    assert fair_use(rule, 96, 0, peers).is_crossed
    few = fair_use(rule, 10**30, 0, (1, 2, 3))
    assert (few.limit, few.is_crossed, few.peers) == (None, False, 3)


def test_of_a_period_that_a_zone_change_makes_shorter_a_part_is_paid_and_included() -> None:
    """A third of a month: of each seat a third of the fee, with a third of its calls."""
    plan = Plan(
        *("pro", "seat", "EUR", 0),
        fee=30 * ATTO,
        seats=(SeatCount("acme", 2, 0),),
        allowance=Allowance("calls", 300, per_seat=True),
        overage=Overage(ATTO),
    )
    found = billed(plan, BilledPeriod("acme", 0, 10, (), 205, 0, whole_us=30))
    assert _texts(found) == [
        ("pro, seats", 2, "seats", "20"),
        ("AI included", 205, "calls", "0"),
        ("AI beyond the allowance", 5, "calls", "5"),
    ]


def test_the_plan_of_a_tenant(tmp_path: Path) -> None:
    plans = _plans(
        tmp_path,
        """
[[plan]]
id = "pro"
kind = "flat"
currency = "EUR"
fee = 10
from = 2026-01-01T00:00:00Z
to = 2026-10-01T00:00:00Z
[[plan]]
id = "pro"
kind = "flat"
currency = "EUR"
fee = 12
from = 2026-10-01T00:00:00Z
[[plan]]
id = "acme-2026"
tenants = ["acme"]
kind = "usage"
currency = "EUR"
from = 2026-10-05T00:00:00Z
""",
    )
    at = [_FROM - 1, _FROM, _FROM + 4 * _DAY_US]
    found = [plan_for(plans, "acme", "pro", us) for us in at]
    assert [(one.id, one.fee // ATTO) for one in found if one] == [
        ("pro", 10),
        ("pro", 12),
        ("acme-2026", 0),
    ]
    assert plan_for(plans, "globex", None, _FROM) is None
    assert plan_for(plans, "globex", "team", _FROM) is None


_BROKEN = """
[[plan]]
id = "a"
kind = "flat"
currency = "Euro"
from = 2026-10-01
colour = "red"

[[plan]]
id = "b"
kind = "usage"
currency = "EUR"
from = 2026-10-01T00:00:00Z
fee = 5
tiers = { mode = "graduated", of = "calls", steps = [{ up_to = 5, price = 1 }, { up_to = 3, price = 1 }] }

[[plan]]
id = "c"
kind = "seat"
currency = "EUR"
from = 2026-10-01T00:00:00Z
fee = 5
seats = [{ tenant = "acme", seats = -1, from = 2026-10-01T00:00:00Z }]
allowance = { money = 5, calls = 3 }
overage = { price = "1", colour = 2 }

[[plan]]
id = "d"
kind = "flat"
currency = "EUR"
from = 2026-10-01T00:00:00Z
fee = 5

[[plan]]
id = "d"
kind = "flat"
currency = "EUR"
from = 2026-12-01T00:00:00Z
fee = 6
"""


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(PlansError) as raised:
        _plans(tmp_path, _BROKEN)
    problems = raised.value.problems
    found = {(one.line, one.what) for one in problems}
    assert found == {
        (3, "unknown key 'colour' in a plan"),
        (3, "currency is 'Euro'"),
        (3, "from is '2026-10-01'"),
        (10, "fee in a plan of kind 'usage'"),
        (10, "not only the last step of tiers is without up_to"),
        (10, "steps of tiers are not in ascending order"),
        (18, "seats is '-1'"),
        (18, "an allowance of calls, money"),
        (18, "unknown key 'colour' in a overage"),
        (35, "the plan 'd' stands twice at one time, also on line 28"),
    }
    assert all(one.remedy and one.file.endswith("plans.toml") for one in problems)


@pytest.mark.parametrize(
    "content", ["", "plan = 3\n", "[[plan]]\nid = ", '[[plan]]\nmarkup = "nan"\n']
)
def test_a_file_that_is_none(tmp_path: Path, content: str) -> None:
    with pytest.raises(PlansError):
        _plans(tmp_path, content)


def test_a_file_of_a_newer_version_or_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "plans.toml"
    path.write_text('schema = "otel-genai-cost-plans/2"\n[[plan]]\n', encoding="utf-8")
    with pytest.raises(FormatTooNewError):
        load_plans(path)
    with pytest.raises(ConfigurationError, match="cannot read the plans"):
        load_plans(tmp_path / "none.toml")


def test_the_plans_of_the_documentation(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "margin.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(# plans.toml\n.*?)```", page, re.DOTALL)
    (tmp_path / "plans.toml").write_text(text, encoding="utf-8")
    plans = load_plans(tmp_path / "plans.toml")
    assert {one.id: one.kind for one in plans} == {
        "pay-as-you-go": "usage",
        "tokens": "usage",
        "team": "seat",
        "prepaid": "credit",
    }


# --- of any numbers ---

_ATTO = st.integers(0, 10**24)
_STEPS = st.lists(
    st.tuples(
        st.integers(1, 10**6), st.integers(0, 10**18), st.integers(1, 1000), st.integers(0, 99)
    ),
    min_size=1,
    max_size=5,
)


def _tiers(mode: Any, steps: list[tuple[int, int, int, int]]) -> Tiers:
    ends = sorted({end for end, *_ in steps})[:-1]
    made = [Step(end, *step[1:]) for end, step in zip([*ends, None], steps, strict=False)]
    return Tiers(mode, "tokens", tuple(made))


@given(_STEPS, st.integers(0, 10**7))
def test_graduated_tiers_split_the_quantity(
    steps: list[tuple[int, int, int, int]], quantity: int
) -> None:
    tiers = _tiers("graduated", steps)
    parts = tier_parts(tiers, quantity)
    assert sum(part.quantity for part in parts) == quantity
    exact = Fraction(0)
    for part in parts:
        step = tiers.steps[part.step]
        exact += Fraction(part.quantity * step.price, step.per) + step.fee
    assert abs(sum(part.amount for part in parts) - exact) <= Fraction(len(parts), 2)


@given(_STEPS, st.integers(1, 10**7), st.integers(0, 10**7))
def test_more_never_costs_less_in_graduated_tiers(
    steps: list[tuple[int, int, int, int]], quantity: int, more: int
) -> None:
    tiers = _tiers("graduated", steps)
    sums = [sum(p.amount for p in tier_parts(tiers, n)) for n in (quantity, quantity + more)]
    assert sums[0] <= sums[1]


@given(st.lists(st.integers(-(10**24), 10**24), max_size=20), st.integers(-ATTO, 5 * ATTO))
def test_markup_is_rounded_once(prices: list[int], markup: int) -> None:
    lines = tuple(PricedLine(str(n), 1, "tokens", price) for n, price in enumerate(prices))
    plan = Plan("p", "usage", "USD", 0, markup=markup)
    found = billed(plan, BilledPeriod("t", 0, 10, lines, 0, 0))
    exact = Fraction(sum(prices) * (ATTO + markup), ATTO)
    assert abs(found.total - exact) <= Fraction(1, 2)
    assert [one.product for one in found.lines] == [one.product for one in lines]


@given(
    _ATTO,
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 10**9)), min_size=1, max_size=6),
)
def test_seats_of_a_period_are_its_time_of_seats(fee: int, counts: list[tuple[int, int]]) -> None:
    """However often the count changes, the lines come to the fee of the seats by time, each within half an atto."""
    end, rows = 0, list[SeatCount]()
    for seats, length in counts:
        rows.append(SeatCount("t", seats, end, end + length))
        end += length
    plan = Plan("p", "seat", "USD", 0, fee=fee, seats=tuple(rows))
    found = billed(plan, BilledPeriod("t", 0, end, (), 0, 0))
    exact = Fraction(sum(fee * seats * length for seats, length in counts), end)
    assert abs(found.total - exact) <= Fraction(len(counts), 2)
