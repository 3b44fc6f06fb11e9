"""Whatever waitress serves."""

from __future__ import annotations

from otel_genai_instrumentors.edges.edge import EdgeInstrumentor, first_argument, on_wsgi
from otel_genai_instrumentors.patching import Patch

__all__ = ["WaitressEdgeInstrumentor"]


class WaitressEdgeInstrumentor(EdgeInstrumentor):
    """An edge around the application that waitress was given."""

    library = "waitress"
    requirements = ("waitress >= 2.1",)
    places = (Patch("waitress.server", "create_server", first_argument("application", on_wsgi)),)
