"""Whatever hypercorn serves, ASGI and WSGI."""

from __future__ import annotations

from otel_genai_instrumentors.edges.edge import (
    EdgeInstrumentor,
    first_argument,
    on_asgi,
    on_wsgi,
)
from otel_genai_instrumentors.patching import Patch

__all__ = ["HypercornEdgeInstrumentor"]


class HypercornEdgeInstrumentor(EdgeInstrumentor):
    """An edge around the application that hypercorn wraps."""

    library = "hypercorn"
    requirements = ("hypercorn >= 0.15",)
    places = (
        Patch("hypercorn.app_wrappers", "ASGIWrapper.__init__", first_argument("app", on_asgi)),
        Patch("hypercorn.app_wrappers", "WSGIWrapper.__init__", first_argument("app", on_wsgi)),
    )
