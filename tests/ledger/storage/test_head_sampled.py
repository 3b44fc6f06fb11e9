"""Which calls a ledger knows by a sample alone: whatever the order in which copies of a span come."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.ledger.storage.store import Ledger
from tests.ledger.build import observe

_EVER = (0, 1 << 62)


def _record(number: int, threshold: str | None = "c") -> dict[str, Any]:
    one = observe(number, trace=number, start_s=number, end_s=number + 1)
    return to_record(one._replace(threshold=threshold))


def _ledger(path: Path, *batches: list[dict[str, Any]]) -> Ledger:
    ledger = Ledger(path)
    for batch in batches:
        with ledger.transaction():
            ledger.ingest(batch, 1, 0)
    return ledger


@pytest.mark.parametrize("parts", [1, 2])
def test_a_call_of_which_the_application_has_a_copy_is_no_sample(
    tmp_path: Path, parts: int
) -> None:
    found = [_record(1), _record(1, None), _record(2)]
    for number, order in enumerate(itertools.permutations(found)):
        batches = [list(order)] if parts == 1 else [[*order[:1]], [*order[1:]]]
        copies = [[dict(record) for record in batch] for batch in batches]
        ledger = _ledger(tmp_path / f"{number}.sqlite", *copies)
        assert ledger.head_sampled.between(*_EVER) == {"shop": 1}
        ledger.close()


def test_the_time_is_that_of_the_end(tmp_path: Path) -> None:
    first, second = _record(1), _record(2)
    ledger = _ledger(tmp_path / "ledger.sqlite", [dict(first), dict(second), dict(second)])
    assert ledger.head_sampled.between(first["end_us"], second["end_us"]) == {"shop": 1}
    assert ledger.head_sampled.between(first["end_us"], second["end_us"] + 1) == {"shop": 2}
    ledger.close()


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    odd = [
        {**_record(1), "end_us": 1 << 70},
        {**_record(2), "end_us": "soon"},
        {**_record(3), "origin": None},
        {**_record(4), "origin": [7]},
        {"threshold": "c"},
    ]
    ledger = _ledger(tmp_path / "ledger.sqlite", odd)
    assert ledger.head_sampled.between(*_EVER) == {"": 2}
    ledger.close()


def test_ledger_without_one_has_no_table(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path / "ledger.sqlite", [_record(1, None)])
    assert ledger.head_sampled.between(*_EVER) == {}
    ledger.close()
