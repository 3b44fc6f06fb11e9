"""A library that falls back to another model sends that one's name. The one that was asked for first is kept beside it,
in an attribute of its own: the price goes by the model of the request that was sent."""

from __future__ import annotations

import json
from typing import Any, Final

from opentelemetry import context
from opentelemetry.context import Context

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.answers import as_object
from otel_genai_instrumentors.method import Attributes

__all__ = ["FIRST_ASKED", "asking_first", "is_another", "sent_instead"]

FIRST_ASKED: Final = context.create_key("genai-cost-first-asked")
"""Where a context keeps the model that was asked for first, while a library may fall back to others."""

_NOTHING: Final[Attributes] = {}


def asking_first(model: object) -> Context:
    """The current context, in which this model was asked for first, unless another one was before.

    Args:
        model: its name, as the application gives it to the library that may fall back.
    """
    here = context.get_current()
    if FIRST_ASKED in here or not isinstance(model, str):
        return here
    return context.set_value(FIRST_ASKED, model, here)


def is_another(asked: str, sent: object) -> bool:
    """Whether a request is sent to another model than the one that was asked for. Libraries for many providers have
    names that begin with the provider.

    Args:
        asked: the name of the one.
        sent: that of the other.
    """
    return bool(sent) and asked != sent and not asked.endswith(f"/{sent}")


@guarded("instrumentor.fallback", _NOTHING)
def sent_instead(start: Attributes, response: Any) -> Attributes:
    """What changes in the attributes of a call for a further request that the client sends in it.

    Args:
        start: the attributes of the call.
        response: the HTTP response, which knows its request.
    """
    sent = as_object(json.loads(response.request.content)).get("model")
    asked = start.get(names.GEN_AI_REQUEST_MODEL)
    if not isinstance(sent, str) or not isinstance(asked, str) or not is_another(asked, sent):
        return {}
    return {names.GEN_AI_REQUEST_MODEL: sent, names.MODEL_ASKED: asked}
