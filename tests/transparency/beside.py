"""Other tools that look at the same calls, each set up as its documentation says. Nothing leaves the machine: their
servers are at the discard port of 127.0.0.1."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

__all__ = ["BESIDE"]

_NOWHERE: Final = "http://127.0.0.1:9"
_LANGFUSE_KEYS: Final = {
    "LANGFUSE_PUBLIC_KEY": "pk-lf-test",
    "LANGFUSE_SECRET_KEY": "sk-lf-test",
    "LANGFUSE_HOST": _NOWHERE,
    "LANGFUSE_BASE_URL": _NOWHERE,
    "LANGFUSE_FLUSH_INTERVAL": "100",
}


def none() -> None:
    """Nothing else."""


def langfuse_without_keys() -> None:
    import_module("langfuse.openai")


def langfuse_off() -> None:
    os.environ.update(_LANGFUSE_KEYS, LANGFUSE_TRACING_ENABLED="false")
    import_module("langfuse.openai")


def langfuse() -> None:
    os.environ.update(_LANGFUSE_KEYS)
    import_module("langfuse.openai")


def langfuse_isolated() -> None:
    """With a provider of its own, which nobody else meters."""
    os.environ.update(_LANGFUSE_KEYS)
    import_module("langfuse").Langfuse(tracer_provider=_own_provider())
    import_module("langfuse.openai")


def _own_provider() -> Any:
    return import_module("opentelemetry.sdk.trace").TracerProvider()


def openinference() -> None:
    import_module("openinference.instrumentation.openai").OpenAIInstrumentor().instrument()


def openinference_isolated() -> None:
    """As Phoenix does with `set_global_tracer_provider=False`."""
    instrumentor = import_module("openinference.instrumentation.openai").OpenAIInstrumentor()
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()
    instrumentor.instrument(tracer_provider=_own_provider())


def openllmetry() -> None:
    import_module("opentelemetry.instrumentation.openai").OpenAIInstrumentor().instrument()


def ddtrace() -> None:
    os.environ.update(
        DD_TRACE_AGENT_URL=_NOWHERE,
        DD_INSTRUMENTATION_TELEMETRY_ENABLED="false",
        DD_REMOTE_CONFIGURATION_ENABLED="false",
    )
    import_module("logging").getLogger("ddtrace").setLevel("CRITICAL")
    import_module("ddtrace").patch(openai=True)


def newrelic() -> None:
    import_module("newrelic.agent").initialize()


def sentry() -> None:
    import_module("sentry_sdk").init(dsn="http://key@127.0.0.1:9/1", traces_sample_rate=1.0)


def own_wrapt() -> None:
    """A team's own guard around every call, which makes no telemetry at all."""

    def guard(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        return wrapped(*args, **kwargs)

    wrapt = import_module("wrapt")
    for kind in ("Completions", "AsyncCompletions"):
        wrapt.wrap_function_wrapper("openai.resources.chat.completions", f"{kind}.create", guard)


def own_decorator() -> None:
    completions = import_module("openai.resources.chat.completions").Completions
    create = completions.create

    @functools.wraps(create)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        return create(self, *args, **kwargs)

    completions.create = guarded


BESIDE: Final[dict[str, Callable[[], None]]] = {
    tool.__name__: tool
    for tool in (
        none,
        langfuse_without_keys,
        langfuse_off,
        langfuse,
        langfuse_isolated,
        openinference,
        openinference_isolated,
        openllmetry,
        ddtrace,
        newrelic,
        sentry,
        own_wrapt,
        own_decorator,
    )
}
"""Name -> how an application sets it up."""
