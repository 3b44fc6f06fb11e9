"""Tasks of pools: each runs for whoever submitted it, whatever its worker was started in."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from opentelemetry import context

from otel_genai_cost.tenancy.envelope import inject, job
from otel_genai_instrumentors.queueing import Call
from otel_genai_instrumentors.unseen import Inside

__all__ = ["in_this_context", "submitted"]


def in_this_context(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that runs in the context of now, whenever and in whatever thread it is called."""
    return partial(_in_context, context.get_current(), function)


def submitted(call: Call) -> Call:
    """For `sends`: a pool takes a function to call, by its first argument `func`, or by its first place alone."""
    function = call.argument(0, "func")
    if _is_of_threads(call.instance):  # which see when the request ends
        return call.replaced(0, "func", in_this_context(function))
    return call.replaced(0, "func", partial(_in_job, inject(dict[str, str]()), function))


def _is_of_threads(pool: object) -> bool:
    return any(kind.__name__ == "ThreadPool" for kind in type(pool).__mro__)


def _in_job(envelope: dict[str, str], function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """What a worker calls in another process, where it is found by its name."""
    with job(envelope):
        return function(*args, **kw)


def _in_context(held: context.Context, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    with Inside(held):
        return function(*args, **kw)
