"""Whatever uvicorn serves: ASGI applications of no framework that we know, and as gunicorn's worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_genai_instrumentors.edges.edge import EdgeInstrumentor, on_asgi
from otel_genai_instrumentors.patching import Patch

__all__ = ["UvicornEdgeInstrumentor"]


def _loaded(
    wrapped: Callable[..., Any], config: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Behind an edge once it is loaded: uvicorn looks at the application to find out which interface it speaks."""
    result = wrapped(*args, **kwargs)
    config.loaded_app = on_asgi(config.loaded_app)
    return result


class UvicornEdgeInstrumentor(EdgeInstrumentor):
    """An edge around the application that uvicorn has loaded."""

    library = "uvicorn"
    requirements = ("uvicorn >= 0.20",)
    places = (Patch("uvicorn.config", "Config.load", _loaded),)
