"""The key that a stream is cut by, and the cell's way from a resource to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.journal.codec import decode, encode
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import completed, from_record, line_of, to_record
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.metering.origin import origin_of
from otel_genai_cost.streaming.partition import partition_key
from tests.ledger.build import observe


def _in_cell(cell: str, span: int = 1) -> Observation:
    one = observe(span)
    return one._replace(origin=one.origin._replace(cell=cell))


def test_a_resource_names_the_cell_and_no_cell_is_one() -> None:
    assert origin_of({"service.name": "shop", "genai_cost.cell": "eu-1"}).cell == "eu-1"
    assert origin_of({"service.name": "shop", "service.namespace": "eu"}).cell == ""
    assert len(origin_of({"genai_cost.cell": "x" * 999}).cell) == 256


def test_the_key_is_the_cell_or_the_trace_in_it() -> None:
    one = _in_cell("eu-1")
    assert partition_key(one, "cell") == "eu-1"
    assert partition_key(one, "trace") == f"eu-1|{one.trace_id}"
    assert partition_key(observe(1), "cell") == "|"


@pytest.mark.parametrize("cell", ["", "eu-1"])
@pytest.mark.parametrize("said_by", ["header", "line", "another"])
def test_a_line_and_its_header_carry_the_cell(cell: str, said_by: str) -> None:
    one = _in_cell(cell)
    other = one.origin._replace(cell="us-1")
    facts = {"header": {"origin": one.origin}, "line": {}, "another": {"origin": other}}[said_by]
    line = decode(line_of(one, facts))
    assert ("origin" in line) == (said_by != "header")
    record = completed(line, decode(encode(facts)))
    assert record.get("cell") == (cell or None)
    assert len(record["origin"]) == 5
    assert from_record(record).origin == one.origin
    assert sorted(record) == sorted(completed(decode(line_of(one)), {}))


def test_a_record_without_a_cell_is_what_it_was() -> None:
    one = observe(1)
    assert "cell" not in to_record(one)
    older = {**to_record(one), "origin": list(one.origin)[:5]}
    assert from_record(older).origin == one.origin


def test_a_ledger_keeps_the_cell(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    every = [_in_cell("eu-1", 1), _in_cell("", 2), _in_cell("us-1", 3)]
    with ledger.transaction():
        ledger.ingest([decode(encode(to_record(one))) for one in every], 1, 1)
    kept = [stored.observation for stored in ledger.observations.waiting(1 << 62, 9)]
    assert [(one.id, one.origin) for one in kept] == [(one.id, one.origin) for one in every]
    ledger.close()


def test_no_id_depends_on_the_cell() -> None:
    assert _in_cell("eu-1").id == _in_cell("").id
