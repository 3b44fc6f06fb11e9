"""Calls that another instrumentation tells of as well, seen one by one.

A span of such an instrumentation that reaches a provider which we meter is noted as it starts, in the context that it
starts in (`began`). When the client is then called in that context, our instrumentor takes it (`take`): it shows no
span of its own beside that one, but still reports what it reads. Whoever wraps a client without telling us anything, or
tells somebody else, is never noted, and the call is ours alone.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final, NamedTuple

from opentelemetry.trace import Span

__all__ = [
    "Beside",
    "Start",
    "began",
    "is_beside",
    "mark_beside",
    "span_beside",
    "take",
    "watch",
    "watched",
]

_MODEL_KEYS: Final = ("gen_ai.request.model", "llm.model_name", "langfuse.observation.model.name")
"""Where a span tells the model that was asked for, if it does so at its start."""

_MARK: Final = "_genai_cost_beside"


class Start(NamedTuple):
    """A span to be started: by whom, its name and attributes."""

    scope: str
    version: str
    name: str
    attributes: Mapping[str, Any]


Beside = Callable[[Any, Start], Span]
"""Starts a span below another one that is metered like any other, and exported to nobody."""

watched: dict[str, None] = {}
"""Scopes of instrumentations whose spans tell of calls that our instrumentors see too."""


class _Begun:
    """A span of theirs, until it is gone, ended or taken."""

    __slots__ = ("beside", "is_taken", "span")

    def __init__(self, span: Any, beside: Beside) -> None:
        self.span, self.beside, self.is_taken = weakref.ref(span), beside, False


_latest: ContextVar[_Begun | None] = ContextVar("genai_cost_shared_call", default=None)


def watch(scopes: Iterable[str]) -> None:
    """Note the spans of these scopes from now on."""
    watched.update(dict.fromkeys(scopes))


def began(span: Any, beside: Beside) -> None:
    """A span of a watched scope starts, on a provider that we meter."""
    _latest.set(_Begun(span, beside))


def take(model: object) -> Callable[[Start], Span] | None:
    """How to start our span of a call for `model` that begins now, if another instrumentation's span for it is open in
    this context: once for each of theirs, since a retry below it is another call. None if the call is ours alone."""
    begun = _latest.get()
    span = None if begun is None else begun.span()
    if begun is None or span is None or begun.is_taken or not span.is_recording():
        return None
    attributes: Mapping[str, object] = getattr(span, "attributes", None) or {}
    if any(attributes.get(key, model) != model for key in _MODEL_KEYS):
        return None
    begun.is_taken = True
    beside = begun.beside
    return lambda start: beside(span, start)


def mark_beside(span: Any, theirs: Any) -> None:
    """Say beside which span of theirs this one of ours stands."""
    setattr(span, _MARK, theirs)


def span_beside(span: Any) -> Any:
    """Beside which span of theirs this one of ours stands; None for any other."""
    return getattr(span, _MARK, None)


def is_beside(span: Any) -> bool:
    """Whether it is a span of ours that nobody is to see."""
    return hasattr(span, _MARK)
