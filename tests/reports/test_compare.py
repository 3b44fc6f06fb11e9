"""Why another tool's figure differs: the mistake is found, and the differences re-add."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.reports.compare import CAUSES, Story, causes_of, summary
from otel_genai_cost.reports.foreign import (
    against_spans,
    against_statements,
    amount_of,
    read_statements,
)
from otel_genai_cost.usage.leaves import partition
from tests.ledger.build import BOOK, START_US, observe


def _story(one: Observation, *others: Observation) -> Story:
    return Story(one.id, one, (one, *others), one.cost.total)


def _priced(one: Observation, **changes: Any) -> Observation:
    """An observation of a provider's response with other parts or conditions."""
    reading = one.reading._replace(**changes)
    model = reading.model_returned
    cost = price(BOOK, reading.provider, model, reading.usage, one.end_us, reading.context)
    return one._replace(reading=reading, cost=cost)


def _causes(story: Story, *figures: str) -> dict[str, int]:
    compared = causes_of(story, "tool", [parse_money(one) for one in figures], BOOK)
    assert sum(amount for _, amount in compared.causes) == sum(map(parse_money, figures)) - (
        compared.ours or 0
    )
    assert all(cause in CAUSES for cause, _ in compared.causes)
    return dict(compared.causes)


# gpt-4o since 2024-10: 2.50 a million input tokens, 1.25 cached, 10.00 output (OpenAI's price list)
CACHED = observe(1, parts={"cache_read": 800})


def test_same_figure_agrees_and_a_rounded_one_is_rounding() -> None:
    assert _causes(_story(CACHED), "0.0025") == {"agree": 0}
    assert list(_causes(_story(CACHED), "0.002500000000001")) == ["rounding"]


def test_cache_reads_at_full_price() -> None:
    assert _causes(_story(CACHED), "0.0035") == {"reads_as_input": parse_money("0.001")}


def test_cached_tokens_counted_twice() -> None:
    assert _causes(_story(CACHED), "0.0045") == {"cache_twice": parse_money("0.002")}


def test_tier_left_out() -> None:
    flex = _priced(observe(1, model="o4-mini-2025-04-16"), context={"service_tier": "flex"})
    standard = _priced(flex, context={})
    assert flex.cost.total is not None
    assert standard.cost.total is not None
    found = causes_of(_story(flex), "tool", [standard.cost.total], BOOK)
    assert found.causes == (("tier", standard.cost.total - flex.cost.total),)


def test_two_mistakes_at_once() -> None:
    usage = partition(1_000, 100, {"cache_read": 800, "reasoning": 60})
    story = _story(_priced(CACHED, usage=usage))
    # reads at 2.50 and no reasoning: 1,000 * 2.50 + 40 * 10.00 a million
    assert _causes(story, "0.0029") == {
        "reads_as_input": parse_money("0.001"),
        "reasoning_left_out": -parse_money("0.0006"),
    }


def test_unknown_model_at_zero_and_no_figure_at_all() -> None:
    assert _causes(_story(CACHED), "0") == {"zero": -parse_money("0.0025")}
    assert _causes(_story(CACHED)) == {"only_ours": -parse_money("0.0025")}


def test_figures_on_two_spans_are_a_double_count() -> None:
    assert _causes(_story(CACHED), "0.0025", "0.0025") == {
        "double_count": parse_money("0.0025"),
        "agree": 0,
    }


def test_what_we_do_not_price_and_what_nobody_can_explain() -> None:
    unknown = observe(1, model="no-such-model")
    assert _causes(_story(unknown), "0.5") == {"unpriced_here": parse_money("0.5")}
    assert _causes(_story(CACHED), "0.123") == {"other": parse_money("0.1205")}


