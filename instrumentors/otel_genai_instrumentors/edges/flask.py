"""Flask under any server. The upstream instrumentation extracts the context inside this call, and gets the tenant."""

from __future__ import annotations

from otel_genai_instrumentors.edges.edge import EdgeInstrumentor, wsgi_call
from otel_genai_instrumentors.patching import Patch

__all__ = ["FlaskEdgeInstrumentor"]


class FlaskEdgeInstrumentor(EdgeInstrumentor):
    """An edge around every Flask application."""

    library = "flask"
    requirements = ("flask >= 2.2",)
    places = (Patch("flask.app", "Flask.__call__", wsgi_call),)
