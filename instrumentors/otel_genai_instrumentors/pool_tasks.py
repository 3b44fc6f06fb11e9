"""Tasks of pools: each runs for whoever submitted it, whatever its worker was started in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from opentelemetry import context

from otel_genai_cost.tenancy.envelope import inject, job
from otel_genai_instrumentors.queueing import Call

__all__ = ["submitted"]


def submitted(call: Call) -> Call:
    """For `sends`: a pool takes a function to call, by its first argument `func`, or by its first place alone."""
    function = call.argument(0, "func")
    if _is_of_threads(call.instance):
        return call.replaced(0, "func", partial(_in_context, context.get_current(), function))
    return call.replaced(0, "func", partial(_in_job, inject(dict[str, str]()), function))


def _is_of_threads(pool: object) -> bool:
    return any(kind.__name__ == "ThreadPool" for kind in type(pool).__mro__)


def _in_job(envelope: dict[str, str], function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """What a worker calls in another process, where it is found by its name."""
    with job(envelope):
        return function(*args, **kw)


def _in_context(held: context.Context, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """The same in a thread, which sees when the request ends."""
    token = context.attach(held)
    try:
        return function(*args, **kw)
    finally:
        context.detach(token)
