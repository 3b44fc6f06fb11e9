"""The table of pages: a line for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data
from otel_genai_cost.pages.view import View
from otel_genai_cost.pages.viewer import EVERYBODY, ROLES, Role, Viewer
from otel_genai_cost.pages.views import (
    action,
    actions,
    call,
    calls,
    health,
    models,
    overview,
    own,
    search,
    tenant,
    tenants,
    what_if,
)

__all__ = ["OWN", "ROUTES", "Route"]

OWN: Final = "/own"
"""What tenants see of themselves."""


class Route(NamedTuple):
    """A page.

    Attributes:
        name: of the page; the navigation marks it by this.
        path: where it is; parts in braces are names, `{tenant:path}` of ones that may have a slash.
        view: what it shows.
        title: in the navigation; "" for a page that others lead to.
        roles: who may see it.
    """

    name: str
    path: str
    view: Callable[[Data, Asked, Viewer], View]
    title: str = ""
    roles: tuple[Role, ...] = EVERYBODY


ROUTES: Final[tuple[Route, ...]] = (
    Route("overview", "/", overview.view, "Overview"),
    Route("tenants", "/tenants", tenants.view, "Tenants"),
    Route("tenant", "/tenant", tenant.view, "", ROLES),
    Route("calls", "/calls", calls.view, "Calls", ROLES),
    Route("models", "/models", models.view, "Models"),
    Route("what-if", "/what-if", what_if.view, "", ("finance", "engineer")),
    Route("actions", "/actions", actions.view, "Actions"),
    Route("action", "/action", action.view),
    Route("search", "/search", search.view),
    Route("health", "/health", health.view, "Health", ("finance", "engineer")),
    Route("call", "/call", call.view, "", ROLES),
    Route("own", OWN, own.view, roles=("tenant", "success", "finance")),
)
