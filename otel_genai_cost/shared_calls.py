"""Calls that another instrumentation traces as well, seen one by one.

A span of such an instrumentation, of a tracer provider that we meter, is noted as it starts, in the context that it
starts in (`began`). When the client is then called in that context, our instrumentor takes it (`take`): it shows no
span of its own beside that one, but still reports what it reads. Who wraps a client and starts no span, or starts it
with a tracer provider that we do not meter, is never noted, and the call is ours alone.

A span of theirs may also be below ours, where they wrap what the client's methods send by. Of a call that failed before
anything of it left the process, it is asked of the call that runs around it (`never_left`).
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, Final, NamedTuple, Protocol

from opentelemetry import context
from opentelemetry.trace import Span, StatusCode

from otel_genai_cost.errors import guarded

__all__ = [
    "CALL_KEY",
    "Beside",
    "RunningCall",
    "Start",
    "answered_here",
    "began",
    "is_answered_here",
    "is_beside",
    "mark_beside",
    "never_left",
    "span_beside",
    "take",
    "watch",
    "watched",
]

_MODEL_KEYS: Final = ("gen_ai.request.model", "llm.model_name", "langfuse.observation.model.name")
"""Attributes that name the model asked for, on spans that have it at their start."""

_MARK: Final = "_genai_cost_beside"
_ANSWERED_HERE: Final = "_genai_cost_answered_here"


CALL_KEY: Final = context.create_key("genai-cost-call")
"""Where a context keeps the call of ours that its code runs for."""


class RunningCall(Protocol):
    """A call of ours."""

    def never_left(self, span_id: int, error: BaseException | None) -> bool:
        """Whether the span is the call's, and nothing of it left the process if it ends in this error."""
        ...


class Start(NamedTuple):
    """A span to be started: by whom, its name and attributes."""

    scope: str
    version: str
    name: str
    attributes: Mapping[str, Any]


Beside = Callable[[Any, Start], Span]
"""Starts a span below another one that is metered like any other, and exported to nobody."""

watched: dict[str, None] = {}
"""Scopes of instrumentations that trace calls which our instrumentors see too."""


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
    if not all(_means(attributes.get(key), model) for key in _MODEL_KEYS):
        return None
    begun.is_taken = True
    beside = begun.beside
    return lambda start: beside(span, start)


def _means(name: object, model: object) -> bool:
    """Whether theirs is the name of a model, if they have one: OpenLLMetry leaves out whose it is, and where; LiteLLM's
    names begin with that."""
    if not name or name == model or str(model).endswith((f".{name}", f"/{name}")):
        return True
    return isinstance(name, str) and name.endswith(f"/{model}")


@guarded("shared_calls.answered_here", default=None)
def answered_here() -> None:
    """A library answers by itself, from a cache or made up: the span of theirs that is open in this context is of no
    call, unless one was made below it before."""
    begun = _latest.get()
    span = None if begun is None or begun.is_taken else begun.span()
    if span is not None:
        setattr(span, _ANSWERED_HERE, True)


def is_answered_here(span: Any) -> bool:
    """Whether it is a span of theirs of what nobody was asked."""
    return hasattr(span, _ANSWERED_HERE)


def mark_beside(span: Any, theirs: Any) -> None:
    """Say beside which span of theirs this one of ours stands."""
    setattr(span, _MARK, theirs)


def span_beside(span: Any) -> Any:
    """Beside which span of theirs this one of ours stands; None for any other."""
    return getattr(span, _MARK, None)


def is_beside(span: Any) -> bool:
    """Whether it is a span of ours that nobody is to see."""
    return hasattr(span, _MARK)


def never_left(span: Any) -> bool:
    """Whether a span that ends now has failed with the call of ours around it, of which nothing left the process."""
    status, parent = getattr(span, "status", None), getattr(span, "parent", None)
    if parent is None or getattr(status, "status_code", None) is not StatusCode.ERROR:
        return False
    call: Any = context.get_value(CALL_KEY)
    return call is not None and call.never_left(parent.span_id, sys.exc_info()[1])
