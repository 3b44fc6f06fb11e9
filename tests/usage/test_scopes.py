"""Which dialect reads which instrumentation, and what counts as GenAI when a span starts."""

from __future__ import annotations

import pytest

from otel_genai_cost.usage.scopes import DIALECTS, Row, dialect_of, is_genai


@pytest.mark.parametrize("row", DIALECTS, ids=lambda row: row.scope)
def test_every_row_of_the_table_is_found_by_its_scope(row: Row) -> None:
    scope = f"{row.scope}openai" if row.scope.endswith(".") else row.scope
    assert dialect_of(scope, "1.0") is row.dialect
    assert row.dialect.recognised


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
