"""A model is counted under one name, whichever of its names a call has."""

from __future__ import annotations

import pytest

from otel_genai_cost.limits.model_name import undated


@pytest.mark.parametrize(
    ("names", "model"),
    [
        (("gpt-4o", "gpt-4o-2024-08-06", "openai/GPT-4o", "gpt-4o-latest"), "gpt-4o"),
        (("gpt-4o-mini", "gpt-4o-mini-2024-07-18"), "gpt-4o-mini"),
        (("gpt-3.5-turbo-0125", "gpt-3.5-turbo"), "gpt-3.5-turbo"),
        (("claude-sonnet-4-5", "claude-sonnet-4-5-20250929"), "claude-sonnet-4-5"),
        (("claude-opus-4-1",), "claude-opus-4-1"),
        (("claude-3-5-sonnet@20240620",), "claude-3-5-sonnet"),
        (
            ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-haiku"),
            "anthropic.claude-3-haiku",
        ),
        (("models/gemini-2.5-flash", "gemini-2.5-flash"), "gemini-2.5-flash"),
        (("mistral-large-latest", "mistral-large-2411"), "mistral-large"),
        (("command-r-08-2024", "command-r"), "command-r"),
        (("llama3.2:latest", "llama3.2"), "llama3.2"),
        (("deepseek-v3", "o1", "-2024", "2024-08-06/"), None),
    ],
)
def test_a_model_and_its_releases_have_one_name(names: tuple[str, ...], model: str | None) -> None:
    assert [undated(name) for name in names] == [model or name for name in names]
