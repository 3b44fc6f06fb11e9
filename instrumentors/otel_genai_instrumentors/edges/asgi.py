"""The tenant edge of ASGI applications, without code: inside the upstream instrumentation's SERVER span."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from otel_genai_cost.tenancy.edge import TenantEdge, source
from otel_genai_instrumentors.patching import Patch, PatchingInstrumentor

__all__ = ["AsgiEdgeInstrumentor"]


class AsgiEdgeInstrumentor(PatchingInstrumentor):
    """Puts a TenantEdge between upstream's ASGI middleware and the application.

    There the extracted context is attached and the SERVER span is current. Does nothing unless an edge is configured.
    """

    kind = "edge"
    library = "asgi"
    requirements = ("opentelemetry-instrumentation-asgi >= 0.61b0",)

    def patches(self, **options: Any) -> Iterable[Patch]:
        configured = source()
        if configured is not None and configured.kind != "span":
            yield Patch(
                "opentelemetry.instrumentation.asgi", "OpenTelemetryMiddleware.__init__", _with_edge
            )


def _with_edge(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    if args:
        return wrapped(_edge(args[0]), *args[1:], **kwargs)
    if "app" in kwargs:
        kwargs = {**kwargs, "app": _edge(kwargs["app"])}
    return wrapped(*args, **kwargs)


def _edge(app: Any) -> Any:
    return app if isinstance(app, TenantEdge) else TenantEdge(app)
