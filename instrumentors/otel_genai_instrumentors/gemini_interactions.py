"""Gemini's Interactions API: what a request asks for, and what its answer says, from the bytes.

A stored interaction is read again by its id: of one that runs in the background, only that read has the usage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from otel_genai_cost import attributes as names
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.answers import as_json, described
from otel_genai_instrumentors.method import LAST, PART, Answer, Attributes, Method

__all__ = ["INTERACTION_METHODS", "way_of"]

_PLACE: Final = "interactions"
_STORED: Final = "interactions/{id}"
_READ: Final = ("id", "model", "usage", "service_tier")
_ENDS: Final = frozenset({"completed", "failed", "cancelled", "incomplete", "requires_action"})
_OVER: Final = frozenset({"interaction.completed", "interaction.complete", "interaction.cancelled"})


def way_of(request: Any) -> str:
    """Which of `INTERACTION_METHODS` an HTTP request is, or none, which is empty.

    Args:
        request: of httpx.
    """
    path = str(request.url.path).rstrip("/")
    if request.method == "POST" and path.endswith(f"/{_PLACE}"):
        return _PLACE
    is_stored = request.method == "GET" and path.rpartition("/")[0].endswith(f"/{_PLACE}")
    return _STORED if is_stored else ""


def _server(
    _: Any, __: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[str | None, int | None]:
    """Host and port that the request goes to."""
    url = kwargs["request"].url
    return url.host, url.port


def _body(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON that is sent; empty if there is none."""
    content = kwargs["request"].content
    found: Any = json.loads(content) if content else None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _request(_: Any, kwargs: Mapping[str, Any], host: str | None) -> Attributes:
    """The attributes of a request. An agent answers in place of a model where one is asked."""
    body, path = _body(kwargs), str(kwargs["request"].url.path)
    provider = "gcp.vertex_ai" if "/projects/" in path else "gcp.gemini"
    model = body.get("model") or body.get("agent")
    return {
        names.GEN_AI_PROVIDER_NAME: place_of(host or "").provider or provider,
        names.GEN_AI_REQUEST_MODEL: str(model).rpartition("/")[2] if model else None,
        names.GEN_AI_REQUEST_STREAM: body.get("stream") is True or None,
        names.SERVICE_TIER: body.get("service_tier"),
        names.REGION: path.partition("/locations/")[2].partition("/")[0] or None,
    }


def _answer(response: Any) -> Answer:
    """The client reads the HTTP response itself."""
    return Answer(response, is_raw=True)


def _read(answer: Any) -> Attributes:
    """An interaction, as far as it has come."""
    known = {key: as_json(getattr(answer, key, None)) for key in _READ}
    found = described({key: value for key, value in known.items() if value})
    status = getattr(answer, "status", None)
    if status in _ENDS:
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = [status]
    return found


def _fold(found: Attributes, event: Any) -> int:
    """An event of a streamed interaction; the last one has the usage."""
    interaction = getattr(event, "interaction", None)
    if interaction is None:
        return PART
    found.update(_read(interaction))
    return LAST if getattr(event, "event_type", None) in _OVER else PART


def _text(event: Any) -> str | None:
    """The text that an event brings."""
    text = getattr(getattr(event, "delta", None), "text", None)
    return text if isinstance(text, str) else None


def _is_seen() -> bool:
    return True


_CREATE: Final = Method(
    "generate_content",
    _request,
    _read,
    _fold,
    _server,
    answer=_answer,
    shows_attempts=_is_seen,
    body=_body,
    text=_text,
)
INTERACTION_METHODS: Final[Mapping[str, Method]] = {
    _PLACE: _CREATE,
    _STORED: _CREATE._replace(operation="fetch_response"),
}
"""By what `way_of` says."""
