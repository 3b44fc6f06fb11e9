"""The short way of rating again books, to the byte, what settling and booking anew would."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.journal.observation import Observation, to_record
from otel_genai_cost.ledger.contracts.contract import LIST_PRICES
from otel_genai_cost.ledger.entry import Entry, entry_record
from otel_genai_cost.ledger.posting.position import positions
from otel_genai_cost.ledger.posting.post import book, net
from otel_genai_cost.ledger.rerating.books import rated_with
from otel_genai_cost.ledger.rerating.plain import Cause, cost_of, difference, is_plain, rated_plain
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.tenancy.attribution import Attribution
from tests.ledger.build import BOOK, observe, tenant
from tests.pricing.books import book_from

_CAUSE = Cause("c" * 64, 99)


def _book(**rates: str) -> Book:
    """A book in which gpt-4o of OpenAI has these rates; without any it does not know the model."""
    rows = [{"provider": "acme", "model": "m", "rates": rates}] if rates else []
    return book_from(rows)


def _observation(book: Book, parts: dict[str, int], attribution: Attribution) -> Observation:
    one = observe(1, tokens=(1_000, 100), parts=parts, attribution=attribution)
    reading = one.reading._replace(provider="acme", model_returned="m", model_requested="m")
    one = one._replace(reading=reading)
    return one._replace(cost=rated_with(one, book))


def _the_long_way(one: Observation, entries: list[Entry], priced_by: Book) -> list[Entry]:
    """Settle and book as for any charge."""
    (verdict,) = settle([one]).verdicts
    booked = net(entries)
    assert booked is not None
    wanted = positions(verdict._replace(cost=rated_with(verdict.richest, priced_by)))
    made = book(
        one.id, wanted, booked, cause="rerated", cause_id=_CAUSE.id, booked_us=_CAUSE.booked_us
    )
    return list(made)


def _stored(record: dict[str, Any]) -> dict[str, Any]:
    return decode(encode(record))


def _cost_is_known(entries: list[Entry], one: Observation, priced_by: Book) -> list[dict[str, Any]]:
    """The short way, or what the rest of it does where it is not short enough."""
    records = [_stored(entry_record(entry)) for entry in entries]
    member = _stored(to_record(one))
    assert is_plain([member])
    cost = cost_of(member, priced_by)
    short = difference(records, cost, _CAUSE)
    if short is not None:
        return [_stored(record) for record in short]
    change = rated_plain(records, member, cost, LIST_PRICES)
    assert change is not None
    made = book(
        one.id,
        change.after,
        change.booked,
        cause="rerated",
        cause_id=_CAUSE.id,
        booked_us=_CAUSE.booked_us,
    )
    return [_stored(entry_record(entry)) for entry in made]


_rates: st.SearchStrategy[dict[str, str]] = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {"input": st.sampled_from(["1", "2.5", "3"]), "output": st.sampled_from(["4", "10"])},
        optional={"cache_read": st.sampled_from(["0.1", "0.25"])},
    ),
)


@settings(deadline=None)
@given(
    st.lists(_rates, min_size=2, max_size=6),
    st.sampled_from([{}, {"cache_read": 300}, {"reasoning": 40}]),
    st.sampled_from([tenant("acme", feature="x"), tenant(None)]),
)
def test_short_way_books_what_the_long_way_does(
    told: list[dict[str, str]], parts: dict[str, int], attribution: Attribution
) -> None:
    books = [_book(**rates) for rates in told]
    one = _observation(books[0], parts, attribution)
    (verdict,) = settle([one]).verdicts
    entries = list(
        book(one.id, positions(verdict), None, cause="charged", cause_id=None, booked_us=1)
    )
    for priced_by in books[1:]:
        long = _the_long_way(one, entries, priced_by)
        assert _cost_is_known(entries, one, priced_by) == [_stored(entry_record(e)) for e in long]
        entries += long


@pytest.mark.parametrize(
    "change",
    [
        {"role": "poll"},
        {"cost": {"status": "priced", "source": "provider"}},
        {"attribution": {"tenant": "acme", "shares": [["acme", 1], ["globex", 1]]}},
    ],
    ids=["a poll", "the provider's own figure", "shared"],
)
def test_other_charges_are_looked_at_closely(change: dict[str, Any]) -> None:
    member = _stored(to_record(observe(1)))
    assert is_plain([member])
    assert not is_plain([{**member, **change}])
    assert not is_plain([member, member])


def test_book_of_the_wheel_again_is_no_difference() -> None:
    one = observe(1)
    (verdict,) = settle([one]).verdicts
    (entry,) = book(one.id, positions(verdict), None, cause="charged", cause_id=None, booked_us=1)
    records = [_stored(entry_record(entry))]
    assert difference(records, cost_of(_stored(to_record(one)), BOOK), _CAUSE) == []
