"""Usage objects that only one provider writes, read as its own documentation means them."""

from __future__ import annotations

from typing import Any

import pytest

from otel_genai_cost.usage.leaves import Usage, partition
from otel_genai_cost.usage.payload import payload_of, response_of


def _usage(reported: dict[str, Any]) -> Usage:
    return partition(*payload_of(reported).counts)


@pytest.mark.parametrize(
    ("reported", "leaves"),
    [
        pytest.param(
            {"billed_units": {"input_tokens": 50.0, "output_tokens": 0.0}},
            {"input": 50, "output": 0},
            id="cohere, billed alone",
        ),
        pytest.param(
            {
                "billed_units": {"input_tokens": 50.0, "output_tokens": 20.0},
                "tokens": {"input_tokens": 107.0, "output_tokens": 21.0},
            },
            {"input": 107, "output": 21},
            id="cohere, with its tokens",
        ),
        pytest.param({"billed_units": {"search_units": 2.0}}, {"requests": 2}, id="cohere rerank"),
        pytest.param(
            {"billed_units": {"classifications": 3}}, {"requests": 3}, id="cohere classify"
        ),
        pytest.param({"billed_units": {"pages": 4}}, {"pages": 4}, id="cohere parse"),
        pytest.param(
            {"billed_units": {"image_tokens": 300}},
            {"input": 0, "input_image": 300},
            id="cohere, an image alone",
        ),
        pytest.param(
            {"prompt_eval_count": 26, "eval_count": 12}, {"input": 26, "output": 12}, id="ollama"
        ),
        pytest.param(
            {"prompt_eval_count": 26, "prompt_eval_cached_count": 20, "eval_count": 12},
            {"input": 6, "cache_read": 20, "output": 12},
            id="ollama, which counts the cached part of a prompt into it",
        ),
        pytest.param({"eval_count": 12}, {"output": 12}, id="ollama before 2024-07, cached"),
        pytest.param({"pages_processed": 3, "doc_size_bytes": 9}, {"pages": 3}, id="mistral ocr"),
        pytest.param(
            {"prompt_audio_seconds": 203}, {"media_ms": 203_000}, id="mistral transcription"
        ),
        pytest.param(
            {"prompt_tokens": 4, "completion_tokens": 9, "prompt_audio_seconds": 20},
            {"input": 4, "output": 9, "media_ms": 20_000},
            id="mistral chat about audio",
        ),
        pytest.param(
            {
                "prompt_tokens": 188,
                "completion_tokens": 55,
                "total_tokens": 7355,
                "connector_tokens": 7112,
                "connectors": {"web_search": 1},
            },
            {"input": 7300, "output": 55, "web_searches": 1},
            id="mistral conversation, whose connectors brought text",
        ),
        pytest.param(
            {
                "prompt_tokens": 7300,
                "completion_tokens": 55,
                "total_tokens": 7355,
                "connector_tokens": 7112,
            },
            {"input": 7300, "output": 55},
            id="what is in the total of the prompt is counted once",
        ),
    ],
)
def test_leaves(reported: dict[str, Any], leaves: dict[str, int]) -> None:
    assert dict(_usage(reported).leaves) == leaves


def test_a_connector_without_a_leaf_makes_the_usage_short() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "connectors": {"code_interpreter": 1}}
    assert payload_of(usage).is_short
    assert not payload_of({**usage, "connectors": {"web_search": 1}}).is_short


def test_pages_stand_in_a_response_under_their_own_key() -> None:
    found = response_of({"model": "mistral-ocr-2512", "usage_info": {"pages_processed": 3}})
    assert (found.model, found.counts.parts) == ("mistral-ocr-2512", {"pages": 3})
