"""Our instrumentors, put in place from code: what `opentelemetry-instrument` does with them, where there is none."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution
from typing import Any, Final

from opentelemetry.instrumentation.dependencies import DependencyConflictError

from otel_genai_cost.errors import guarded
from otel_genai_cost.in_place import BY_INSTALL
from otel_genai_cost.switch import disabled_instrumentations

__all__ = ["put_in_place"]

_INSTRUMENTORS: Final = "opentelemetry_instrumentor"
_AFTERWARDS: Final = "opentelemetry_post_instrument"
_OURS: Final = "otel_genai_instrumentors."


def put_in_place() -> None:
    """Clients, edges and queues, but those that are there already and those that the environment names in
    OTEL_PYTHON_DISABLED_INSTRUMENTATIONS. Never raises."""
    try:
        found = distribution("otel-genai-cost").entry_points
    except PackageNotFoundError:  # copied without its metadata
        return
    left_out = disabled_instrumentations()
    if "*" in left_out:
        return
    put = guarded("activation.instrumentor", default=None)(_put)
    afterwards = guarded("activation.post_instrument", default=None)(_call)
    for entry_point in found.select(group=_INSTRUMENTORS):
        if entry_point.name not in left_out:
            put(entry_point)
    for entry_point in found.select(group=_AFTERWARDS):
        if entry_point.value.startswith(_OURS):
            afterwards(entry_point)


def _call(entry_point: EntryPoint) -> None:
    entry_point.load()()


def _put(entry_point: EntryPoint) -> None:
    instrumentor: Any = entry_point.load()()
    if getattr(instrumentor, "is_instrumented_by_opentelemetry", False):
        return
    with suppress(
        DependencyConflictError
    ):  # the library is not here, or not in a version that we know
        instrumentor.instrument(skip_dep_check=True)
        setattr(instrumentor, BY_INSTALL, True)
