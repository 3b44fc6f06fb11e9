"""Calls that another instrumentation traces as well, seen one by one.

A span of such an instrumentation, of a tracer provider that we meter, is noted as it starts, in the context that it
starts in (`began`). When the client is then called in that context, our instrumentor takes it (`take`): it shows no
span of its own beside that one, but still reports what it reads. Who wraps a client and starts no span, or starts it
with a tracer provider that we do not meter, is never noted, and the call is ours alone.

A span of theirs may also be below ours, where they wrap what the client's methods send by, or the client traces each of
its requests itself. Such a span without usage is none of another call (`says_nothing`); of a call that failed before
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
    "any_noted",
    "began",
    "is_answered_here",
    "is_beside",
    "mark_beside",
    "never_left",
    "says_nothing",
    "span_beside",
    "take",
    "watch",
    "watched",
]

_MODEL_KEYS: Final = ("gen_ai.request.model", "llm.model_name", "langfuse.observation.model.name")
"""Attributes that name the model asked for, on spans that have it at their start."""

_KIND_KEY: Final = "mlflow.spanType"
_CALL_KINDS: Final = (None, "null", '"CHAT_MODEL"', '"LLM"', '"EMBEDDING"')
"""MLflow's spans are of anything: those that are of calls. Where it shares a provider, it marks others' spans, too."""

_MARK: Final = "_genai_cost_beside"
_ANSWERED_HERE: Final = "_genai_cost_answered_here"
_ANSWERED_IDS_MAX: Final = 1_024
_ID_KEYS: Final = ("gen_ai.response.id", "litellm.call_id")
_BEGUN: Final = "_genai_cost_begun"


CALL_KEY: Final = context.create_key("genai-cost-call")
"""Where a context keeps the call of ours that its code runs for."""


class RunningCall(Protocol):
    """A call of ours."""

    @property
    def model(self) -> object:
        """The model that was asked for."""
        ...

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

any_noted: list[bool] = []
"""Not empty once a span of theirs was noted, or a library has answered by itself: until then, as nearly everywhere,
nothing stands beside anything, and nothing is asked about it."""

watched: dict[str, None] = {}
"""Scopes of instrumentations that trace calls which our instrumentors see too."""


class _Begun:
    """A span of theirs, until it is gone, ended or taken; `outer` is one that was open around it, `within` the call of
    ours that it began in. `is_seen`: a call of ours was made while it was open, and is told of otherwise."""

    __slots__ = ("beside", "is_seen", "is_taken", "outer", "scope", "span", "within")

    def __init__(self, span: Any, beside: Beside) -> None:
        self.span, self.beside = weakref.ref(span), beside
        self.is_taken = self.is_seen = False
        self.scope: str = span.instrumentation_scope.name
        outer = _latest.get()
        self.outer = outer if outer is not None and outer.is_open() else None
        call: Any = context.get_value(CALL_KEY)
        self.within = None if call is None else (call.model,)

    def is_open(self) -> bool:
        span = self.span()
        return span is not None and span.is_recording()

    def has_failed(self) -> bool:
        status = getattr(self.span(), "status", None)
        return getattr(status, "status_code", None) is StatusCode.ERROR

    def attributes(self) -> Mapping[str, object]:
        found: Mapping[str, object] | None = getattr(self.span(), "attributes", None)
        return found or {}

    def is_of(self, model: object) -> bool:
        """Whether it may be of a call for a model."""
        attributes = self.attributes()
        if attributes.get(_KIND_KEY) not in _CALL_KINDS:
            return False
        return all(_means(attributes.get(key), model) for key in _MODEL_KEYS)

    def is_tried_again(self) -> bool:
        """Whether it is of the same instrumentation and model as the one around it, of which a call was seen."""
        outer = self.outer
        if outer is None or not outer.is_taken or outer.scope != self.scope:
            return False
        mine, theirs = self.attributes(), outer.attributes()
        return all(mine.get(key) == theirs.get(key) for key in _MODEL_KEYS)

    def take(self, model: object) -> None:
        """A call of ours for a model stands beside it; those around it are seen, if they may be of the same call."""
        self.is_taken, outer = True, self.outer
        while outer is not None:
            outer.is_seen |= outer.is_open() and outer.is_of(model)
            outer = outer.outer


_answered_ids: dict[str, None] = {}
_latest: ContextVar[_Begun | None] = ContextVar("genai_cost_shared_call", default=None)


def watch(scopes: Iterable[str]) -> None:
    """Note the spans of these scopes from now on."""
    watched.update(dict.fromkeys(scopes))


def _note_any() -> None:
    if not any_noted:
        any_noted.append(True)


def began(span: Any, beside: Beside) -> None:
    """A span of a watched scope starts, on a provider that we meter."""
    begun = _Begun(span, beside)
    _note_any()
    setattr(span, _BEGUN, begun)
    _latest.set(begun)


def take(model: object) -> Callable[[Start], Span] | None:
    """How to start our span of a call for `model` that begins now, if another instrumentation's span for it is open in
    this context: once for each of theirs, since a retry below it is another call. None if the call is ours alone."""
    begun = _latest.get()
    span = None if begun is None else begun.span()
    if begun is None or span is None or begun.is_taken or not span.is_recording():
        return None
    if not begun.is_of(model):
        return None
    begun.take(model)
    beside = begun.beside
    return lambda start: beside(span, start)


def _means(name: object, model: object) -> bool:
    """Whether theirs is the name of a model, if they have one: OpenLLMetry leaves out whose it is, and where; LiteLLM's
    names begin with that. Where a call asks for none, OpenLIT makes one up."""
    if not name or not model or name == model or str(model).endswith((f".{name}", f"/{name}")):
        return True
    return isinstance(name, str) and name.endswith(f"/{model}")


@guarded("shared_calls.answered_here", default=None)
def answered_here(*ids: object) -> None:
    """A library answers by itself, from a cache or made up: the span of theirs that is open in this context is of no
    call, unless one was made below it before.

    Args:
        ids: by which a span that is written later, as LiteLLM's own are, names the answer or the call.
    """
    for one in ids:
        if isinstance(one, str):
            _answered_ids[one] = None
    while len(_answered_ids) > _ANSWERED_IDS_MAX:
        _answered_ids.pop(next(iter(_answered_ids)), None)
    _note_any()
    begun = _latest.get()
    span = None if begun is None or begun.is_taken else begun.span()
    if span is not None:
        setattr(span, _ANSWERED_HERE, True)


def is_answered_here(span: Any) -> bool:
    """Whether it is a span of theirs of what nobody was asked."""
    if hasattr(span, _ANSWERED_HERE):
        return True
    if not _answered_ids:
        return False
    attributes: Mapping[str, Any] = getattr(span, "attributes", None) or {}
    ids = map(attributes.get, _ID_KEYS)
    return any(isinstance(one, str) and one in _answered_ids for one in ids)


def mark_beside(span: Any, theirs: Any) -> None:
    """Say beside which span of theirs this one of ours stands."""
    _note_any()
    setattr(span, _MARK, theirs)


def span_beside(span: Any) -> Any:
    """Beside which span of theirs this one of ours stands; None for any other."""
    return getattr(span, _MARK, None)


def is_beside(span: Any) -> bool:
    """Whether it is a span of ours that nobody is to see."""
    return hasattr(span, _MARK)


def says_nothing(span: Any) -> bool:
    """Whether a span of theirs, which ends without usage, is of no call that is not seen otherwise: a call of ours was
    made below it, beside another span of theirs; or it began inside a call of ours for the same model, as the spans of
    a client that traces each of its attempts do; or it failed, and never came to a call, inside another that did, as
    where LiteLLM calls itself to try again."""
    begun: _Begun | None = getattr(span, _BEGUN, None)
    if begun is None or begun.is_taken:
        return False
    if begun.is_seen:
        return True
    if begun.within is not None:
        return begun.is_of(*begun.within)
    return begun.has_failed() and begun.is_tried_again()


def never_left(span: Any) -> bool:
    """Whether a span that ends now has failed with the call of ours around it, of which nothing left the process."""
    status, parent = getattr(span, "status", None), getattr(span, "parent", None)
    if parent is None or getattr(status, "status_code", None) is not StatusCode.ERROR:
        return False
    call: Any = context.get_value(CALL_KEY)
    return call is not None and call.never_left(parent.span_id, sys.exc_info()[1])
