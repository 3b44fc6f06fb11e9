"""What a request of `google-genai` is for: the action that ends its path, and the model that stands before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.client import Sent
from otel_genai_instrumentors.gemini_answers import is_to_embed, tier_asked
from otel_genai_instrumentors.gemini_interactions import way_of
from otel_genai_instrumentors.google_internals import body_of, bound, location_of
from otel_genai_instrumentors.method import Attributes

__all__ = ["EMBEDDED", "STREAMED", "request_of", "sent_by"]

_MODEL: Final = re.compile(r"(?:.*/)?(?:publishers/[^/]+/)?models/([^/]+)")
"""What stands before a model's name; a tuned model and an endpoint are named as a whole."""

STREAMED: Final = "streamGenerateContent"
EMBEDDED: Final = "predict/embeddings"
"""Vertex's `predict` embeds texts, and draws what a prompt says: this is the former."""


def sent_by(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sent:
    """What a transport is called with, by name, and the action that says what for.

    Args:
        args: by place.
        kwargs: by name.
    """
    sent = bound(args, kwargs)
    if "request" in sent.kwargs:
        return sent._replace(path=way_of(sent.kwargs["request"]))
    action = sent.path.partition("?")[0].rpartition(":")[2]
    if action == "predict" and is_to_embed(body_of(sent.kwargs)):
        action = EMBEDDED
    return sent._replace(path=action)


def request_of(client: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
    """The attributes of a request to a model.

    Args:
        client: that sends it.
        kwargs: what the transport is called with.
        host: where it goes; None if unknown.
    """
    path, _, action = kwargs["path"].partition("?")[0].rpartition(":")
    found = _MODEL.fullmatch(path)
    location = location_of(client)
    provider = "gcp.gemini" if location is None else "gcp.vertex_ai"
    return {
        names.GEN_AI_PROVIDER_NAME: place_of(host or "").provider or provider,
        names.GEN_AI_REQUEST_MODEL: path if found is None else found[1],
        names.GEN_AI_REQUEST_STREAM: action == STREAMED or None,
        names.REGION: location or None,
        names.SERVICE_TIER: tier_asked(body_of(kwargs)),
    }
