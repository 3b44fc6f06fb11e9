"""Inside the upstream ASGI instrumentation, which FastAPI's, Starlette's and others' use: there the SERVER span is
current."""

from __future__ import annotations

from otel_genai_instrumentors.edges.edge import EdgeInstrumentor, first_argument, on_asgi
from otel_genai_instrumentors.patching import Patch

__all__ = ["AsgiEdgeInstrumentor"]


class AsgiEdgeInstrumentor(EdgeInstrumentor):
    """Puts an edge between upstream's ASGI middleware and the application."""

    library = "asgi"
    requirements = ("opentelemetry-instrumentation-asgi >= 0.61b0",)
    places = (
        Patch(
            "opentelemetry.instrumentation.asgi",
            "OpenTelemetryMiddleware.__init__",
            first_argument("app", on_asgi),
        ),
    )
