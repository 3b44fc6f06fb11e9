"""Before what LiteLLM sends itself. What it raises is an error of httpx, which LiteLLM makes its own of."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, Final

from otel_genai_instrumentors.gated_method import GatedMethod, Place, Refused, refusal_of
from otel_genai_instrumentors.litellm_internals import HANDLERS
from otel_genai_instrumentors.wire_requests import body_of

__all__ = ["GATE"]


def _status_error(refused: Refused) -> BaseException:
    http: Any = sys.modules[HANDLERS].httpx
    response = refused.response(http)
    found: Any = http.HTTPStatusError(
        refused.block.message, request=response.request, response=response
    )
    # As LiteLLM has it on its own errors: without, one of its ways takes any refusal for an answer of status 500.
    found.status_code, found.message, found.text = (
        refused.block.status,
        response.text,
        response.text,
    )
    raised: BaseException = found
    return raised


def _put(kwargs: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    name = "json" if kwargs.get("json") else "data"
    given = kwargs[name]
    text = json.dumps(body)
    as_text = text.encode() if isinstance(given, bytes) else text
    return {**kwargs, name: as_text if isinstance(given, (str, bytes)) else body}


def _limit(kwargs: Mapping[str, Any], _: str | None) -> str | None:
    """In OpenAI's, Anthropic's, Mistral's and Cohere's formats."""
    return "max_tokens" if "messages" in (body_of(kwargs) or {}) else None


GATE: Final = GatedMethod(refusal_of(_status_error), Place(body_of, _put), _limit)
