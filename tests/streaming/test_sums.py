"""Sums of 64 bits: what is added in parts is the amount, whatever its size and sign."""

from __future__ import annotations

import random
from collections import Counter
from typing import Final

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.streaming.sums import read_sums, sums_of
from tests.exporters.entries import entries

_WINDOW_US = 60_000_000


_ONE: Final = entries(1)[0]


def _entries(seed: int) -> list[Entry]:
    draw = random.Random(seed)
    return [
        _ONE._replace(
            occurred_us=draw.randrange(4) * _WINDOW_US + draw.randrange(_WINDOW_US),
            amount=draw.choice((-1, 1)) * draw.randrange(10 ** draw.randrange(1, 30)),
            calls=draw.choice((-1, 0, 1)),
            unpriced=draw.choice((-1, 0, 1)),
        )
        for _ in range(200)
    ]


def test_parts_add_up_to_the_amount() -> None:
    for seed in range(20):
        every = _entries(seed)
        added: dict[int, Counter[str]] = {}
        for entry in every:  # each by itself, as commits come
            for window_us, fields in sums_of([entry], _WINDOW_US).items():
                assert all(abs(number) < 10**9 for number in fields.values())
                added.setdefault(window_us, Counter()).update(fields)
        for one in read_sums(added.items()):
            of = [e for e in every if e.occurred_us // _WINDOW_US == one.window_us // _WINDOW_US]
            assert one.amount == sum(e.amount for e in of)
            assert one.calls == sum(e.calls for e in of)
            assert one.unpriced == sum(e.unpriced for e in of)
        assert sum(one.amount for one in read_sums(added.items())) == sum(e.amount for e in every)


def test_nobodys_calls_are_apart_from_a_tenant_of_no_name() -> None:
    nobody = _ONE._replace(attribution=_ONE.attribution._replace(tenant=None))
    named = _ONE._replace(attribution=_ONE.attribution._replace(tenant=""))
    found = read_sums(sums_of([nobody, named], _WINDOW_US).items())
    assert [one.tenant for one in found] == [None, ""] or [one.tenant for one in found] == [
        "",
        None,
    ]
