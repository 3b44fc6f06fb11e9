"""Names of attributes as they were seen in the wild, as data: what counts as usage, under which names, and what only
looks like it."""

from __future__ import annotations

import re
from typing import Final

from otel_genai_cost.usage.counts import Spelling

__all__ = ["HARMLESS", "LOOKS_LIKE_USAGE", "TOTALS", "WILD"]

LOOKS_LIKE_USAGE: Final = re.compile(
    r"token|cach|reasoning|thought|thinking|audio|(?<![A-Za-z])search|(?-i:Search)|credit|cost|spend|spent"
    r"|usage|billed|billing|(?<![a-z])aiu|units|price|charge",
    re.IGNORECASE,
)
"""Parts of the names that usage and cost have. The search ends at words: `research` is none."""

HARMLESS: Final = re.compile(
    "|".join(
        (
            r"^genai_cost\.|^tenant\.|^(?:http|url|net|network|db|rpc|server|client|code|thread|process|faas|cloud)\.",
            # what was asked for, and limits
            r"max|limit|budget|remaining|quota|reset|threshold|allowance|effort|window|context_length",
            r"\.request\.|requested|invocation_param|settings|config|cache_control|cache_point|retention",
            # speeds and times
            r"time|latency|duration|per_?(?:second|token|minute|million)|PerSecond|ttl|_ms$|_us$|_ns$|first_?token",
            # names and keys
            r"hit_ratio|tokenizer|token_type|_id$|\.id$|hash|_key$|cache_key|api_key|header|alias|version|finish|format|mode$",
            # figures of other libraries, and of accounts rather than of the call
            r"gen_ai\.usage\.cost(?:\.|$)|gen_ai\.cost\.|llm\.cost\.|litellm\.cost\.|operation\.cost$|mlflow\.llm\.cost$",
            r"cost_details|response_cost|user_api_key_|cost_?cent|unit_cost|discount|margin",
            # content
            r"messages?(?:\.|$)|\.content(?:\.|$)|(?:^|\.)(?:prompt|completion)s?\.\d+\.|\.tools?\.|tool_call|^input\.|^output\.",
            # text is what is left of totals, predictions are part of the output, which costs the same
            r"text\.cache_read|text[._]?(?:input_|output_)?tokens?|textTokens|noCacheTokens|prediction_tokens|predictionTokens",
        )
    ),
    re.IGNORECASE,
)
"""Names that look like usage and are none that anybody is billed for."""

TOTALS: Final = (
    "gen_ai.usage.total_tokens",
    "llm.usage.total_tokens",
    "llm.token_count.total",
    "ai.usage.totalTokens",
    "gen_ai.usage.totalTokens",
    "gen_ai.usage.total_token_count",
    "total_tokens",
)
"""Under which names input and output together are reported."""


def _each(leaf: str, *names: str) -> dict[str, str]:
    return dict.fromkeys(names, leaf)


