"""The dialects by name and version, and the attributes each reads, or that only repeat what it reads."""

from __future__ import annotations

from typing import Final

from otel_genai_cost.usage.conventions import READS
from otel_genai_cost.usage.dialects import (
    claude_code,
    copilot,
    genai_cost,
    google_adk,
    openinference,
    openllmetry,
    pydantic_ai,
    vercel,
)
from otel_genai_cost.usage.instrumentations.row import Family

SEMCONV: Final = Family("semconv/1", READS)
GENAI_COST: Final = Family("genai-cost/1", READS | genai_cost.READS)
GOOGLE_GENAI: Final = Family("google-genai/1", READS)
OPENAI_V2: Final = Family("openai-v2/1", READS)
BOTOCORE: Final = Family("botocore/1", READS)
AWS_SDK: Final = Family("aws-sdk/1", READS)
ANTHROPIC_SDK: Final = Family("anthropic-sdk/1", READS)
MISTRAL_SDK: Final = Family("mistral-sdk/1", READS)
OPENLLMETRY: Final = Family("openllmetry/1", openllmetry.READS)
CLAUDE_CODE: Final = Family("claude-code/1", claude_code.READS)
COPILOT: Final = Family("copilot/1", READS | copilot.READS)
GOOGLE_ADK: Final = Family("google-adk/1", google_adk.READS)
OPENINFERENCE: Final = Family("openinference/1", READS | openinference.READS)
OPENLIT: Final = Family("openlit/1", READS | {"gen_ai.client.token.usage"})
LOGFIRE_AGENTS: Final = Family(
    "logfire-agents/1", READS | {"gen_ai.usage.raw", "usage", "response"}
)
LOGFIRE: Final = Family("logfire/1", READS | {"gen_ai.usage.raw", "response_data"})
PYDANTIC_AI: Final = Family("pydantic-ai/1", READS | pydantic_ai.READS)
LANGFUSE: Final = Family("langfuse/1", READS | {"langfuse.observation.usage_details"})
LITELLM: Final = Family("litellm/1", READS | {"metadata.usage_object"})
MLFLOW: Final = Family("mlflow/1", READS | {"mlflow.chat.tokenUsage"})
STRANDS: Final = Family("strands/1", READS)
LANGSMITH: Final = Family(
    "langsmith/1",
    READS
    | {
        "gen_ai.usage.input_token_details",
        "gen_ai.usage.output_token_details",
        "langsmith.metadata.usage_metadata",
        "langsmith.usage_metadata",
    },
)
GENKIT: Final = Family("genkit/1", READS)
VERCEL_AI_6: Final = Family("vercel-ai/6", READS | vercel.READS)
VERCEL_AI_7: Final = Family("vercel-ai/7", READS)
