"""Who else traces the calls of a library: the scopes that other instrumentations give their spans of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["OTHERS"]

_MLFLOW: Final = "mlflow.tracing.provider"
"""The scope of all that MLflow traces, on a provider that it shares with the application."""

OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "openai": (
        _MLFLOW,
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
        _MLFLOW,
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
        _MLFLOW,
        "opentelemetry.instrumentation.groq",
        "openinference.instrumentation.groq",
        "openlit.instrumentation.groq",
    ),
    "together": ("opentelemetry.instrumentation.together", "openlit.instrumentation.together"),
    "anthropic": (
        _MLFLOW,
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
        _MLFLOW,
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
        _MLFLOW,
        "opentelemetry.instrumentation.botocore.bedrock-runtime",
        "opentelemetry.instrumentation.genai.bedrock",
        "opentelemetry.instrumentation.bedrock",
        "openinference.instrumentation.bedrock",
        "openlit.instrumentation.bedrock",
    ),
    "litellm": (
        _MLFLOW,
        "openinference.instrumentation.litellm",
        "opentelemetry.instrumentation.litellm",
        "openlit.instrumentation.litellm",
    ),
}
