"""The demo's verdict must be able to fail: one wrong digit anywhere is said."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.demo.receiver import otlp_json
from tests.demo.trace import read_spans, tree
from tests.demo.verdict import (
    Figures,
    arithmetic,
    billed,
    budget_problems,
    differences,
    of_charges,
    of_entries,
)


def _entry(**changes: Any) -> dict[str, Any]:
    line = {"leaf": "input", "quantity": 3, "unit_price": "0.15", "per": 1_000_000}
    entry = {
        "id": "e1",
        "tenant": "acme",
        "model": "gpt-4o-mini",
        "calls": 1,
        "unpriced": 0,
        "amount": "0.00000045",
        "lines": [{**line, "amount": "0.00000045"}],
    }
    return {**entry, **changes}


def test_equal_tables_have_no_differences() -> None:
    entries = [_entry(), _entry(tenant="globex")]
    assert differences("a", of_entries(entries), "b", of_charges(entries)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "0.000000450000000001"},
        {"calls": 2},
        {"unpriced": 1},
        {"tenant": "globex"},
        {"tenant": None},
        {"model": "gpt-4o"},
    ],
)
def test_any_wrong_figure_is_told(changes: dict[str, Any]) -> None:
    told = differences("a", of_entries([_entry()]), "b", of_charges([_entry(**changes)]))
    assert told


def test_an_entry_and_its_reversal_leave_nothing() -> None:
    assert of_entries([_entry(), _entry(calls=-1, amount="-0.00000045")]) == {}


def test_the_bill_counts_what_has_no_price() -> None:
    bill: list[dict[str, Any]] = [{"tenant": None, "model": "m"}, {"tenant": None, "model": "m"}]
    priced: list[dict[str, Any]] = [
        {"status": "priced", "total": "1.5"},
        {"status": "unpriced", "total": None},
    ]
    assert billed(bill, priced) == {("unattributed", "m"): Figures(2, 1, Decimal("1.5"))}


def test_a_receipt_that_does_not_re_add_is_told() -> None:
    assert arithmetic([_entry()]) == []
    assert len(arithmetic([_entry(amount="0.00000046")])) == 1
    wrong_line = {**_entry()["lines"][0], "quantity": 4}
    assert len(arithmetic([_entry(lines=[wrong_line])])) == 1


def test_received_spans_are_otlp_json_and_make_a_tree(tmp_path: Path) -> None:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    attribute = resource_spans.resource.attributes.add(key="service.name")
    attribute.value.string_value = "app"
    spans = resource_spans.scope_spans.add().spans
    parent = spans.add(trace_id=b"\x01" * 16, span_id=b"\x02" * 8, name="POST /ask", kind=2)
    parent.start_time_unix_nano, parent.end_time_unix_nano = 2**60, 2**60 + 4_000_000
    child = spans.add(trace_id=b"\x01" * 16, span_id=b"\x03" * 8, name="chat gpt-4o-mini")
    child.parent_span_id = b"\x02" * 8
    child.start_time_unix_nano, child.end_time_unix_nano = 2**60, 2**60 + 3_000_000
    for key, value in (
        ("tenant.id", "acme"),
        ("genai_cost.status", "priced"),
        ("genai_cost.total", "0.5"),
    ):
        child.attributes.add(key=key).value.string_value = value
    file = tmp_path / "spans.jsonl"
    file.write_text(otlp_json(request) + "\n")
    assert f'"traceId":"{"01" * 16}"' in file.read_text()
    assert f'"startTimeUnixNano":"{2**60}"' in file.read_text()
    assert '"kind":2' in file.read_text()
    first, second = tree(read_spans(file))
    assert first.startswith("POST /ask") and second.startswith("└─ chat gpt-4o-mini")
    assert second.endswith("acme         $0.5")


_STORY: dict[str, Any] = {"cap": "0.03", "raised": "0.05", "reviews": 2}
_CROSSED = "genai_cost.crossed"


@pytest.mark.parametrize(
    ("changes", "amounts", "told", "said"),
    [
        ({}, ["0.014", "0.015", "0.004"], [_CROSSED], ()),
        ({}, ["0.016", "0.015", "0.004"], [_CROSSED], ("cap of 0.03 was exceeded",)),
        ({}, ["0.014", "0.015", "0.04"], [_CROSSED], ("cap of 0.05 was exceeded",)),
        ({}, ["0.004", "0.005", "0.004"], [_CROSSED], ("declined at 0.009 of 0.03",)),
        ({}, ["0.014", "0.015"], [_CROSSED], ("did not go on",)),
        ({"reviews": 3}, ["0.010", "0.010", "0.009"], [_CROSSED], ("did not go on",)),
        ({}, ["0.014", "0.015", "0.004"], [], ("came 0 times",)),
        ({}, ["0.014", "0.015", "0.004"], [_CROSSED, _CROSSED], ("came 2 times",)),
    ],
)
def test_a_budget_that_does_not_hold_is_told(
    changes: dict[str, Any], amounts: list[str], told: list[str], said: tuple[str, ...]
) -> None:
    problems = budget_problems({**_STORY, **changes}, list(map(Decimal, amounts)), told)
    assert len(problems) == len(said)
    assert all(part in problem for part, problem in zip(said, problems, strict=True))
