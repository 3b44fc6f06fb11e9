"""The gate as a service of HTTP: who asks, what is asked, and the answer as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route as Served

from otel_genai_cost.errors import fence
from otel_genai_cost.gate import admit, balance, budgets_api, holds_api, notices_api
from otel_genai_cost.gate.body import BodyError, Fields, read_body
from otel_genai_cost.gate.figures import gate_figures
from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.holding import sweep
from otel_genai_cost.gate.openapi import document
from otel_genai_cost.gate.route import Answer, Asking, Route, refused
from otel_genai_cost.gate.store import StoreUnavailableError
from otel_genai_cost.transport.exposition import EXPOSITION

__all__ = ["ROUTES", "application"]

ROUTES: Final[tuple[Route, ...]] = (
    *holds_api.ROUTES,
    *budgets_api.ROUTES,
    *balance.ROUTES,
    *notices_api.ROUTES,
    *admit.ROUTES,
)
"""Everything that the service answers: a further part adds its own here."""

_EVERY_S: Final = 1.0
_WHO: Final = {"WWW-Authenticate": "Bearer"}


def application(gate: Gate, routes: Sequence[Route] = ROUTES) -> Starlette:
    """The service.

    Args:
        gate: that it lets people ask.
        routes: what it answers.

    Returns:
        An ASGI application, which ends holds whose time is over as long as it runs.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None, None]:
        stop = asyncio.Event()
        sweeping = asyncio.create_task(_sweep(gate, stop))
        try:
            yield
        finally:
            stop.set()
            await sweeping

    described = json.dumps(document(routes)).encode()

    async def openapi(request: Request) -> Response:
        return Response(described, media_type="application/json")

    async def health(request: Request) -> Response:
        return _response(await _health(gate))

    async def metrics(request: Request) -> Response:
        return PlainTextResponse("".join(gate_figures(gate)), headers={"content-type": EXPOSITION})

    served = [Served(one.path, _endpoint(gate, one), methods=[one.method]) for one in routes]
    served += admit.served(gate)
    more = {"/openapi.json": openapi, "/health": health, "/metrics": metrics}
    served += [Served(path, endpoint) for path, endpoint in more.items()]
    return Starlette(routes=served, lifespan=lifespan, exception_handlers=_REFUSED)


def _endpoint(gate: Gate, route: Route) -> Any:
    async def answer(request: Request) -> Response:
        found = await _answered(gate, route, request)
        gate.requests[route.path, found.status_code] += 1
        return found

    return answer


async def _answered(gate: Gate, route: Route, request: Request) -> Response:
    if route.raw is not None:
        return await route.raw(gate, request)
    try:
        return _response(await _answer(gate, route, request))
    except StoreUnavailableError as error:
        return _response(_unavailable(error))
    except BodyError as error:
        return _response(refused(400, "malformed", problems=error.problems))


async def _answer(gate: Gate, route: Route, request: Request) -> Answer:
    bearer = gate.tokens.bearer(request.headers.get("authorization", ""))
    if bearer is None:
        return refused(401, "unauthorized", _WHO)
    if route.is_team_only and not bearer.is_team:
        return refused(403, "team_only")
    content = await _content(request, gate.options.body_max)
    if content is None:
        return refused(413, "too_long", most=gate.options.body_max)
    values: Mapping[str, Any] = read_body(content, route.fields) if route.fields else {}
    query = _query(dict(request.query_params), route.query)
    asking = Asking(bearer, values, query, request.path_params)
    if route.handler is None:
        return refused(404, "not_found")
    return await route.handler(gate, asking)


async def _content(request: Request, length_max: int) -> bytes | None:
    """The body; None if it is too long: the rest of it is not read."""
    parts: list[bytes] = []
    length = 0
    async for part in request.stream():
        length += len(part)
        if length > length_max:
            return None
        parts.append(part)
    return b"".join(parts)


def _query(given: Mapping[str, str], fields: Fields) -> Mapping[str, Any]:
    """The values of a query, by the same rules as those of a body.

    Raises:
        BodyError: with everything that is wrong.
    """
    return read_body(json.dumps(given).encode(), fields) if fields else {}


async def _health(gate: Gate) -> Answer:
    """Whether holds can be made."""
    try:
        await gate.run(lambda transaction: transaction.now_us)
    except StoreUnavailableError as error:
        return _unavailable(error)
    lag_s = gate.store.lag_us() // 1_000_000
    if gate.is_behind:
        return refused(503, "gate_unavailable", reason="the books are behind", lag_s=lag_s)
    return Answer(200, {"status": "ok", "lag_s": lag_s})


def _unavailable(error: StoreUnavailableError) -> Answer:
    return refused(503, "gate_unavailable", {"Retry-After": "5"}, reason=str(error))


async def _sweep(gate: Gate, stop: asyncio.Event) -> None:
    """End what is over, a round a second, and read again what changed."""
    while not stop.is_set():
        with fence("gate.sweep"):
            gate.refresh()
            gate.is_up = await _is_swept(gate)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(stop.wait(), _EVERY_S)


async def _is_swept(gate: Gate) -> bool:
    try:
        await gate.run(sweep)
    except StoreUnavailableError:
        return False
    return True


def _response(answer: Answer) -> Response:
    return Response(
        json.dumps(answer.body, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "replace"
        ),
        answer.status,
        dict(answer.headers),
        "application/json",
    )


async def _not_found(request: Request, error: Exception) -> Response:
    return _response(refused(404, "not_found"))


async def _not_allowed(request: Request, error: Exception) -> Response:
    allowed: Mapping[str, str] = getattr(error, "headers", None) or {}
    return _response(refused(405, "method_not_allowed", allowed))


async def _gone(request: Request, error: Exception) -> Response:
    """Nobody reads this any more."""
    return _response(refused(400, "malformed", problems=["the body ended too early"]))


_REFUSED: Final[Mapping[Any, Any]] = {
    404: _not_found,
    405: _not_allowed,
    ClientDisconnect: _gone,
}
