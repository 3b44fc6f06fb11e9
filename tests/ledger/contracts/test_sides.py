"""What a call costs us, and what its customer pays: two sides of one receipt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.errors import PriceBookError
from otel_genai_cost.ledger.contracts.contract import (
    PARTS,
    BillableCall,
    Charged,
    Contract,
    Contracts,
    ExchangeRate,
    charged,
)
from otel_genai_cost.ledger.contracts.file import read_contracts
from otel_genai_cost.ledger.entry import Entry, entry_of, entry_record
from otel_genai_cost.ledger.posting.position import Position, positions
from otel_genai_cost.ledger.posting.post import net, post
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.pricing.cost import Line, rate_of
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.tenancy.attribution import Attribution
from tests.ledger.build import START_US, observe

_PER = 1_000_000
_ACU = ExchangeRate("USD", "ACU", parse_money("100"), 0, None, "price list")
_BACK = ExchangeRate("ACU", "USD", parse_money("0.02"), 0, None, "buying back")
_CALL = BillableCall(START_US, "acme", {}, frozenset({"openai"}), frozenset({"gpt-4o"}), {})


def _contract(id_: str, order: int, **terms: Any) -> Contract:
    return Contract(id_, "a letter", order, 0, **terms)


def _discount(order: int = 1) -> Contract:
    return _contract("provider", order, multiplier=9 * PARTS // 10)


def _mark_up(order: int = 2) -> Contract:
    return _contract("customer", order, multiplier=12 * PARTS // 10, side="price")


def _lines(price: str = "2.5") -> tuple[Line, ...]:
    rate = rate_of(price, _PER)
    return (Line("list", "input", _PER, rate, rate.amount(_PER)),)


def _charged(*contracts: Contract, rates: Sequence[ExchangeRate] = (_ACU,)) -> Charged:
    return charged(Contracts(contracts, rates), _CALL, _lines(), "USD")


def _whole(*contracts: Contract, **changes: Any) -> tuple[Position, ...]:
    (verdict,) = settle([observe(1, **changes)]).verdicts
    return positions(verdict, contracts=Contracts(contracts, [_ACU], digest="d"))


def _money(*amounts: str) -> tuple[int, ...]:
    return tuple(map(parse_money, amounts))


def test_mark_up_is_of_the_price_and_a_provider_discount_of_both() -> None:
    (position,) = _whole(_discount(), _mark_up())
    # 0.0035 at list prices; a tenth off for us; a fifth of what is left on top for the customer
    assert (position.amount, position.price) == _money("0.00315", "0.00378")
    assert position.price_currency == position.currency == "USD"
    sides = {line.contract: line.side for line in position.lines}
    assert sides == {None: "cost", "provider": "cost", "customer": "price"}


def test_cost_does_not_depend_on_the_price() -> None:
    (first,) = _whole(_discount(1), _mark_up(2))
    (second,) = _whole(_discount(2), _mark_up(1))
    (alone,) = _whole(_discount())
    assert first == second
    assert first.amount == alone.amount == alone.price


def test_rate_that_a_customer_agreed_holds_whatever_the_provider_gives() -> None:
    agreed = _contract("c", 1, rates={"input": (parse_money("3"), _PER)}, currency="USD")
    found = _charged(_discount(2), agreed._replace(side="price"))
    assert [line.amount for line in found.lines] == list(_money("2.5", "-0.25", "0.75"))
    assert sum(line.amount for line in found.lines) == parse_money("3")


def test_customer_who_pays_in_credits_costs_dollars() -> None:
    credits_ = _contract("acu", 3, currency="ACU", side="price")
    (position,) = _whole(_discount(), _mark_up(), credits_)
    assert (position.amount, position.currency) == (parse_money("0.00315"), "USD")
    assert (position.price, position.price_currency) == (parse_money("0.378"), "ACU")
    (entry,) = post("0" * 32, (position,), None, cause="charged", cause_id=None, booked_us=1)
    assert (entry.price, entry.price_currency) == (position.price, "ACU")
    # the price is a receipt of its own, in its currency: every line of the cost once more
    of_price = [line for line in entry.lines if line.side == "price"]
    assert {line.kind for line in of_price} == {"list", "discount", "markup"}
    assert sum(line.amount for line in of_price) == entry.price


def test_rates_agreed_in_credits() -> None:
    rates = {"input": (parse_money("300"), _PER)}
    found = _charged(_contract("acu", 1, rates=rates, currency="ACU", side="price"))
    assert (found.currency, found.billed_in) == ("USD", "ACU")
    assert sum(line.amount for line in found.lines if line.side == "price") == parse_money("300")
    assert sum(line.amount for line in found.lines if line.side == "cost") == parse_money("2.5")


def test_without_a_rate_the_price_is_not_known_and_the_cost_is() -> None:
    (position,) = _whole(_contract("pound", 1, currency="GBP", side="price"))
    assert (position.unpriced, position.reason) == (1, "no_fx_rate")
    assert (position.amount, position.currency) == (parse_money("0.0035"), "USD")
    assert (position.price, position.price_currency) == (0, "GBP")


def test_price_that_is_converted_and_back_is_what_it_came_to() -> None:
    there = _contract("acu", 1, currency="ACU", side="price")
    back = _contract("usd", 2, currency="USD", side="price")
    found = _charged(there, back, rates=(_ACU, _BACK))
    assert (found.currency, found.billed_in) == ("USD", None)
    assert sum(line.amount for line in found.lines) == parse_money("5")
    assert sum(line.amount for line in found.lines if line.side == "cost") == parse_money("2.5")


def test_contract_without_a_side_is_of_the_cost_as_ever() -> None:
    fee = _contract("fee", 1, multiplier=12 * PARTS // 10)
    euro = _contract("acu", 2, currency="ACU")
    (position,) = _whole(fee, euro)
    assert (position.amount, position.currency) == (parse_money("0.42"), "ACU")
    assert (position.price, position.price_currency) == (position.amount, "ACU")


def test_entries_and_lines_of_before_are_the_cost_and_the_price() -> None:
    (position,) = _whole(_discount())
    (entry,) = post("0" * 32, (position,), None, cause="charged", cause_id=None, booked_us=1)
    record = entry_record(entry)
    del record["price"], record["price_currency"]
    for line in record["lines"]:
        del line["side"]
    assert entry_of(record) == entry
    assert entry.price == entry.amount
    # and a posting that comes now finds nothing to correct
    again = post(
        "0" * 32, (position,), net([entry_of(record)]), cause="rerated", cause_id=None, booked_us=2
    )
    assert again == ()


_HEAD = 'schema = "otel-genai-cost-contracts/1"\n'
_ENTRY = '[[contract]]\nid = "{}"\nsource = "s"\norder = 1\nfrom = 2026-01-01T00:00:00Z\nmultiplier = 1.2\n'


def test_file_says_the_side() -> None:
    text = _HEAD + _ENTRY.format("a") + 'side = "price"\n' + _ENTRY.format("b")
    found = {one.id: one.side for one in read_contracts(text.encode()).contracts}
    assert found == {"a": "price", "b": "cost"}  # of one order, and never in each other's way


def test_no_side_is_refused() -> None:
    with pytest.raises(PriceBookError, match="what a customer agreed"):
        read_contracts((_HEAD + _ENTRY.format("a") + 'side = "customer"\n').encode())


def test_two_of_one_side_and_order_are_refused() -> None:
    both = "".join(_ENTRY.format(name) + 'side = "price"\n' for name in "ab")
    with pytest.raises(PriceBookError, match="different orders"):
        read_contracts((_HEAD + both).encode())


_SIDES = st.sampled_from(["cost", "price"])
_TERMS = st.one_of(
    st.fixed_dictionaries({"multiplier": st.integers(0, 3 * PARTS), "side": _SIDES}),
    st.fixed_dictionaries(
        {
            "rates": st.dictionaries(
                st.sampled_from(["input", "output"]),
                st.tuples(st.integers(0, 10**21), st.just(_PER)),
                min_size=1,
            ),
            "currency": st.sampled_from(["USD", "ACU"]),
            "side": _SIDES,
        }
    ),
    st.fixed_dictionaries({"currency": st.sampled_from(["USD", "ACU"]), "side": _SIDES}),
)
_CONTRACTS = st.lists(_TERMS, max_size=4).map(
    lambda found: [_contract(f"c{n}", n, **terms) for n, terms in enumerate(found)]
)
_SHARED = Attribution("acme", "edge", None, shares=(("acme", 2), ("globex", 1)))


def _re_adds(one: Any) -> bool:
    cost = sum(line.amount for line in one.lines if line.side == "cost")
    added = sum(line.amount for line in one.lines if line.side == "price")
    whole = added if one.price_currency != one.currency else cost + added
    return (one.amount, one.price) == (cost, whole)


@settings(deadline=None)
@given(st.lists(_CONTRACTS, min_size=1, max_size=4), st.booleans())
def test_both_sides_of_a_re_rated_charge_telescope(
    versions: list[list[Contract]], is_shared: bool
) -> None:
    (verdict,) = settle(
        [observe(1, tokens=(1_001, 101), attribution=_SHARED if is_shared else None)]
    ).verdicts
    entries: list[Entry] = []
    wanted: tuple[Position, ...] = ()
    for at, contracts in enumerate(versions):
        wanted = positions(verdict, contracts=Contracts(contracts, [_ACU, _BACK], digest=f"{at}"))
        steps = post("0" * 32, wanted, net(entries), cause="rerated", cause_id=None, booked_us=at)
        entries += [entry_of(entry_record(step)) for step in steps]
    assert all(map(_re_adds, (*entries, *wanted)))
    for side, currency in (("amount", "currency"), ("price", "price_currency")):
        booked: dict[tuple[str | None, str], int] = {}
        for entry in entries:
            key = (entry.attribution.tenant, getattr(entry, currency))
            booked[key] = booked.get(key, 0) + getattr(entry, side)
        last = {
            (one.attribution.tenant, getattr(one, currency)): getattr(one, side) for one in wanted
        }
        assert {key: sum_ for key, sum_ in booked.items() if sum_} == {
            key: sum_ for key, sum_ in last.items() if sum_
        }
