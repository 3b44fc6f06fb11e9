"""The base of every LLM client's instrumentor: wraps its methods, and knows who else traces its calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

from otel_genai_cost import shared_calls
from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.call import current_call
from otel_genai_instrumentors.gated_method import GatedMethod
from otel_genai_instrumentors.method import READ_AGAIN, Method
from otel_genai_instrumentors.others import OTHERS
from otel_genai_instrumentors.patching import Patch, PatchingInstrumentor, Wrapper
from otel_genai_instrumentors.spans import CallTracer
from otel_genai_instrumentors.traced import traced

__all__ = ["ClientInstrumentor", "Sent", "path_of", "way_of"]

_Way = TypeVar("_Way")
_PATHS_MAX: Final = 64


class Sent(NamedTuple):
    """A request that is about to be sent: its path or URL, and its arguments in the way that the facts read them."""

    path: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class ClientInstrumentor(PatchingInstrumentor):
    """Subclasses name their `library`, list its `methods`, and say how a `gate` stands before them."""

    gate: ClassVar[GatedMethod | None] = None

    def methods(self) -> Iterable[tuple[str, str, Method]]:
        """(module, dotted path, facts). What a version of the library lacks is left out."""
        return ()

    def routes(self) -> Iterable[tuple[str, str, Mapping[str, Method]]]:
        """(module, dotted path, {end of the request's path: facts}): functions that send to any path or URL. An end is
        one or two segments, or one before or around an id that is anything: `responses/*`, `responses/*/cancel`."""
        return ()

    def sent(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Sent:
        """What such a function is called with. Here the path is its first argument or `path`."""
        return Sent(path_of(args, kwargs), args, kwargs)

    def bare(self) -> Wrapper | None:
        """Sends what is sent on a route and is no call; None if it is sent as it is."""
        return None

    def patches(self, **options: Any) -> Iterable[Patch]:
        shared_calls.watch(OTHERS.get(self.library, ()))
        tracer = CallTracer(self.library, options.get("tracer_provider"))
        for module, path, method in self.methods():
            yield Patch(module, path, traced(self._gated(method), tracer), optional=True)
        for module, path, methods in self.routes():
            is_private = path.rpartition(".")[2].startswith("_")
            ways = {
                route: traced(self._gated(method), tracer, is_awaited=is_private)
                for route, method in methods.items()
            }
            yield Patch(module, path, _routed(ways, self.sent, self.bare()), optional=True)

    def _gated(self, method: Method) -> Method:
        return method if method.operation == READ_AGAIN else method._replace(gate=self.gate)


def _routed(
    ways: Mapping[str, Wrapper], read: Callable[..., Sent], bare: Wrapper | None
) -> Wrapper:
    """The wrapper of a function whose path says what it is for."""
    read = guarded("instrumentor.sent", Sent("", (), {}))(read)

    def wrapper(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if bare is None and is_own(instance):  # nearly always: a method's own request
            return wrapped(*args, **kwargs)
        sent = read(args, kwargs)
        way = way_of(ways, sent.path)
        if way is not None:
            return way(wrapped, instance, sent.args, sent.kwargs)
        if bare is None or is_own(instance):
            return wrapped(*args, **kwargs)
        return bare(wrapped, instance, args, kwargs)

    def is_own(instance: Any) -> bool:
        call = current_call()
        return call is not None and call.sends_by(instance)

    return wrapper


def path_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """The path or URL that such a function is called with; empty if that is no text."""
    path: Any = args[0] if args else kwargs.get("path")
    return path if isinstance(path, str) else ""


def way_of(ways: Mapping[str, _Way], path: str) -> _Way | None:
    """What is known of a path, by its last segments. What stands before them is a host, a version or a deployment."""
    for end in _ends_of(path):
        if end in ways:
            return ways[end]
    return None


@lru_cache(maxsize=_PATHS_MAX)
def _ends_of(path: str) -> tuple[str, ...]:
    """What a path may be known by, the most particular first. Nearly all that a process sends has few paths, and to
    look one up costs a fifth of cutting it up."""
    first, middle, last = ["", "", *path.partition("?")[0].strip("/").split("/")][-3:]
    return f"{middle}/{last}", f"{first}/*/{last}", f"{middle}/*", last
