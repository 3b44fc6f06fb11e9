"""Recordings without what was said in them, which are read as before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.otlp.json_request import json_request
from otel_genai_cost.replay.batch import Replayed
from otel_genai_cost.replay.corpus import billed_by, case_of, redacted
from otel_genai_cost.usage.read import Reading
from tests.conformance.recorded import cases, replayed
from tests.ledger.build import BOOK
from tests.replay.otlp import chat, request, span


def _told(found: list[Replayed]) -> list[tuple[str, int | None, Reading]]:
    """What became of the spans, but for whom they were and for the raw attributes."""
    return [
        (one.kind, one.rule, one.observation.reading._replace(raw=None, tenant=None, labels={}))
        for one in sorted(found, key=lambda one: one.observation.id)
    ]


def test_no_reading_of_the_corpus_needs_what_was_said() -> None:
    """A fifth of all cases, from every instrumentation."""
    for case in list(cases())[::5]:
        spans = json_request(case.otlp).spans
        line = case_of(case.case_id.lower(), spans, list(map(dict, case.billable)))
        without = case._replace(otlp=line["otlp"])
        assert _told(replayed(without, BOOK)) == _told(replayed(case, BOOK))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("gen_ai.response.id", "chatcmpl-1", "chatcmpl-1"),
        ("gen_ai.prompt.0.content", "hello", "redacted"),
        ("input.value", "tell me a secret", "redacted"),
        (
            "input.value",
            '{"content": "secret", "model": "gpt-4o"}',
            '{"content": "redacted", "model": "gpt-4o"}',
        ),
        ("output.value", "[system] you are kind", "redacted"),
        ("usage_object", "{'text': 'hi', 'tokens': 5}", "{'text': 'redacted', 'tokens': 5}"),
        ("usage_object", "{'a': __import__('os')}", "redacted"),
        ("gen_ai.usage.prompt_tokens", 5, 5),
        ("tags", ("a", "two words"), ["a", "redacted"]),
        ("image", b"\x00", "redacted"),
    ],
)
def test_what_was_said_goes_and_what_counts_stays(
    name: str, value: object, expected: object
) -> None:
    assert redacted(value, name) == expected


def test_resource_tells_nobody_s_host() -> None:
    resource = {
        "host.name": "db.internal",
        "service.name": "shop",
        "telemetry.sdk.name": "opentelemetry",
    }
    spans = json_request(request(span(1, chat()), resource=resource)).spans
    text = json.dumps(case_of("mine/openai-chat", spans, []))
    assert "internal" not in text and "shop" not in text and "opentelemetry" in text


@pytest.mark.parametrize("case_id", ["mine", "Mine/chat", "../etc/passwd", "mine/"])
def test_case_has_a_name_of_two_parts(case_id: str) -> None:
    with pytest.raises(ConfigurationError, match="not a case"):
        case_of(case_id, [], [])


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {
                "usage": {
                    "prompt_tokens": 9,
                    "completion_tokens": 4,
                    "prompt_tokens_details": {"cached_tokens": 3},
                    "completion_tokens_details": {"reasoning_tokens": 2},
                }
            },
            {"input_total": 9, "output_total": 4, "cache_read": 3, "reasoning": 2},
        ),
        (
            {
                "input_tokens": 9,
                "output_tokens": 4,
                "cache_creation": {"ephemeral_1h_input_tokens": 5},
                "cache_creation_input_tokens": 5,
            },
            {"input_total": 14, "output_total": 4, "cache_write_1h": 5, "cache_write": 5},
        ),
        ({"input_total": 1, "output_total": 2}, {"input_total": 1, "output_total": 2}),
    ],
)
def test_a_provider_s_own_usage_is_what_it_billed(
    usage: dict[str, Any], expected: dict[str, int]
) -> None:
    found = billed_by(usage)
    assert {key: n for key, n in found.items() if n} == expected


def test_what_is_no_usage_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no usage object"):
        billed_by({"answer": 42})
