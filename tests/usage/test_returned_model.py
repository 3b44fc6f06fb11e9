"""Which of a call's two names of its model finds the price."""

from __future__ import annotations

import pytest

from tests.usage.judge import reading_of
from tests.usage.recorded import span_with

_ANSWERED = "claude-sonnet-4-5-20250929"
_PROFILE = "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"


@pytest.mark.parametrize(
    ("provider", "asked", "answered", "returned"),
    [
        ("aws.bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", _ANSWERED, None),
        ("aws.bedrock", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", _ANSWERED, None),
        ("aws.bedrock", _PROFILE, _ANSWERED, _ANSWERED),
        ("aws.bedrock", "claude-sonnet-4-5", _ANSWERED, _ANSWERED),
        ("anthropic", "claude-sonnet-4-5", _ANSWERED, _ANSWERED),
    ],
)
def test_on_bedrock_the_id_that_was_asked_for_counts(
    provider: str, asked: str, answered: str, returned: str | None
) -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": asked,
        "gen_ai.response.model": answered,
        "gen_ai.usage.input_tokens": 1,
    }
    reading = reading_of(span_with(attributes, scope="com.anthropic.sdk.python"))
    assert reading is not None
    assert (reading.model_requested, reading.model_returned) == (asked, returned)
