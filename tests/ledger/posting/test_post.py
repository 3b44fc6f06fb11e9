"""Entries: signed, telescoping, and the net is always the latest verdict."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.ledger.entry import Entry, entry_id, entry_of, entry_record
from otel_genai_cost.ledger.posting.position import Position, positions
from otel_genai_cost.ledger.posting.post import Posted, net, post
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.pricing.cost import Line, rate_of
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.vocabulary import Cause, Reason
from tests.ledger.build import observe, tenant

_CHARGE = "0" * 31 + "1"


def _positions(**changes: Any) -> tuple[Position, ...]:
    (verdict,) = settle([observe(1, **changes)]).verdicts
    return positions(verdict)


def _post(
    wanted: tuple[Position, ...], booked: Posted | None, cause: Cause = "charged"
) -> list[Entry]:
    return list(post(_CHARGE, wanted, booked, cause=cause, cause_id=None, booked_us=7))


def test_first_booking_is_the_whole_charge() -> None:
    (entry,) = _post(_positions(), None)
    # 1,000 input at $2.50 and 100 output at $10 a million tokens (OpenAI's list price of gpt-4o since 2024-10)
    assert entry.amount == parse_money("0.0025") + parse_money("0.001")
    assert (entry.calls, entry.unpriced, entry.revision) == (1, 0, 0)
    assert entry.id == entry_id(_CHARGE, 0, 0)


def test_unchanged_verdict_books_nothing() -> None:
    wanted = _positions()
    assert _post(wanted, net(_post(wanted, None))) == []


def test_same_keys_give_one_entry_with_the_difference() -> None:
    first = _post(_positions(), None)
    (entry,) = _post(_positions(parts={"cache_read": 400}), net(first), "enriched")
    # 400 tokens at $1.25 instead of $2.50 a million
    assert entry.amount == -parse_money("0.0005")
    assert (entry.calls, entry.unpriced, entry.revision) == (0, 0, 1)
    assert entry.usage == {"cache_read": 400, "input": -400}


def test_another_tenant_reverses_in_full_and_books_anew() -> None:
    first = _post(_positions(), None)
    back, forth = _post(_positions(attribution=tenant("globex")), net(first), "reattributed")
    assert (back.attribution.tenant, back.amount, back.calls) == ("acme", -first[0].amount, -1)
    assert (forth.attribution.tenant, forth.amount, forth.calls) == ("globex", first[0].amount, 1)
    assert back.id == entry_id(_CHARGE, 1, 0)
    assert forth.id == entry_id(_CHARGE, 1, 1)


@pytest.mark.parametrize(
    ("dimension", "other"),
    [("service", "gateway"), ("operation", "embeddings"), ("quality", "estimated")],
)
def test_every_dimension_of_a_report_adds_up_after_an_enrichment(
    dimension: str, other: str
) -> None:
    (richer,) = _positions(parts={"cache_read": 400})
    first = _post(_positions(), None)
    changed: Any = {dimension: other}
    entries = first + _post((richer._replace(**changed),), net(first), "enriched")
    sums: dict[str, tuple[int, int]] = {}
    for entry in entries:
        calls, amount = sums.get(getattr(entry, dimension), (0, 0))
        sums[getattr(entry, dimension)] = calls + entry.calls, amount + entry.amount
    assert sums.pop(other) == (1, richer.amount)
    assert set(sums.values()) == {(0, 0)}


def test_price_that_lands_later_takes_the_unpriced_mark_away() -> None:
    first = _post(_positions(model="no-such-model"), None)
    assert (first[0].amount, first[0].unpriced) == (0, 1)
    entries = first + _post(_positions(), net(first), "rerated")
    assert sum(entry.unpriced for entry in entries) == 0
    assert sum(entry.calls for entry in entries) == 1


def test_charge_that_merged_away_nets_to_nothing() -> None:
    first = _post(_positions(), None)
    entries = first + _post((), net(first), "duplicate")
    booked = net(entries)
    assert booked is not None
    assert booked.positions == ()
    assert sum(entry.amount for entry in entries) == 0


def test_reconciled_entries_are_not_part_of_what_is_booked() -> None:
    first = _post(_positions(), None)
    variance = first[0]._replace(cause="reconciled", amount=5, revision=3)
    assert net([*first, variance]) == net(first)


def test_tenant_that_is_named_twice_has_one_share() -> None:
    shares = Attribution(None, "edge", "missing", shares=(("acme", 1), ("globex", 1), ("acme", 2)))
    once = _positions(attribution=shares, tokens=(1_001, 101))
    booked = net(_post(once, None))
    assert booked is not None
    assert [one.attribution.tenant for one in once] == ["acme", "globex"]
    assert sum(one.amount for one in once) == sum(
        one.amount for one in _positions(tokens=(1_001, 101))
    )
    assert not _post(once, booked)


def test_shares_split_exactly_and_count_once() -> None:
    shares = Attribution(None, "edge", "missing", shares=(("acme", 2), ("globex", 1)))
    entries = _post(_positions(attribution=shares, tokens=(1_001, 101)), None)
    whole = _positions(tokens=(1_001, 101))[0]
    assert [entry.attribution.tenant for entry in entries] == ["acme", "globex"]
    assert sum(entry.amount for entry in entries) == whole.amount
    assert sum(entry.usage["input"] for entry in entries) == whole.usage["input"]
    assert [entry.calls for entry in entries] == [1, 0]


_LINES = st.builds(
    lambda leaf, quantity, price: Line(
        "list",
        leaf,
        quantity,
        rate_of(price, 1_000_000),
        rate_of(price, 1_000_000).amount(quantity),
    ),
    st.sampled_from(["input", "output", "cache_read"]),
    st.integers(0, 10**9),
    st.sampled_from(["2.5", "0.15", "10"]),
)


def _position(
    lines: list[Line], who: str | None, reason: Reason | None, occurred_us: int, unpriced: int
) -> Position:
    usage = {"input": 5, "output": 3} if lines else {}
    return Position(
        occurred_us=occurred_us,
        attribution=tenant(who),
        service="shop",
        provider="openai",
        model="gpt-4o",
        operation="chat",
        currency="USD",
        reason=reason,
        quality="reported",
        book=None,
        calls=1,
        unpriced=unpriced,
        usage=usage,
        lines=tuple({(line.leaf, line.rate.unit_price): line for line in lines}.values()),
    )


_POSITIONS = st.builds(
    _position,
    st.lists(_LINES, max_size=3),
    st.sampled_from(["acme", "globex", None]),
    st.sampled_from([None, "unknown_model"]),
    st.sampled_from([1, 2]),
    st.integers(0, 1),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_POSITIONS.map(lambda one: (one,)) | st.just(()), min_size=1, max_size=6))
def test_net_of_entries_is_the_last_verdict(history: list[tuple[Position, ...]]) -> None:
    entries: list[Entry] = []
    for wanted in history:
        entries += _post(wanted, net(entries))
    booked = net(entries)
    left = booked.positions if booked else ()
    assert [(p.key, p.amount, p.calls, p.unpriced, dict(p.usage)) for p in left] == [
        (p.key, p.amount, p.calls, p.unpriced, dict(p.usage)) for p in history[-1]
    ]
    assert all(entry.amount == sum(line.amount for line in entry.lines) for entry in entries)
    assert len({entry.id for entry in entries}) == len(entries)


@settings(max_examples=100, deadline=None)
@given(_POSITIONS)
def test_an_entry_survives_being_written(position: Position) -> None:
    for entry in _post((position,), None):
        again = entry_of(entry_record(entry))
        assert again == entry
        assert type(again.amount) is int
