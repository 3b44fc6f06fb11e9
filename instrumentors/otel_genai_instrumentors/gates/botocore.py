"""Before the calls of Amazon Bedrock: Converse has one limit for all models, InvokeModel each model's own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from otel_genai_instrumentors.bedrock_requests import body
from otel_genai_instrumentors.gated_method import (
    ITSELF,
    GatedMethod,
    Place,
    Refused,
    refusal_of,
    with_model,
)
from otel_genai_instrumentors.last_parts import last_of_converse

__all__ = ["gate_of"]

_LIMITS: Final = {
    "anthropic.": "max_tokens",
    "amazon.nova": "inferenceConfig.maxTokens",
    "amazon.titan-text": "textGenerationConfig.maxTokenCount",
    "meta.llama": "max_gen_len",
    "mistral.": "max_tokens",
    "cohere.command": "max_tokens",
    "deepseek.": "max_tokens",
    "openai.": "max_completion_tokens",
}
"""Part of a model's name -> its limit."""

_with_model: Final = with_model("modelId")


def _no_model(_: Place, __: dict[str, Any], ___: str) -> dict[str, Any] | None:
    return None


def _put(params: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    return {**params, "body": json.dumps(content).encode()}


def _limit_of_body(params: Mapping[str, Any], _: str | None) -> str | None:
    model = str(params.get("modelId"))
    return next((limit for name, limit in _LIMITS.items() if name in model), None)


def _limit(_: Mapping[str, Any], __: str | None) -> str:
    return "inferenceConfig.maxTokens"


def gate_of(operation: str) -> GatedMethod:
    """The facts of an operation.

    Args:
        operation: its name.
    """

    def status_error(refused: Refused) -> BaseException:
        errors: Any = sys.modules["botocore.exceptions"]
        block = refused.block
        reply = {
            "Error": {**refused.body["error"], "Code": block.type, "Message": block.message},
            "ResponseMetadata": {
                "HTTPStatusCode": block.status,
                "HTTPHeaders": refused.headers,
                "RetryAttempts": 0,
            },
        }
        found: BaseException = errors.ClientError(reply, operation)
        return found

    refusal, model = refusal_of(status_error), _with_model
    if operation.startswith("Converse"):
        return GatedMethod(refusal, ITSELF, _limit, model=model, last=last_of_converse)
    if operation.startswith("InvokeModel"):
        return GatedMethod(refusal, Place(body, _put), _limit_of_body, model=model)
    return GatedMethod(refusal, limit=None, model=_no_model)
