"""Whatever werkzeug's development server serves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_genai_instrumentors.edges.edge import EdgeInstrumentor, on_wsgi
from otel_genai_instrumentors.patching import Patch

__all__ = ["WerkzeugEdgeInstrumentor"]


def _serving(
    wrapped: Callable[..., Any], server: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    result = wrapped(*args, **kwargs)
    server.app = on_wsgi(server.app)
    return result


class WerkzeugEdgeInstrumentor(EdgeInstrumentor):
    """An edge around the application that the server was given."""

    library = "werkzeug"
    requirements = ("werkzeug >= 2.2",)
    places = (Patch("werkzeug.serving", "BaseWSGIServer.__init__", _serving),)
