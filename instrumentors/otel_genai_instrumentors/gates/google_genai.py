"""Before the calls of the `google-genai` client: its transport is given a path, which has the model, and a body."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

from otel_genai_instrumentors.gated_method import (
    GatedMethod,
    Place,
    Refused,
    in_argument,
    refusal_of,
)
from otel_genai_instrumentors.last_parts import last_of_gemini

__all__ = ["GATE"]

_MODEL: Final = re.compile(r"(?<=models/)[^/:]+(?=:)")
_SERVERS_FAULT: Final = 500


def _status_error(refused: Refused) -> BaseException:
    errors: Any = sys.modules["google.genai.errors"]
    http: Any = sys.modules["google.genai._api_client"].httpx
    block = refused.block
    kind = errors.ServerError if block.status >= _SERVERS_FAULT else errors.ClientError
    error = {**refused.body["error"], "code": block.status, "status": block.type.upper()}
    found: BaseException = kind(block.status, {"error": error}, refused.response(http))
    return found


def _limit(_: Mapping[str, Any], __: str | None) -> str:
    return "generationConfig.maxOutputTokens"


def _with_model(_: Place, kwargs: dict[str, Any], model: str) -> dict[str, Any] | None:
    path, count = _MODEL.subn(model, str(kwargs.get("path")))
    return {**kwargs, "path": path} if count == 1 else None


GATE: Final = GatedMethod(
    refusal_of(_status_error),
    in_argument("request_dict"),
    _limit,
    model=_with_model,
    last=last_of_gemini,
)
