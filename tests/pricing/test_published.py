"""What providers themselves say an example costs, to the digits they print."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import pytest

from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.usage.leaves import partition

_AT: Final = "2026-11-20T12:00:00Z"
_OPENAI: Final = "https://platform.openai.com/docs/guides/image-generation#cost-and-latency"
_GOOGLE: Final = "https://ai.google.dev/gemini-api/docs/pricing"
_ANTHROPIC: Final = "https://platform.claude.com/docs/en/about-claude/pricing"
_DEEPSEEK: Final = "https://api-docs.deepseek.com/quick_start/pricing"


@pytest.fixture(scope="module")
def book() -> Book:
    return load_book()


@pytest.mark.parametrize(
    ("provider", "model", "output_total", "parts", "at", "printed", "source"),
    [
        ("openai", "gpt-image-1", 272, {"output_image": 272}, _AT, "0.011", _OPENAI),
        ("openai", "gpt-image-1", 1056, {"output_image": 1056}, _AT, "0.042", _OPENAI),
        ("openai", "gpt-image-1", 4160, {"output_image": 4160}, _AT, "0.166", _OPENAI),
        (
            *("google", "gemini-2.5-flash-image", 1290, {"output_image": 1290}),
            *("2026-09-01T12:00:00Z", "0.039", _GOOGLE),
        ),
        ("google", "gemini-3-pro-image", 1120, {"output_image": 1120}, _AT, "0.134", _GOOGLE),
        ("google", "gemini-3-pro-image", 2000, {"output_image": 2000}, _AT, "0.24", _GOOGLE),
        ("google", "gemini-2.5-flash", None, {"web_searches": 7}, _AT, "0.035", _GOOGLE),
        ("anthropic", "claude-opus-4-7", None, {"web_searches": 1000}, _AT, "10", _ANTHROPIC),
        (
            *("deepseek", "deepseek-v4-pro", 1_000_000, {}, "2026-11-20T10:00:00Z", "1.98"),
            _DEEPSEEK,
        ),
        (
            *("deepseek", "deepseek-v4-pro", 1_000_000, {}, "2026-11-20T09:59:59Z", "3.96"),
            _DEEPSEEK,
        ),
        (
            *("groq", "whisper-large-v3-turbo", None, {"media_ms": 3_600_000}, _AT, "0.04"),
            "https://console.groq.com/docs/model/whisper-large-v3-turbo",
        ),
        (
            *("mistral_ai", "mistral-ocr-2503", None, {"pages": 1000}, "2025-04-01T00:00:00Z", "1"),
            "https://mistral.ai/news/mistral-ocr/",
        ),
        (
            *("openai", "whisper-1", None, {"media_ms": 60_000}, _AT, "0.006"),
            "https://platform.openai.com/docs/pricing",
        ),
        (
            *("openai", "tts-1", None, {"characters": 1_000_000}, _AT, "15"),
            "https://platform.openai.com/docs/pricing",
        ),
    ],
)
def test_a_published_example_costs_what_the_provider_prints(
    book: Book,
    provider: str,
    model: str,
    output_total: int | None,
    parts: Mapping[str, int],
    at: str,
    printed: str,
    source: str,
) -> None:
    usage = partition(None, output_total, parts)
    cost = price(book, provider, model, usage, microseconds(at), {})
    assert cost.total_text is not None, source
    digits = Decimal(printed)
    assert Decimal(cost.total_text).quantize(digits, ROUND_HALF_UP) == digits, source


@pytest.mark.parametrize(
    ("model", "context", "leaf", "times"),
    [
        ("claude-opus-4-7", {}, "cache_read", "0.1"),
        ("claude-opus-5-5", {}, "cache_read", "0.05"),
        ("claude-fable-5-1", {}, "cache_read", "0.025"),
        ("claude-sonnet-4-5", {}, "cache_write_5m", "1.25"),
        ("claude-haiku-4-5", {}, "cache_write_1h", "2"),
        ("claude-sonnet-5", {"batch": True}, "input", "0.5"),
        ("claude-sonnet-5", {"batch": True}, "cache_write_5m", "0.625"),
        ("claude-opus-4-6", {"inference_geo": "us"}, "input", "1.1"),
        ("claude-opus-4-6", {"inference_geo": "us"}, "cache_read", "0.11"),
        ("claude-opus-4-8", {"speed": "fast"}, "input", "2"),
    ],
)
def test_anthropics_published_multiples_of_input_hold(
    book: Book, model: str, context: Mapping[str, Any], leaf: str, times: str
) -> None:
    at_us = microseconds(_AT)
    plain = price(book, "anthropic", model, partition(1_000_000, None, {}), at_us, {})
    parts = {} if leaf == "input" else {leaf: 1_000_000}
    one = price(book, "anthropic", model, partition(1_000_000, None, parts), at_us, context)
    assert Decimal(one.total_text or 0) == Decimal(plain.total_text or 0) * Decimal(times)
