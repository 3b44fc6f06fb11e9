"""The pages as a service of HTTP."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import anyio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount
from starlette.routing import Route as Served
from starlette.staticfiles import StaticFiles

from otel_genai_cost import reports
from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.tenants.directory import Directory
from otel_genai_cost.pages.access.access import Access, local_access
from otel_genai_cost.pages.access.guard import Guard, form_token, viewer_of
from otel_genai_cost.pages.answering import Answering, Progress
from otel_genai_cost.pages.asked import Asked, Defaults, asked_of
from otel_genai_cost.pages.data import Data, Source
from otel_genai_cost.pages.figures import Reading
from otel_genai_cost.pages.following import Following
from otel_genai_cost.pages.live import RETRY_S, Live
from otel_genai_cost.pages.rendering import rendered
from otel_genai_cost.pages.routes import OWN, ROUTES, Route
from otel_genai_cost.pages.view import MissingPageError, View, csv_text
from otel_genai_cost.pages.viewer import EVERYBODY, Viewer, narrowed
from otel_genai_cost.reports.last_call import last_call_us
from otel_genai_cost.reports.selection import EVERYTHING

__all__ = ["application"]

_logger = logging.getLogger("otel_genai_cost")

_STATIC: Final = Path(__file__).parent / "static"
_LOOKS: Final = Path(reports.__file__).parent / "page" / "style.css"
_FIRST_WAIT_S: Final = 5.0
"""How long the first request waits at most for the copy of the ledger; pages say how much of it is there."""

_GONE: Final = 499
_STOP: Final = "stop"
_WHAT: Final[Mapping[int, str]] = {
    404: "there is no such page",
    500: "something is wrong with this page; see the log of genai-cost serve",
}


def application(
    source: Source,
    following: Following | None = None,
    access: Access | None = None,
    routes: Sequence[Route] = ROUTES,
    answering: Answering | None = None,
) -> Guard:
    """The service.

    Args:
        source: where pages have their data from.
        following: brings it up to date as long as the service runs; None for somebody else.
        access: who may see them; None for whoever is on this machine.
        routes: the pages.
        answering: asks their questions; None for what is usual.

    Returns:
        An ASGI application.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None, None]:
        if following is not None:
            await anyio.to_thread.run_sync(following.start, _FIRST_WAIT_S)
        try:
            yield
        finally:
            source.what_ifs.close()
            if following is not None:
                await anyio.to_thread.run_sync(following.stop)

    asking = answering or Answering()
    served: list[Any] = [
        Served(one.path, partial(_page, source, asking, routes, one), name=one.name)
        for one in routes
    ]
    served += [
        Served("/live", partial(_live, source, Live())),
        Served("/static/report.css", _looks),
        Mount("/static", StaticFiles(directory=_STATIC)),
    ]
    pages = Starlette(
        routes=served,
        lifespan=lifespan,
        middleware=[Middleware(GZipMiddleware, minimum_size=1_000)],
        exception_handlers={HTTPException: _refused, Exception: _refused},
    )
    return Guard(pages, access or local_access(source.clock_us))


async def _page(
    source: Source,
    answering: Answering,
    routes: Sequence[Route],
    route: Route,
    request: Request,
) -> Response:
    viewer = viewer_of(request)
    if viewer.role not in route.roles:
        if request.scope["path"] == "/":
            return RedirectResponse(f"{OWN}?{request.url.query}" if request.url.query else OWN, 303)
        raise HTTPException(404)
    query = [one for one in request.query_params.multi_items() if one[0] != _STOP]
    key = viewer, form_token(request), request.url.path, *query
    if _STOP in request.query_params:
        answering.stop(key)
        return _problem(routes, request, 200, ConfigurationError("the question was stopped"))
    asking = partial(_answer, source, routes, route, viewer, request)
    is_patient = request.query_params.get("format") not in (None, "", "html")
    begin = source.figures.reading
    found = await answering.answer(request, key, begin, asking, is_patient=is_patient)
    if isinstance(found, Progress):
        return _waiting(routes, request, found, f"?{urlencode([*query, (_STOP, '1')])}")
    return Response(status_code=_GONE) if found is None else found


