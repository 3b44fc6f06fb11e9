"""multiprocessing and process pools: a process is given the envelope of who starts it, a pool's worker none, and each
of a pool's tasks that of who submits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from otel_genai_cost.tenancy.processes import process_envelope, process_job
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.pool_tasks import submitted
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, makes, sends

__all__ = ["MultiprocessingInstrumentor"]

_HELD: Final = "_genai_cost_envelope"
"""Where a process has its envelope while it is an object; it is pickled with it."""

_SERVES_ALL: Final = "_genai_cost_serves_all"
_POOLS: Final = (
    "concurrent.futures.process",
    "multiprocessing.pool",
    "multiprocessing.managers",
)
"""Modules whose processes outlive whoever starts them."""


def _note(call: Call, _: None) -> None:
    target = call.argument(1, "target")
    setattr(call.instance, _SERVES_ALL, getattr(target, "__module__", None) in _POOLS)


def _start(call: Call) -> Call:
    serves_all = getattr(call.instance, _SERVES_ALL, False)
    setattr(call.instance, _HELD, None if serves_all else process_envelope())
    return call


def _run(
    wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    with process_job(getattr(instance, _HELD, None)):
        return wrapped(*args, **kwargs)


class MultiprocessingInstrumentor(QueueInstrumentor):
    """Processes by fork, spawn and forkserver; both kinds of pools of processes, and multiprocessing's of threads."""

    library = "multiprocessing"
    places = (
        Patch("multiprocessing.process", "BaseProcess.__init__", makes(_note)),
        Patch("multiprocessing.process", "BaseProcess.start", sends(_start)),
        Patch("multiprocessing.process", "BaseProcess._bootstrap", _run),
        Patch("concurrent.futures.process", "ProcessPoolExecutor.submit", sends(submitted)),
        *(
            Patch("multiprocessing.pool", f"Pool.{name}", sends(submitted))
            for name in (
                "apply_async",
                "map",
                "map_async",
                "starmap",
                "starmap_async",
                "imap",
                "imap_unordered",
            )
        ),
    )
