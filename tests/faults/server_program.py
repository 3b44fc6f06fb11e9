"""What the servers of `servers.py` serve: one LLM call for each request or task, said by whatever process made it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry import trace

from tests.faults.said import made

__all__ = ["asgi", "work", "wsgi"]


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
    made(span_id)


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
