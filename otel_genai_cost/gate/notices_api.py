"""`GET /v1/notices`: what the team, or a tenant, is informed of; and as events, as it comes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_genai_cost.alerts.shown import Page, Wanted, events, page
from otel_genai_cost.gate import body
from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.route import Answer, Asking, Route, refused
from otel_genai_cost.gate.store import StoreUnavailableError
from otel_genai_cost.gate.tokens import Bearer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["ROUTES"]

_EVENT_STREAM: Final = "text/event-stream"
_HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def _notices(gate: Gate, asking: Asking) -> Answer:
    wanted = _wanted(asking.bearer, asking.query["tenant"])
    if wanted is None:
        return refused(403, "not_your_tenant")
    found = await gate.ask(lambda ledger: page(ledger, wanted, asking.query["after"] or ""))
    return Answer(200, {"notices": found.notices, "cursor": found.cursor})


def _wanted(bearer: Bearer, tenant: str | None) -> Wanted | None:
    """Whose notices: the team's, about one tenant or all; or the tenant's own. None for another tenant's."""
    if bearer.is_team:
        return Wanted("team", tenant)
    return Wanted("tenant", bearer.tenant) if tenant in (None, bearer.tenant) else None


async def _events(gate: Gate, request: Request) -> Response:
    from starlette.responses import JSONResponse, StreamingResponse

    authorization = request.headers.get("authorization", "")
    bearer = gate.tokens.bearer(authorization)
    if bearer is None:
        return JSONResponse({"type": "unauthorized"}, 401, {"WWW-Authenticate": "Bearer"})
    wanted = _wanted(bearer, request.query_params.get("tenant"))
    if wanted is None:
        return JSONResponse({"type": "not_your_tenant"}, 403)

    async def read(cursor: str) -> Page | None:
        if gate.tokens.bearer(authorization) != bearer:
            return None  # revoked, or its time is over
        try:
            return await gate.ask(lambda ledger: page(ledger, wanted, cursor))
        except StoreUnavailableError:
            return Page([], "")

    stream = events(read, request.headers.get("last-event-id"))
    return StreamingResponse(stream, headers=_HEADERS, media_type=_EVENT_STREAM)


_TENANT: Final = body.text("about whom; everybody for the team unless it is given", 128)

ROUTES: Final = (
    Route(
        "GET",
        "/v1/notices",
        "What the team is informed of; a tenant sees what is meant for it, and no cost",
        _notices,
        query={"tenant": _TENANT, "after": body.text("the cursor of the page before", 64)},
        answers={200: "notices in order, and the cursor after which to ask for more"},
    ),
    Route(
        "GET",
        "/v1/notices/events",
        "The same as server-sent events, as they come; after `Last-Event-ID`, if that is sent",
        raw=_events,
        query={"tenant": _TENANT},
        answers={200: "a stream of events"},
    ),
)
