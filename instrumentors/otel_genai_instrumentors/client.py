"""The base of every LLM client's instrumentor: wraps its methods, and knows who else traces its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from otel_genai_cost import shared_calls
from otel_genai_instrumentors.call import current_call
from otel_genai_instrumentors.method import Method
from otel_genai_instrumentors.others import OTHERS
from otel_genai_instrumentors.patching import Patch, PatchingInstrumentor, Wrapper
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import traced

__all__ = ["ClientInstrumentor", "Route", "path_of"]


def _path_given(_: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str | None:
    return path_of(args, kwargs)


class Route(NamedTuple):
    """A function that sends to any path or URL, and the facts of those requests that are calls, by the end of their
    path, which is one or two segments.

    `target(client, args, kwargs)` is the path, which the first argument or `path` is if nothing else is said; None if
    this function is not the one to look at. `named` are arguments that may be given by place, so that the facts find
    them by name. `other` sends what is no call.
    """

    module: str
    function: str
    methods: Mapping[str, Method]
    target: Callable[[Any, tuple[Any, ...], Mapping[str, Any]], str | None] = _path_given
    named: tuple[str, ...] = ()
    other: Wrapper | None = None


class ClientInstrumentor(PatchingInstrumentor):
    """Subclasses name their `library` and list its `methods`."""

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        """(module, dotted path, facts). What a version of the library lacks is left out."""
        raise NotImplementedError

    def routes(self) -> Iterable[Route]:
        """Functions that send to any path."""
        return ()

    def patches(self, **options: Any) -> Iterable[Patch]:
        shared_calls.watch(OTHERS.get(self.library, ()))
        tracer = CallTracer(self.library, options.get("tracer_provider"))
        for module, path, method in self.methods():
            yield Patch(module, path, traced(method, tracer), optional=True)
        for route in self.routes():
            ways = {end: traced(method, tracer) for end, method in route.methods.items()}
            yield Patch(route.module, route.function, _routed(route, ways), optional=True)


def _routed(route: Route, ways: Mapping[str, Wrapper]) -> Wrapper:
    """The wrapper of a function whose path says what it is for."""
    target, named, other = route.target, route.named, route.other

    def wrapper(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        call = current_call()
        is_own = call is not None and call.sends_by(instance)
        if is_own and other is None:  # nearly always: a method's own request
            return wrapped(*args, **kwargs)
        if named and args:
            kwargs.update(zip(named, args, strict=False))
            args = args[len(named) :]
        path = target(instance, args, kwargs)
        if path is None:
            return wrapped(*args, **kwargs)
        way = _way(ways, path)
        if way is None:
            way = other
        elif is_own:
            way = None
        return wrapped(*args, **kwargs) if way is None else way(wrapped, instance, args, kwargs)

    return wrapper


def path_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """The path or URL that such a function is called with; empty if that is no text."""
    path: Any = args[0] if args else kwargs.get("path")
    return path if isinstance(path, str) else ""


def _way(ways: Mapping[str, Wrapper], path: str) -> Wrapper | None:
    """By the last two segments, or the last one: what stands before them is a host, a version or a deployment."""
    before, _, last = path.partition("?")[0].strip("/").rpartition("/")
    return ways.get(f"{before.rpartition('/')[2]}/{last}") or ways.get(last)
