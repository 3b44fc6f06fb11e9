"""Inside the upstream WSGI instrumentation's middleware."""

from __future__ import annotations

from otel_genai_instrumentors.edges.edge import EdgeInstrumentor, first_argument, on_wsgi
from otel_genai_instrumentors.patching import Patch

__all__ = ["WsgiEdgeInstrumentor"]


class WsgiEdgeInstrumentor(EdgeInstrumentor):
    """Puts an edge between upstream's WSGI middleware and the application."""

    library = "wsgi"
    requirements = ("opentelemetry-instrumentation-wsgi >= 0.61b0",)
    places = (
        Patch(
            "opentelemetry.instrumentation.wsgi",
            "OpenTelemetryMiddleware.__init__",
            first_argument("wsgi", on_wsgi),
        ),
    )
