"""The only file that knows private names of the OpenTelemetry API; those of its SDK stand in `metering/sdk_span.py`.

Each is looked up once and may be gone; what then takes its place stands beside it. A name stays if nothing public does
what it does, or if it saves 2 µs of a call or 2 % of any span.

`baggage._BAGGAGE_KEY`
    Buys 8 µs of a call: the API copies, and nothing is found again by a copy. Without it `baggage.get_all` is asked.
`trace.propagation._SPAN_KEY`
    Buys 0.5 µs, 2 % of any span that starts below another. Without it `trace.get_current_span` is asked. Both buy that
    a call's context is copied once, not three times. Without one of them the API makes it.
`context._RUNTIME_CONTEXT`, `ContextVarsRuntimeContext._current_context`
    Buys 1.5 µs of an asynchronous call, which asks ten times what the current context is: three functions of Python
    around a `ContextVar`. Without them, and with another `OTEL_PYTHON_CONTEXT`, `context.get_current` is asked.
`trace._set_tracer_provider`
    Buys that a provider which is set after us is metered. Without it the application has to call `attach(provider)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final, cast

from opentelemetry import baggage, context, trace
from opentelemetry.context import Context
from opentelemetry.trace import propagation

__all__ = ["after_provider_is_set", "baggage_in", "context_below", "current_context", "span_in"]

_BAGGAGE_KEY: Final[str | None] = getattr(baggage, "_BAGGAGE_KEY", None)
_SPAN_KEY: Final[str | None] = getattr(propagation, "_SPAN_KEY", None)
_RUNTIME: Final[object] = getattr(context, "_RUNTIME_CONTEXT", None)
_CURRENT: Final = cast("ContextVar[Context] | None", getattr(_RUNTIME, "_current_context", None))
_NO_BAGGAGE: Final[Mapping[str, object]] = {}

current_context: Final[Callable[[], Context]] = (
    _CURRENT.get if isinstance(_CURRENT, ContextVar) else context.get_current
)
"""What `context.get_current` says."""


def baggage_in(current: Context) -> Mapping[str, object]:
    """A context's baggage, not to be changed; the same object for the same baggage. Called for every span."""
    if _BAGGAGE_KEY is None:
        return baggage.get_all(current)
    found: Any = current.get(_BAGGAGE_KEY)
    return found or _NO_BAGGAGE


def context_below(
    span: trace.Span, onto: Context, more: Mapping[str, object], *, is_bare: bool
) -> Context:
    """A context with another current span. Made at once: the API copies for each value.

    Args:
        span: The current span in it.
        onto: The context to begin with.
        more: What else it has.
        is_bare: Whether it has no baggage.
    """
    if _SPAN_KEY is None or _BAGGAGE_KEY is None:
        made = trace.set_span_in_context(span, onto)
        for key, value in more.items():
            made = context.set_value(key, value, made)
        return baggage.clear(made) if is_bare else made
    values: dict[str, object] = {**onto, **more, _SPAN_KEY: span}
    if is_bare:
        values[_BAGGAGE_KEY] = {}
    return Context(values)


def span_in(current: Context) -> object:
    """A context's current span; None, or one that records nothing, if it has none. Called for every span."""
    return trace.get_current_span(current) if _SPAN_KEY is None else current.get(_SPAN_KEY)


def after_provider_is_set(then: Callable[[], object]) -> bool:
    """Call `then` each time after the application has set a global tracer provider.

    Returns:
        False if this API gives no way to know.
    """
    original: Any = getattr(trace, "_set_tracer_provider", None)
    if original is None:
        return False

    def set_tracer_provider(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        then()
        return result

    setattr(trace, "_set_tracer_provider", set_tracer_provider)  # noqa: B010 -- private, and ours to put back
    return True