_USAGE: Final = "gen_ai.usage."
WILD: Final = Spelling(
    (
        _USAGE + "input_tokens",
        _USAGE + "prompt_tokens",
        _USAGE + "inputTokens",
        _USAGE + "promptTokens",
        _USAGE + "prompt_token_count",
        "llm.usage.prompt_tokens",
        "llm.usage.input_tokens",
        "llm.token_count.prompt",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "input_tokens",
        "prompt_tokens",
    ),
    (
        _USAGE + "output_tokens",
        _USAGE + "completion_tokens",
        _USAGE + "outputTokens",
        _USAGE + "completionTokens",
        _USAGE + "candidates_token_count",
        "llm.usage.completion_tokens",
        "llm.usage.output_tokens",
        "llm.token_count.completion",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
        "output_tokens",
        "completion_tokens",
    ),
    {
        **_each(
            "cache_read",
            _USAGE + "cache_read.input_tokens",
            _USAGE + "cache_read_input_tokens",
            _USAGE + "cache_read_tokens",
            _USAGE + "cached_input_tokens",
            _USAGE + "input_cached_tokens",
            _USAGE + "cached_tokens",
            _USAGE + "input_tokens.cached",
            _USAGE + "input_tokens.cache_read",
            _USAGE + "input_tokens.cache_read_tokens",
            _USAGE + "prompt_tokens.cached",
            _USAGE + "prompt_cached_tokens",
            _USAGE + "prompt_tokens_cached",
            _USAGE + "input_tokens_cached",
            _USAGE + "prompt_tokens_details.cached_tokens",
            _USAGE + "input_tokens_details.cached_tokens",
            _USAGE + "input_token_details.cache_read",
            _USAGE + "prompt_token_details.cached_tokens",
            _USAGE + "details.cache_read_tokens",
            _USAGE + "details.cached_tokens",
            _USAGE + "cached_content_token_count",
            _USAGE + "cachedInputTokens",
            _USAGE + "cacheReadInputTokens",
            _USAGE + "cache.read_tokens",
            "llm.usage.cache_read_input_tokens",
            "llm.usage.cached_tokens",
            "llm.usage.prompt_tokens_details.cached_tokens",
            "llm.token_count.prompt_details.cache_read",
            "ai.usage.cachedInputTokens",
            "cache_read_input_tokens",
            "cache_read_tokens",
            "cached_input_tokens",
            "cached_tokens",
        ),
        **_each(
            "cache_write",
            _USAGE + "cache_write.input_tokens",
            _USAGE + "cache_creation.input_tokens",
            _USAGE + "cache_creation_input_tokens",
            _USAGE + "cache_write_input_tokens",
            _USAGE + "cache_creation_tokens",
            _USAGE + "cache_write_tokens",
            _USAGE + "input_tokens.cache_write",
            _USAGE + "input_tokens.cache_creation",
            _USAGE + "prompt_tokens_details.cache_write_tokens",
            _USAGE + "prompt_tokens_details.cache_creation_tokens",
            _USAGE + "input_token_details.cache_creation",
            _USAGE + "details.cache_write_tokens",
            _USAGE + "cacheWriteInputTokens",
            _USAGE + "cache.write_tokens",
            "llm.usage.cache_creation_input_tokens",
            "llm.token_count.prompt_details.cache_write",
            "cache_creation_input_tokens",
            "cache_write_input_tokens",
            "cache_creation_tokens",
            "cache_write_tokens",
        ),
        **_each(
            "reasoning",
            _USAGE + "reasoning.output_tokens",
            _USAGE + "reasoning_tokens",
            _USAGE + "output_tokens.reasoning",
            _USAGE + "reasoning_output_tokens",
            _USAGE + "output_reasoning_tokens",
            _USAGE + "output_tokens_details.reasoning_tokens",
            _USAGE + "completion_tokens_details.reasoning_tokens",
            _USAGE + "completion_tokens.reasoning",
            _USAGE + "details.reasoning_tokens",
            _USAGE + "output_token_details.reasoning",
            _USAGE + "reasoningTokens",
            _USAGE + "thinking_tokens",
            _USAGE + "thoughts_tokens",
            _USAGE + "thoughts_token_count",
            "llm.usage.reasoning_tokens",
            "llm.token_count.completion_details.reasoning",
            "ai.usage.reasoningTokens",
            "reasoning_tokens",
        ),
        **_each(
            "input_audio",
            _USAGE + "audio.input_tokens",
            _USAGE + "input_audio_tokens",
            _USAGE + "input_tokens.audio",
            _USAGE + "audio_input_tokens",
            _USAGE + "prompt_tokens_details.audio_tokens",
            _USAGE + "input_tokens_details.audio_tokens",
            "llm.token_count.prompt_details.audio",
        ),
        **_each(
            "output_audio",
            _USAGE + "audio.output_tokens",
            _USAGE + "output_audio_tokens",
            _USAGE + "output_tokens.audio",
            _USAGE + "audio_output_tokens",
            _USAGE + "completion_tokens_details.audio_tokens",
            _USAGE + "output_tokens_details.audio_tokens",
            "llm.token_count.completion_details.audio",
        ),
        **_each("input_image", _USAGE + "image.input_tokens"),
        **_each("input_video", _USAGE + "video.input_tokens"),
        **_each("output_image", _USAGE + "image.output_tokens"),
        **_each("cache_read_audio", _USAGE + "audio.cache_read.input_tokens"),
        **_each(
            "web_searches",
            _USAGE + "web_searches",
            _USAGE + "web_search_requests",
            _USAGE + "server_tool_use.web_search_requests",
            _USAGE + "num_search_queries",
        ),
    },
)
"""Spellings of instrumentations without a dialect, each meaning one thing; of one leaf's names the first holds."""
