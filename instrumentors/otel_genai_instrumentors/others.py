"""Who else traces the calls of a library: the scopes that other instrumentations give their spans of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["OTHERS"]

OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": (
        "opentelemetry.instrumentation.openai_v2",
        "opentelemetry.instrumentation.genai.openai",
        "opentelemetry.util.genai.handler",
        "opentelemetry.instrumentation.openai",
        "opentelemetry.instrumentation.openai.v1",
        "openinference.instrumentation.openai",
        "openlit.instrumentation.openai",
        "langfuse-sdk",
    ),
    "google-genai": (
        "opentelemetry.instrumentation.google_genai",
        "opentelemetry.instrumentation.genai.google_genai",
        "opentelemetry.util.genai.handler",
        "opentelemetry.instrumentation.google_generativeai",
        "opentelemetry.instrumentation.vertexai",
        "openinference.instrumentation.google_genai",
        "openlit.instrumentation.google_ai_studio",
        "openlit.instrumentation.vertexai",
        "langfuse-sdk",
    ),
    "groq": (
        "opentelemetry.instrumentation.groq",
        "openinference.instrumentation.groq",
        "openlit.instrumentation.groq",
    ),
    "together": ("opentelemetry.instrumentation.together", "openlit.instrumentation.together"),
    "anthropic": (
        "com.anthropic.sdk.python",
        "com.anthropic.sdk.python.aws",
        "com.anthropic.sdk.python.bedrock",
        "com.anthropic.sdk.python.foundry",
        "com.anthropic.sdk.python.google_cloud",
        "com.anthropic.sdk.python.vertex",
        "opentelemetry.instrumentation.genai.anthropic",
        "opentelemetry.instrumentation.anthropic",
        "openinference.instrumentation.anthropic",
        "openlit.instrumentation.anthropic",
    ),
    "mistralai": (
        "mistralai_sdk_tracer",
        "opentelemetry.instrumentation.mistralai",
        "openinference.instrumentation.mistralai",
        "openlit.instrumentation.mistral",
    ),
    "cohere": (
        "opentelemetry.instrumentation.cohere",
        "openinference.instrumentation.cohere",
        "openlit.instrumentation.cohere",
    ),
    "ollama": (
        "opentelemetry.instrumentation.ollama",
        "openinference.instrumentation.ollama",
        "openlit.instrumentation.ollama",
    ),
    "botocore": (
        "opentelemetry.instrumentation.botocore.bedrock-runtime",
        "opentelemetry.instrumentation.genai.bedrock",
        "opentelemetry.instrumentation.bedrock",
        "openinference.instrumentation.bedrock",
        "openlit.instrumentation.bedrock",
    ),
    "litellm": (
        "openinference.instrumentation.litellm",
        "opentelemetry.instrumentation.litellm",
        "openlit.instrumentation.litellm",
    ),
}
