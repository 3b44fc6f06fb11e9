"""Whatever gunicorn serves with its own workers. Workers of others, such as uvicorn's, load the application themselves
and have an edge of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_genai_instrumentors.edges.edge import EdgeInstrumentor, on_asgi, on_wsgi
from otel_genai_instrumentors.patching import Patch

__all__ = ["GunicornEdgeInstrumentor"]

_WSGI_WORKERS = frozenset({"SyncWorker", "ThreadWorker", "AsyncWorker"})


def _loaded_wsgi(
    wrapped: Callable[..., Any], worker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    result = wrapped(*args, **kwargs)
    if _WSGI_WORKERS & {base.__name__ for base in type(worker).__mro__}:
        worker.wsgi = on_wsgi(worker.wsgi)
    return result


def _loaded_asgi(
    wrapped: Callable[..., Any], worker: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    result = wrapped(*args, **kwargs)
    worker.asgi = on_asgi(worker.asgi)
    return result


class GunicornEdgeInstrumentor(EdgeInstrumentor):
    """An edge around the application that a gunicorn worker has loaded."""

    library = "gunicorn"
    requirements = ("gunicorn >= 20.1",)
    places = (
        Patch("gunicorn.workers.base", "Worker.load_wsgi", _loaded_wsgi),
        Patch("gunicorn.workers.gasgi", "ASGIWorker.load_wsgi", _loaded_asgi),
    )
