"""gRPC servers, sync and aio: an interceptor behind all others, so that those have built their contexts before."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from importlib import import_module
from typing import Any

from otel_genai_cost.tenancy.decided import Decided
from otel_genai_cost.tenancy.edge import (
    Arrived,
    TenantSource,
    arrived,
    asked_source,
    decide,
    decide_later,
)
from otel_genai_cost.tenancy.scoped import Scoped
from otel_genai_cost.tenancy.wsgi import Steps
from otel_genai_instrumentors.edges.edge import EdgeInstrumentor
from otel_genai_instrumentors.patching import Patch

__all__ = ["GrpcServerEdgeInstrumentor"]

_Behavior = Callable[[Any, Any], Any]


def _arrived(details: Any) -> Arrived:
    pairs = ((name, value) for name, value in details.invocation_metadata or ())
    return arrived("", details.method, ((n, v) for n, v in pairs if isinstance(v, str)))


def _close(decided: Decided, _: Any) -> None:
    decided.close()


def _handler(handler: Any, details: Any) -> Any:
    """The same handler, with each call in its tenant's name."""
    asked = asked_source()
    if handler is None or asked is None:
        return handler
    kind = "_".join(
        "stream" if streams else "unary"
        for streams in (handler.request_streaming, handler.response_streaming)
    )
    behavior = _bound(getattr(handler, kind), bool(handler.response_streaming), asked, details)
    return getattr(import_module("grpc"), f"{kind}_rpc_method_handler")(
        behavior, handler.request_deserializer, handler.response_serializer
    )


def _bound(behavior: _Behavior, streams: bool, asked: TenantSource, details: Any) -> _Behavior:
    """gRPC distinguishes functions by their type, so each is wrapped by one of the same."""

    async def decided_later(call: Any) -> Decided:
        decided = await decide_later(asked, lambda: _arrived(details))
        call.add_done_callback(partial(_close, decided))
        return decided

    async def coroutine(request: Any, call: Any) -> Any:
        with (await decided_later(call)).attached():
            return await behavior(request, call)

    async def steps(request: Any, call: Any) -> AsyncIterator[Any]:
        decided = await decided_later(call)
        async for item in Scoped(lambda *_, **__: decided.attached())(behavior)(request, call):
            yield item

    def function(request: Any, call: Any) -> Any:
        decided = decide(asked, lambda: _arrived(details))
        with decided.attached():
            if call.add_callback(decided.close) is False:
                decided.close()
            result = behavior(request, call)
        return Steps(result, decided) if streams else result

    if inspect.isasyncgenfunction(behavior):
        return steps
    return coroutine if inspect.iscoroutinefunction(behavior) else function


def _sync(given: Iterable[Any] | None) -> list[Any]:
    grpc: Any = import_module("grpc")

    class Edge(grpc.ServerInterceptor):  # type: ignore[misc]
        def intercept_service(self, continuation: Callable[..., Any], details: Any) -> Any:
            return _handler(continuation(details), details)

    return [*(given or ()), Edge()]


def _aio(given: Iterable[Any] | None) -> list[Any]:
    aio: Any = import_module("grpc.aio")

    class Edge(aio.ServerInterceptor):  # type: ignore[misc]
        async def intercept_service(self, continuation: Callable[..., Any], details: Any) -> Any:
            return _handler(await continuation(details), details)

    return [*(given or ()), Edge()]


def _with(place: int, appended: Callable[[Any], list[Any]]) -> Callable[..., Any]:
    def server(
        wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if len(args) > place:
            args = (*args[:place], appended(args[place]), *args[place + 1 :])
        else:
            kwargs = {**kwargs, "interceptors": appended(kwargs.get("interceptors"))}
        return wrapped(*args, **kwargs)

    return server


class GrpcServerEdgeInstrumentor(EdgeInstrumentor):
    """An edge in every gRPC server."""

    library = "grpc-server"
    requirements = ("grpcio >= 1.50",)
    places = (
        Patch("grpc", "server", _with(2, _sync)),
        Patch("grpc.aio", "server", _with(2, _aio)),
    )
