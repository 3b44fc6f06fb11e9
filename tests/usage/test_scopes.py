"""Which dialect reads which instrumentation, and what counts as GenAI when a span starts."""

from __future__ import annotations

import pytest

from otel_genai_cost.usage.instrumentations import DIALECTS, Row
from otel_genai_cost.usage.scopes import dialect_of, is_genai


@pytest.mark.parametrize("row", DIALECTS, ids=lambda row: row.scope)
def test_every_row_of_the_table_is_found_by_its_scope(row: Row) -> None:
    scope = f"{row.scope}something" if row.scope.endswith((".", "-")) else row.scope
    dialect = dialect_of(scope, "1.0")
    assert (dialect.label, dialect.recognised) == (row.label, True)


def test_the_longest_scope_wins() -> None:
    assert dialect_of("logfire.openai_agents", "5").label == "logfire-agents/1"
    assert dialect_of("logfire.openai", "5").label == "logfire/1"


def test_an_unknown_scope_is_read_by_the_conventions_and_not_recognised() -> None:
    dialect = dialect_of("some.instrumentation", "0.1")
    assert (dialect.label, dialect.recognised) == ("semconv-fallback/1", False)


@pytest.mark.parametrize(
    ("name", "attributes", "expected"),
    [
        ("chat gpt-4o", None, True),
        ("openai.chat", {}, True),
        ("anything", {"gen_ai.operation.name": "chat"}, True),
        ("anything", {"openinference.span.kind": "LLM"}, True),
        ("GET /chat", {"http.request.method": "GET"}, False),
        ("chatty", None, False),
    ],
)
def test_a_starting_span_is_told_by_its_attributes_or_its_name(
    name: str, attributes: dict[str, object] | None, expected: bool
) -> None:
    assert is_genai(name, attributes) is expected
