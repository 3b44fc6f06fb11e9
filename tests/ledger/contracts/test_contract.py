"""Contracts: signed lines beside the list price, in a stated order, and a receipt that re-adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.ledger.contracts.contract import (
    LIST_PRICES,
    PARTS,
    BillableCall,
    Charged,
    Contract,
    Contracts,
    ExchangeRate,
    charged,
)
from otel_genai_cost.ledger.entry import Entry, entry_of, entry_record
from otel_genai_cost.ledger.posting.position import Position, positions
from otel_genai_cost.ledger.posting.post import net, post
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.pricing.cost import Line, rate_of
from otel_genai_cost.pricing.money import ATTO, parse_money
from otel_genai_cost.tenancy.attribution import Attribution
from tests.ledger.build import START_US, observe, tenant

_PER = 1_000_000
_EURO = ExchangeRate("USD", "EUR", parse_money("0.9"), 0, None, "bank")


def _call(**changes: Any) -> BillableCall:
    call = BillableCall(
        START_US, "acme", {"feature": "search"}, frozenset({"openai"}), frozenset({"gpt-4o"}), {}
    )
    return call._replace(**changes)


def _line(leaf: str = "input", quantity: int = 1_000_000, price: str = "2.5") -> Line:
    rate = rate_of(price, _PER)
    return Line("list", leaf, quantity, rate, rate.amount(quantity))


def _contract(id_: str = "c", order: int = 1, **terms: Any) -> Contract:
    return Contract(id_, "a letter", order, 0, **terms)


def _parts(multiplier: str) -> int:
    return parse_money(multiplier) * PARTS // ATTO


def _rates(**rates: str) -> Mapping[str, tuple[int, int]]:
    return {leaf: (parse_money(rate), _PER) for leaf, rate in rates.items()}


def _charged(*contracts: Contract, call: BillableCall | None = None, lines: Any = None) -> Charged:
    return charged(Contracts(contracts, [_EURO]), call or _call(), lines or (_line(),), "USD")


def _total(found: Charged) -> int:
    return sum(line.amount for line in found.lines)


def test_discount_is_a_line_of_its_own_and_the_list_price_stays() -> None:
    found = _charged(_contract(multiplier=_parts("0.925")))
    listed, discount = found.lines
    assert listed == _line()
    assert (discount.kind, discount.leaf, discount.contract) == ("discount", "input", "c")
    assert discount.rate.unit_price == "-0.1875"
    assert discount.amount == parse_money("-0.1875")
    assert _total(found) == parse_money("2.3125")


def test_mark_up_on_a_discount_follows_the_stated_order() -> None:
    discount = _contract("a", 20, multiplier=_parts("0.9"))
    mark_up = _contract("z", 10, rates=_rates(input="3"), currency="USD")
    found = _charged(discount, mark_up)
    assert [(line.kind, line.amount) for line in found.lines[1:]] == [
        ("markup", parse_money("0.5")),
        ("discount", parse_money("-0.3")),
    ]
    assert _total(found) == parse_money("2.7")
    assert _charged(mark_up, discount) == found


def test_agreed_rate_holds_for_the_leaves_it_names() -> None:
    agreed = _contract(rates=_rates(output="4"), currency="USD")
    lines = (_line(), _line("output", 500_000, "10"), _line("reasoning", 500_000, "10"))
    found = _charged(agreed, lines=lines)
    assert [(line.leaf, line.amount) for line in found.lines[3:]] == [
        ("output", parse_money("-3")),
        ("reasoning", parse_money("-3")),
    ]


def test_agreed_rate_is_not_applied_to_conditions_it_does_not_name() -> None:
    agreed = _contract(rates=_rates(input="2"), currency="USD")
    for context in ({"batch": True}, {"service_tier": "priority"}, {"speed": "fast"}):
        assert _charged(agreed, call=_call(context=context)).lines == (_line(),)
    for context in ({"service_tier": "default"}, {"region": "eu-west-1"}, {"batch": False}):
        assert _total(_charged(agreed, call=_call(context=context))) == parse_money("2")
    for_batch = agreed._replace(context=(("batch", True),))
    assert _total(_charged(for_batch, call=_call(context={"batch": True}))) == parse_money("2")
    assert _charged(for_batch).lines == (_line(),)


def test_contract_holds_from_its_first_instant_to_the_last_before_its_end() -> None:
    half = _contract(multiplier=_parts("0.5"), to_us=20)._replace(from_us=10)
    touched = [_charged(half, call=_call(at_us=at)).touched for at in (9, 10, 19, 20)]
    assert touched == [False, True, True, False]


def test_only_those_who_agreed_are_touched() -> None:
    half = _contract(multiplier=_parts("0.5"))
    for one, call in (
        (half._replace(tenants=frozenset({"globex"})), _call()),
        (half._replace(tenants=frozenset({"acme"})), _call(tenant=None)),
        (half._replace(providers=frozenset({"azure"})), _call()),
        (half._replace(models=frozenset({"gpt-4"})), _call()),
        (half._replace(labels=(("feature", "chat"),)), _call()),
        (half._replace(labels=(("team", "x"),)), _call()),
    ):
        assert not _charged(one, call=call).touched
    everybody = half._replace(tenants=frozenset({"globex", "acme"}), models=frozenset({"gpt-4o"}))
    assert _charged(everybody).touched


def test_bill_in_another_currency_converts_every_line() -> None:
    found = _charged(_contract("d", 1, multiplier=_parts("0.9")), _contract("e", 2, currency="EUR"))
    listed, discount = found.lines
    assert found.currency == "EUR"
    assert (listed.amount, discount.amount) == (parse_money("2.25"), parse_money("-0.225"))
    assert listed.contract == "USD/EUR=0.9 bank"
    assert discount.contract == "d"


def test_rate_agreed_in_euro_is_a_difference_in_euro() -> None:
    found = _charged(_contract(rates=_rates(input="2"), currency="EUR"))
    assert (found.currency, _total(found)) == ("EUR", parse_money("2"))


def test_without_an_exchange_rate_there_is_no_figure() -> None:
    found = _charged(_contract(currency="GBP"))
    assert (found.lines, found.currency, found.reason) == ((), "USD", "no_fx_rate")


def _whole(contracts: Contracts, **changes: Any) -> tuple[Position, ...]:
    (verdict,) = settle([observe(1, **changes)]).verdicts
    return positions(verdict, contracts=contracts)


def test_position_by_contract_is_told_by_its_digest() -> None:
    contracts = Contracts([_contract(multiplier=_parts("0.5"))], digest="d" * 64)
    (position,) = _whole(contracts)
    assert position.contracts == "d" * 64
    # 1,000 input at $2.50 and 100 output at $10 a million tokens, halved
    assert position.amount == parse_money("0.00175")
    (listed,) = _whole(LIST_PRICES)
    assert listed.contracts is None


def test_what_the_book_cannot_price_no_contract_prices() -> None:
    agreed = _contract(rates=_rates(input="2"), currency="USD")
    (position,) = _whole(Contracts([agreed]), model="no-such-model")
    assert (position.lines, position.unpriced, position.reason) == ((), 1, "unknown_model")


def test_position_without_an_exchange_rate_is_unpriced() -> None:
    (position,) = _whole(Contracts([_contract(currency="GBP")], digest="d"))
    assert (position.amount, position.unpriced, position.reason) == (0, 1, "no_fx_rate")


def test_each_share_follows_its_own_tenants_contract() -> None:
    shared = Attribution("acme", "edge", None, shares=(("acme", 1), ("globex", 1)))
    half = _contract(multiplier=_parts("0.5"), tenants=frozenset({"globex"}))
    acme, globex = _whole(Contracts([half], digest="d"), attribution=shared)
    assert (acme.amount, globex.amount) == (parse_money("0.00175"), parse_money("0.000875"))
    assert acme.contracts is None


_names = st.sampled_from(["a", "b", "c", "d", "e"])
_prices = st.decimals(min_value=0, max_value=500, places=6).map(str)
_terms = st.one_of(
    st.fixed_dictionaries({"multiplier": st.integers(0, 3 * PARTS)}),
    st.fixed_dictionaries(
        {
            "rates": st.dictionaries(
                st.sampled_from(["input", "output"]),
                _prices.map(lambda text: (parse_money(text), _PER)),
                min_size=1,
            ),
            "currency": st.sampled_from(["USD", "EUR"]),
        }
    ),
    st.just({"currency": "EUR"}),
)
_contracts = st.lists(
    st.tuples(_names, _terms).map(lambda told: _contract(told[0], ord(told[0]), **told[1])),
    max_size=4,
    unique_by=lambda one: one.id,
)
_lines = st.lists(
    st.builds(
        _line, st.sampled_from(["input", "output", "reasoning"]), st.integers(1, 10**12), _prices
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda line: line.leaf,
).map(tuple)
_BACK = ExchangeRate("EUR", "USD", parse_money("1.1"), 0, None, "bank")


@given(_contracts, _lines)
def test_every_line_is_its_quantity_times_its_rate(
    contracts: list[Contract], lines: tuple[Line, ...]
) -> None:
    found = charged(Contracts(contracts, [_EURO, _BACK]), _call(), lines, "USD")
    for line in found.lines:
        again = rate_of(line.rate.unit_price, line.rate.per)
        assert again.amount(line.quantity) == line.amount
    assert [line.leaf for line in found.lines[: len(lines)]] == [line.leaf for line in lines]


@given(_contracts, _lines, st.randoms())
def test_order_of_the_file_does_not_matter(
    contracts: list[Contract], lines: tuple[Line, ...], random: Any
) -> None:
    rates = [_EURO, _BACK]
    first = charged(Contracts(contracts, rates), _call(), lines, "USD")
    random.shuffle(contracts)
    assert charged(Contracts(contracts, rates), _call(), lines, "USD") == first


@given(st.lists(_contracts, min_size=1, max_size=4))
def test_entries_of_changing_contracts_telescope(versions: list[list[Contract]]) -> None:
    entries: list[Entry] = []
    (last,) = _whole(LIST_PRICES)
    for at, contracts in enumerate(versions):
        wanted = (last,) = _whole(Contracts(contracts, [_EURO, _BACK], digest=f"{at}"))
        steps = post("0" * 32, wanted, net(entries), cause="rerated", cause_id=None, booked_us=at)
        entries += [entry_of(entry_record(step)) for step in steps]
    booked = net(entries)
    assert booked is not None
    (position,) = booked.positions
    assert position.amount == last.amount
    assert position.currency == last.currency
    assert sum(e.amount for e in entries if e.currency == position.currency) == position.amount
    assert sum(e.amount for e in entries if e.currency != position.currency) == 0
    for entry in entries:
        assert entry.amount == sum(line.amount for line in entry.lines)
        assert not any(isinstance(part, float) for line in entry.lines for part in line)


def test_labels_of_a_team() -> None:
    half = _contract(multiplier=_parts("0.5"), labels=(("feature", "search"),))
    (mine,) = _whole(Contracts([half]), attribution=tenant("acme", feature="search"))
    (other,) = _whole(Contracts([half]), attribution=tenant("acme", feature="chat"))
    assert 2 * mine.amount == other.amount
