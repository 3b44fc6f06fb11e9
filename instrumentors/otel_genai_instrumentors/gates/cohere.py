"""Before the calls of the `cohere` client."""

from __future__ import annotations

import sys
from typing import Any, Final

from otel_genai_instrumentors.gated_method import GatedMethod, Refused, refusal_of
from otel_genai_instrumentors.last_parts import last_of_cohere

__all__ = ["GATE"]


def _status_error(refused: Refused) -> BaseException:
    errors: Any = sys.modules["cohere.core.api_error"]
    found: BaseException = errors.ApiError(
        headers=refused.headers, status_code=refused.block.status, body=refused.body
    )
    return found


GATE: Final = GatedMethod(refusal_of(_status_error), last=last_of_cohere)