def test_spans_are_compared_by_tool_and_wrappers_are_repeated() -> None:
    def told(one: Observation, cost: str, dialect: str) -> Observation:
        return one._replace(reading=one.reading._replace(foreign_cost=cost), dialect=dialect)

    client = told(CACHED, "0.0025", "openlit/1")
    framework = told(observe(2), "0.0035", "logfire/5")
    agent = told(observe(3, role="aggregate"), "0.0025", "openlit/1")
    stories = [_story(client, framework), Story(None, agent, (agent,), None)]
    logfire, openlit = summary(against_spans(stories, BOOK))
    assert (logfire.tool, list(logfire.causes)) == ("logfire", ["reads_as_input"])
    assert (openlit.theirs, openlit.ours) == (parse_money("0.005"), parse_money("0.0025"))
    assert openlit.causes == {"repeated_above": (1, parse_money("0.0025")), "agree": (1, 0)}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("0.1", "0.1"),
        (0.0075450000000000005, "0.007545"),
        ("1.5e-06", "0.0000015"),
        (0, "0"),
    ],
)
def test_foreign_amounts_are_floats_and_text(told: object, expected: str) -> None:
    assert amount_of(told) == parse_money(expected)


@pytest.mark.parametrize("told", [None, True, "", "cheap", "nan", "inf", "1e400", "9" * 100])
def test_what_is_no_amount_is_none(told: object) -> None:
    assert amount_of(told) is None


_SPENT = {
    "request_id": "chatcmpl-1",
    "spend": 0.0035,
    "prompt_tokens": 1_000,
    "completion_tokens": 100,
    "model": "gpt-4o",
    "startTime": "2026-11-18T11:06:40.000Z",
    "endTime": "2026-11-18 11:06:41.5",
}


def _file(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    path = folder / name
    if path.suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        path.write_text("\n".join(lines))
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize("name", ["logs.json", "logs.jsonl", "logs.csv"])
def test_spend_logs_are_matched_by_response_id_else_by_input_and_time(
    name: str, tmp_path: Path
) -> None:
    rows = [
        _SPENT,
        {**_SPENT, "request_id": "rewritten", "spend": 0.0025},
        {**_SPENT, "request_id": "stranger", "prompt_tokens": 7, "spend": 1},
    ]
    statements = read_statements(_file(tmp_path, name, rows), "litellm")
    assert statements[0].start_us == 1_795_000_000_000_000 == START_US
    by_id = observe(1, response_id="chatcmpl-1")
    alike = observe(2, trace=2, response_id="msg-2")
    absent = observe(3, trace=3, tokens=(5, 5))
    later = observe(4, trace=4, start_s=9_000, end_s=9_001)
    stories = [_story(one) for one in (alike, absent, by_id, later)]
    found = list(against_statements(stories, statements, "litellm", BOOK))
    told = {one.charge_id: one.causes[0][0] for one in found}
    assert told == {
        by_id.id: "agree",
        alike.id: "other",
        absent.id: "only_ours",
        None: "only_theirs",
    }


@pytest.mark.parametrize(
    "row",
    [
        {"id": "0000000000000001", "traceId": f"{1:032x}", "calculatedTotalCost": 0.0025},
        {"id": "0000000000000001", "trace_id": f"{1:032x}", "total_cost": "0.0025"},
        {"id": "0000000000000001", "traceId": f"{1:032x}", "costDetails": {"total": 0.0025}},
        {"id": "0000000000000001", "traceId": f"{1:032x}", "cost_details": '{"total": 0.0025}'},
    ],
)
def test_langfuse_exports_are_matched_by_span(row: dict[str, Any], tmp_path: Path) -> None:
    folder = _file(tmp_path, "export.json", [row, {"id": "1", "traceId": "2", "type": "SPAN"}])
    statements = read_statements(folder, "langfuse")
    (found,) = against_statements([_story(CACHED)], statements, "langfuse", BOOK)
    assert found.causes == (("agree", 0),)


@pytest.mark.parametrize("text", ["{", '[{"a": 1}]', '{"a": 1}'])
def test_file_that_is_no_export_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "logs.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"logs\.json"):
        read_statements(tmp_path / "logs.json", "litellm")
