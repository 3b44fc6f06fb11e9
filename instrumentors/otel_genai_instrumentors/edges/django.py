"""Django under any server, WSGI and ASGI. The upstream instrumentation is a middleware inside these calls: it extracts
the context, and gets the tenant."""

from __future__ import annotations

from otel_genai_instrumentors.edges.edge import EdgeInstrumentor, asgi_call, wsgi_call
from otel_genai_instrumentors.patching import Patch

__all__ = ["DjangoEdgeInstrumentor"]


class DjangoEdgeInstrumentor(EdgeInstrumentor):
    """An edge around Django's handlers."""

    library = "django"
    requirements = ("django >= 4.2",)
    places = (
        Patch("django.core.handlers.wsgi", "WSGIHandler.__call__", wsgi_call),
        Patch("django.core.handlers.asgi", "ASGIHandler.__call__", asgi_call),
    )
