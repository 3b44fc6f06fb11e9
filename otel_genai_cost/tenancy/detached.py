"""Work that deliberately outlives its request, and stays its tenant's."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry import context

from otel_genai_cost.tenancy.binding import current_binding, rebound
from otel_genai_cost.tenancy.scoped import Scoped

__all__ = ["detached"]


def detached() -> Scoped:
    """Tasks and threads started in here keep the tenant of the request for as long as they live.

    A `with` block around the start of a task or thread, or a decorator of the function that it runs. Without it, a
    call that starts after its request has ended is nobody's (`stale`), because most of what outlives a request is a
    consumer or a worker that serves other tenants too. Not for those: they name the tenant of each piece of work with
    `tenant()`.

    A tenant that was bound in another process, before a fork, is not taken over.
    """
    return Scoped(lambda *_, **__: _detached())


@contextmanager
def _detached() -> Generator[None, None, None]:
    binding = current_binding()
    if binding is None:
        yield
        return
    token = context.attach(rebound(binding))
    try:
        yield
    finally:
        context.detach(token)
