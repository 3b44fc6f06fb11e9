"""What the edge suite's applications do: LLM calls, as an instrumentation reports them, named by who asked for them.

Applications say where a call was made; the tests know for whom it was. Nothing of ours is imported.
"""

from __future__ import annotations

import queue
import threading

from opentelemetry import trace

__all__ = ["call", "consume"]

_jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
_started: list[threading.Thread] = []


def call(name: str) -> str:
    """A call whose response is named so."""
    tracer = trace.get_tracer("some.instrumentation")
    usage = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10}
    with tracer.start_as_current_span("chat gpt-4o-mini") as span:
        span.set_attribute("gen_ai.operation.name", "chat")
        span.set_attribute("gen_ai.provider.name", "openai")
        span.set_attribute("gen_ai.request.model", "gpt-4o-mini")
        span.set_attribute("gen_ai.response.id", name)
        span.set_attributes(usage)
    return name


def consume(name: str) -> None:
    """Hand a call to a consumer that the first request starts, and that serves all others."""
    if not _started:
        _started.append(threading.Thread(target=_serve, daemon=True))
        _started[0].start()
    _jobs.put(name)


def _serve() -> None:
    while True:
        name = _jobs.get()
        threading.Event().wait(0.5)
        call(name)
