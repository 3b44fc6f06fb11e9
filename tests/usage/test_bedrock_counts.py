"""Bedrock's ways of counting: Converse, the headers, the metrics of a stream, and the bodies of each model's maker."""

from __future__ import annotations

from typing import Any

import pytest

from otel_genai_cost.usage.counts import NO_COUNTS, Counts
from otel_genai_cost.usage.payload import payload_of
from otel_genai_cost.usage.token_headers import header_usage


def _headers(**counts: Any) -> dict[str, Any]:
    headers = {
        f"x-amzn-bedrock-{name.replace('_', '-')}-token-count": count
        for name, count in counts.items()
    }
    return {"ResponseMetadata": {"HTTPHeaders": headers}}


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"inputTokens": 61, "outputTokens": 9}, Counts(61, 9, {})),
        (
            {"inputTokenCount": 61, "outputTokenCount": 9, "cacheReadInputTokenCount": 1823},
            Counts(1884, 9, {"cache_read": 1823}),
        ),
        ({"inputTextTokenCount": 5}, Counts(5, None, {})),
        (
            {"inputTextTokenCount": 5, "results": [{"tokenCount": 3}, {"tokenCount": 4}]},
            Counts(5, 7, {}),
        ),
        ({"prompt_token_count": 5, "generation_token_count": 7}, Counts(5, 7, {})),
    ],
)
def test_counts_of_a_body(usage: dict[str, Any], counts: Counts) -> None:
    assert payload_of(usage).counts == counts


def test_headers_leave_the_cache_out_of_the_input() -> None:
    answer = _headers(input="61", output="9", cache_read_input="1823", cache_write_input="157")
    parts = {"cache_read": 1823, "cache_write": 157}
    assert payload_of(header_usage(answer)).counts == Counts(2041, 9, parts)
    assert payload_of(header_usage(_headers(input="61"))).counts == Counts(61, None, {})


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"ResponseMetadata": None},
        {"ResponseMetadata": {"HTTPHeaders": []}},
        _headers(output="9"),
        _headers(input="-1"),
        _headers(input="9" * 16),
        _headers(input=9),
        _headers(input="4.0"),
    ],
)
def test_headers_that_count_nothing(answer: dict[str, Any]) -> None:
    assert payload_of(header_usage(answer)).counts is NO_COUNTS
