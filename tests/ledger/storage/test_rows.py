"""What is stored of an observation or an entry says all that it said."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.journal.record import from_record, to_record
from otel_genai_cost.ledger.entry import Entry, entry_id
from otel_genai_cost.ledger.packed_id import packed_id, prefix_range, shown_id
from otel_genai_cost.ledger.storage.entry_rows import EntryRows
from otel_genai_cost.ledger.storage.observation_rows import ObservationRows
from otel_genai_cost.ledger.storage.rows import DAMAGE
from otel_genai_cost.ledger.storage.schema import statements
from otel_genai_cost.ledger.storage.texts import Texts
from otel_genai_cost.pricing.cost import Line, rate_of
from otel_genai_cost.tenancy.attribution import Attribution
from tests.ledger.build import observe

_NUMBERS = st.integers(-(2**60), 2**60)
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text('aé\n"', max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=5,
)
_KEYS = (
    *("id", "trace_id", "span_id", "start_us", "end_us", "origin", "scope", "dialect", "role"),
    *("provider", "error", "context", "cost", "usage", "attribution", "path", "response_id"),
    *("raw", "labels", "doubts", "threshold", "attempts", "of a newer version"),
)
_LABELS = st.dictionaries(
    st.sampled_from(["plan", "user", "feature", "action", "team"]), st.text(max_size=2), max_size=5
)
_COST = st.fixed_dictionaries({}, optional=dict.fromkeys(("total", "bounds", "rates"), _JSON))


_DB = sqlite3.connect(":memory:", isolation_level=None)
for _statement in statements():
    _DB.execute(_statement)


def _texts() -> Texts:
    return Texts(_DB)


@given(st.dictionaries(st.sampled_from(_KEYS), _JSON), _LABELS, st.booleans(), _COST)
def test_row_gives_back_the_record_and_the_observation(
    odd: dict[str, Any], labels: dict[str, str], is_odd_cost: bool, cost: dict[str, Any]
) -> None:
    one = observe(
        7,
        above=(3, 4),
        response_id="r7",
        attribution=Attribution("acme", "edge", None, "user", labels),
    )
    record = {**to_record(one), **odd}
    if is_odd_cost:
        record["cost"] = cost
    record = decode(encode(record))  # as a journal has it
    rows = ObservationRows(_texts())
    packed = rows.row(record)
    row = (packed.id, *packed[2:])
    assert rows.record(row) == record
    for _ in range(2):  # what was kept says the same
        assert _observed(lambda: rows.observation(row)) == _observed(lambda: from_record(record))


def _observed(make: Any) -> str:
    """An observation with the order of all it holds, by which it is compared with others; or that there is none."""
    try:
        return repr(make())
    except DAMAGE:
        return "none"


_LINES = st.lists(
    st.builds(
        Line,
        st.sampled_from(["list", "discount"]),
        st.sampled_from(["input", "output", "requests"]),
        _NUMBERS,
        st.just(rate_of("2.5", 1_000_000)),
        st.integers(-(10**30), 10**30),
        st.none() | st.just("agreed"),
        st.sampled_from(["cost", "price"]),
    ),
    max_size=3,
).map(tuple)
_ENTRIES = st.builds(
    Entry,
    seq=st.just(5),
    id=st.sampled_from([entry_id("ab" * 16, 0, 0), entry_id("ab" * 16, 0, 1), "cd" * 16]),
    charge_id=st.just("ab" * 16),
    revision=st.just(0),
    cause=st.sampled_from(["charged", "rerated"]),
    cause_id=st.none() | st.just("ef" * 16),
    occurred_us=_NUMBERS,
    booked_us=_NUMBERS,
    attribution=st.builds(
        Attribution, st.just("acme"), st.just("edge"), st.none(), labels=_LABELS, shares=st.just(())
    ),
    service=st.none() | st.just("shop"),
    provider=st.just("openai"),
    model=st.just("gpt-4o"),
    operation=st.just("chat"),
    reason=st.none() | st.just("unknown_model"),
    quality=st.just("reported"),
    calls=st.integers(-1, 1),
    unpriced=st.integers(-1, 1),
    usage=st.dictionaries(st.sampled_from(["input", "output"]), _NUMBERS),
    lines=_LINES,
    amount=st.integers(-(10**30), 10**30),
    currency=st.just("USD"),
    book=st.none() | st.just("f" * 64),
    flags=st.sampled_from([(), ("late",)]),
    contracts=st.none() | st.just("e" * 64),
    bounds=st.none() | st.just((1, 2 * 10**20)),
    billed_in=st.none() | st.just("EUR"),
)


@given(_ENTRIES)
def test_row_gives_back_the_entry(entry: Entry) -> None:
    rows = EntryRows(_texts())
    (row,) = rows.rows([entry])
    assert repr(rows.entry(row)) == repr(entry._replace(usage=dict(entry.usage)))
    assert rows.tenant(row[9]) == "acme"


@pytest.mark.parametrize("text", ["", "00ff" * 8, "00FF", "abc", "not hex", " 00", "é"])
def test_id_is_shown_as_it_was(text: str) -> None:
    assert shown_id(packed_id(text)) == text


def test_beginning_of_an_id_finds_it_by_any_number_of_digits() -> None:
    packed = bytes.fromhex("0123456789abcdef" * 2)
    assert packed_id("0123456789abcdef" * 2) == packed
    for digits in range(8, 33):
        low, high = prefix_range(("0123456789abcdef" * 2)[:digits])
        assert low <= packed <= high
    low, high = prefix_range("0123456789abcde0f")
    assert not low <= packed <= high
