"""What the servers of `servers.py` serve: one LLM call for each request or task, and now and then a wait until all are
durable. What was done is said in a file, by whatever process did it: `made SPAN`, `promised SPAN`."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any, Final

from opentelemetry import trace

from otel_genai_cost import force_flush

__all__ = ["asgi", "work", "wsgi"]

_PROMISE_EVERY: Final = 5
_PROMISES_MAX: Final = 2
"""Of a process: what comes then is nobody's but its end's."""

_counted = itertools.count(1)


def work() -> None:
    """A call, said once its span has ended."""
    span = trace.get_tracer("some.instrumentation").start_span("chat gpt-4o-mini")
    span_id = format(span.get_span_context().span_id, "016x")
    span.set_attribute("gen_ai.operation.name", "chat")
    span.set_attribute("gen_ai.provider.name", "openai")
    span.set_attribute("gen_ai.request.model", "gpt-4o-mini")
    span.set_attribute("gen_ai.response.id", f"r-{span_id}")
    span.set_attributes({"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 10})
    span.end()
    _say(f"made {span_id}\n")
    number = next(_counted)
    asks = number % _PROMISE_EVERY == 0 and number <= _PROMISE_EVERY * _PROMISES_MAX
    if asks and force_flush(10):
        _say(f"promised {span_id}\n")


def _say(line: str) -> None:
    said = os.open(os.environ["FAULTS_SAID"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(said, line.encode())
    finally:
        os.close(said)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """By ASGI."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    work()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"1"})


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    """By WSGI."""
    work()
    start_response("200 OK", [])
    yield b"1"
