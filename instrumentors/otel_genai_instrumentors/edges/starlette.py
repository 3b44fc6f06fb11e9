"""Starlette and FastAPI, whatever traces them and whatever serves them. FastAPI's own telemetry extracts the context
around this call, so the edge comes after it; mounted applications are called in the same way."""

from __future__ import annotations

from otel_genai_instrumentors.edges.edge import EdgeInstrumentor, asgi_call
from otel_genai_instrumentors.patching import Patch

__all__ = ["StarletteEdgeInstrumentor"]


class StarletteEdgeInstrumentor(EdgeInstrumentor):
    """An edge around every Starlette application."""

    library = "starlette"
    requirements = ("starlette >= 0.27",)
    places = (Patch("starlette.applications", "Starlette.__call__", asgi_call),)
