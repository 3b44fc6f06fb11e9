"""The base of every edge: nothing is patched unless the tenant is read from requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from otel_genai_cost.tenancy import wsgi
from otel_genai_cost.tenancy.edge import TenantEdge, asked_source
from otel_genai_instrumentors.patching import Patch, PatchingInstrumentor

__all__ = ["EdgeInstrumentor", "asgi_call", "first_argument", "on_asgi", "on_wsgi", "wsgi_call"]


class EdgeInstrumentor(PatchingInstrumentor):
    """Subclasses list their `places`: where requests pass. A request may pass several."""

    kind = "edge"
    places: ClassVar[tuple[Patch, ...]] = ()

    def patches(self, **options: Any) -> Iterable[Patch]:
        return self.places if asked_source() is not None else ()


def on_asgi(app: Any) -> Any:
    """An ASGI application behind an edge."""
    return app if isinstance(app, TenantEdge) else TenantEdge(app)


def on_wsgi(app: Any) -> Any:
    """A WSGI application behind an edge."""
    return app if isinstance(app, wsgi.TenantEdge) else wsgi.TenantEdge(app)


def asgi_call(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Stand in place of an ASGI application's `__call__`, and put an edge before it.

    Args:
        wrapped: the bound original.
        args: the server's positional arguments.
        kwargs: its keyword arguments.
    """
    return TenantEdge(wrapped)(*args, **kwargs)


def wsgi_call(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Stand in place of a WSGI application's `__call__`, and put an edge before it.

    Args:
        wrapped: the bound original.
        args: the server's positional arguments.
        kwargs: its keyword arguments.
    """
    return wsgi.TenantEdge(wrapped)(*args, **kwargs)


def first_argument(name: str, behind: Callable[[Any], Any]) -> Callable[..., Any]:
    """In place of a function that takes the application: first, or as `name`."""

    def call(
        wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if args:
            return wrapped(behind(args[0]), *args[1:], **kwargs)
        if name in kwargs:
            kwargs = {**kwargs, name: behind(kwargs[name])}
        return wrapped(*args, **kwargs)

    return call