def _waiting(routes: Sequence[Route], request: Request, progress: Progress, stop: str) -> Response:
    """How far it is; a browser asks again each second, without a script."""
    shell = {**_shell(routes, request, None), "page": ""}
    answer = _html(202, "waiting.html", {**shell, "progress": progress, "stop": stop})
    answer.headers["Refresh"] = "1"
    return answer


def _answer(
    source: Source,
    routes: Sequence[Route],
    route: Route,
    viewer: Viewer,
    request: Request,
    reading: Reading,
) -> Response:
    """In a thread: a page, its CSV, or what is wrong with the question."""
    try:
        data = source.data(reading)
        directory = source.directory()
        defaults = Defaults(source.tz, data.now_us, _last_us(data, viewer, directory))
        asked = asked_of(request.query_params.multi_items(), request.path_params, defaults)
        seen = narrowed(asked.selection, viewer, directory)
        asked = asked._replace(selection=seen)
        view = route.view(data, asked, viewer)
        if asked.form == "csv":
            return _csv(view)
        shell = {"standing": data.standing, "page": route.name, "route": route}
        return _html(200, view.template, {**_shell(routes, request, asked), **shell, **view.values})
    except MissingPageError as error:
        return _problem(routes, request, 404, ConfigurationError(str(error)))
    except ConfigurationError as error:
        return _problem(routes, request, 400, error)
    except GenAICostError as error:
        _logger.error("a page cannot be made: %s", error)
        return _problem(routes, request, 503, ConfigurationError("the figures cannot be read now"))


def _last_us(data: Data, viewer: Viewer, directory: Directory) -> int | None:
    """When the last call ended that a viewer may see: by the month of it a page begins."""
    if viewer.sees_all:
        return data.standing.last_us
    return last_call_us(data.figures, narrowed(EVERYTHING, viewer, directory))


def _shell(routes: Sequence[Route], request: Request, asked: Asked | None) -> dict[str, Any]:
    """What every page has."""
    viewer = viewer_of(request)
    shown = [one for one in routes if one.title and viewer.role in one.roles]
    return {
        "navigation": shown,
        "asked": asked,
        "viewer": viewer,
        "form_token": form_token(request),
    }


def _html(status: int, template: str, values: Mapping[str, Any]) -> Response:
    return HTMLResponse(rendered(template, values).encode("utf-8", "replace"), status)


def _csv(view: View) -> Response:
    if view.table is None:
        raise MissingPageError("this page has no table")
    named = {"Content-Disposition": f'attachment; filename="{view.table.name}.csv"'}
    text = csv_text(view.table).encode("utf-8", "replace")
    return Response(text, headers=named, media_type="text/csv; charset=utf-8")


def _problem(
    routes: Sequence[Route], request: Request, status: int, error: ConfigurationError
) -> Response:
    values = {**_shell(routes, request, None), "page": "", "problem": error, "status": status}
    return _html(status, "problem.html", values)


async def _refused(request: Request, error: Exception) -> Response:
    """What is refused before anything is asked, and what failed: it is nobody's page, so it has no navigation."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    what = _WHAT.get(status, "this cannot be asked")
    values = {"navigation": (), "asked": None, "page": "", "status": status, "viewer": None}
    return _html(status, "problem.html", {**values, "problem": ConfigurationError(what)})


async def _looks(request: Request) -> Response:
    """The style that the report in a file has too."""
    return FileResponse(_LOOKS)


async def _live(source: Source, live: Live, request: Request) -> Response:
    """The number of the last entry, whenever it changes: a tenant is not to learn how busy others are."""
    viewer = viewer_of(request)
    if viewer.role not in EVERYBODY:
        raise HTTPException(404)
    if not live.may_begin(viewer):
        return Response(status_code=503, headers={"Retry-After": str(RETRY_S)})
    return StreamingResponse(live.events(viewer, source.figures), media_type="text/event-stream")
