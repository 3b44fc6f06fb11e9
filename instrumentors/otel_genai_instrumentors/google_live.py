"""Live sessions of `google-genai`: what a server message reports is one call, as it is billed.

A session is a websocket on which the model answers many times. Each answer reports its own usage, in which all that
was said before is input again; nothing adds up over the session. A tool's call and the answer after it report apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_cost.hosts import place_of
from otel_genai_instrumentors.answers import as_json, described
from otel_genai_instrumentors.google_internals import location_of, server
from otel_genai_instrumentors.method import Attributes
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.spans import CallTracer

__all__ = ["live_patches"]

_MODULE: Final = "google.genai.live"
_MARK: Final = "_genai_cost_live"
_OPERATION: Final = "generate_content"
_SEARCHES_MAX: Final = 256


class _Session(NamedTuple):
    """What is known of a session, and what was searched since it last reported usage."""

    start: Attributes
    searches: list[Any]


class _Opening:
    """The generator of the context manager that opens a session, which is noted as it comes."""

    def __init__(self, inner: Any, note: Callable[[Any], None]) -> None:
        self._inner, self._note = inner, note

    def __aiter__(self) -> _Opening:
        return self

    async def __anext__(self) -> Any:
        session = await anext(self._inner)
        self._note(session)
        return session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def live_patches(tracer: CallTracer) -> Iterable[Patch]:
    """Where a session is opened, and where it receives.

    Args:
        tracer: starts the spans.
    """

    async def received(wrapped: Callable[..., Any], session: Any, args: Any, kwargs: Any) -> Any:
        message = await wrapped(*args, **kwargs)
        _read(tracer, session, message)
        return message

    yield Patch(_MODULE, "AsyncLive.connect", _connected, optional=True)
    yield Patch(_MODULE, "AsyncSession._receive", received, optional=True)


def _connected(wrapped: Callable[..., Any], live: Any, args: Any, kwargs: Any) -> Any:
    opening = wrapped(*args, **kwargs)
    _watch(opening, live, kwargs)
    return opening


@guarded("instrumentor.live", None)
def _watch(opening: Any, live: Any, kwargs: Mapping[str, Any]) -> None:
    known = _Session(_start(live._api_client, kwargs), [])

    def note(session: Any) -> None:
        setattr(session, _MARK, known)

    opening.gen = _Opening(opening.gen, note)


def _start(client: Any, kwargs: Mapping[str, Any]) -> Attributes:
    host, port = server(client, (), {})
    location = location_of(client)
    provider = "gcp.gemini" if location is None else "gcp.vertex_ai"
    found = {
        names.GEN_AI_OPERATION_NAME: _OPERATION,
        names.GEN_AI_PROVIDER_NAME: place_of(host or "").provider or provider,
        names.GEN_AI_REQUEST_MODEL: str(kwargs.get("model") or "").rpartition("/")[2] or None,
        names.GEN_AI_REQUEST_STREAM: True,
        names.SERVER_ADDRESS: host,
        names.SERVER_PORT: port,
        names.REGION: location or None,
    }
    return {name: value for name, value in found.items() if value is not None}


@guarded("instrumentor.live", None)
def _read(tracer: CallTracer, session: Any, message: Any) -> None:
    known: _Session | None = getattr(session, _MARK, None)
    if known is None:
        return
    _note_searches(known.searches, getattr(message, "server_content", None))
    usage = getattr(message, "usage_metadata", None)
    if usage is None:
        return
    model = known.start.get(names.GEN_AI_REQUEST_MODEL, "")
    grounding = {"web_search_queries": [*known.searches]}
    known.searches.clear()
    answer = {"usage_metadata": as_json(usage), "model": model, "grounding_metadata": grounding}
    span = tracer.start_span(f"{_OPERATION} {model}".strip(), attributes=known.start)
    span.set_attributes(described(answer))
    span.end()


def _note_searches(searches: list[Any], content: Any) -> None:
    grounding = getattr(content, "grounding_metadata", None)
    queries: list[Any] = getattr(grounding, "web_search_queries", None) or []
    searches.extend(queries[: _SEARCHES_MAX - len(searches)])
