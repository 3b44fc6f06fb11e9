"""Before the calls of the `ollama` client."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Final

from otel_genai_instrumentors.gated_method import GatedMethod, Refused, in_argument, refusal_of
from otel_genai_instrumentors.last_parts import last_of_ollama

__all__ = ["GATE"]


def _status_error(refused: Refused) -> BaseException:
    library: Any = sys.modules["ollama"]
    found: BaseException = library.ResponseError(refused.block.message, refused.block.status)
    return found


def _limit(_: Mapping[str, Any], __: str | None) -> str:
    return "options.num_predict"


GATE: Final = GatedMethod(
    refusal_of(_status_error), in_argument("json"), _limit, last=last_of_ollama
)
