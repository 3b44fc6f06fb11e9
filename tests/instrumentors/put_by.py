"""Who puts items into a queue in these tests, and whom a call would be for."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from opentelemetry import context
from opentelemetry.context import Context

from otel_genai_cost import tenant
from otel_genai_cost.tenancy.binding import attribution_of, capture
from otel_genai_instrumentors.queueing import QueueInstrumentor

__all__ = ["PUT_BY", "RIGHT", "as_request", "instrumented", "now", "request"]

PUT_BY: Final = ("acme", "globex", None, "globex", "acme")
RIGHT: Final = ["acme", "globex", "nobody", "globex", "acme"]


def now() -> str:
    """Whom a call would be for."""
    return attribution_of(capture(None)).tenant or "nobody"


@contextmanager
def instrumented(*instrumentors: QueueInstrumentor) -> Generator[None]:
    """What they patch is in place, in a context of nobody."""
    for one in instrumentors:
        one.instrument()
    token = context.attach(Context())
    yield
    context.detach(token)
    for one in instrumentors:
        one.uninstrument()


@contextmanager
def request(name: str | None) -> Generator[None]:
    """A request of a tenant, or of nobody."""
    if name is not None:
        with tenant(name):
            yield
    else:
        token = context.attach(Context())
        yield
        context.detach(token)


def as_request(name: str | None, work: Callable[[], object]) -> None:
    """Do something in such a request."""
    with request(name):
        work()
