"""Which role sees which page, as the documentation says it."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.pages.routes import ROUTES
from otel_genai_cost.pages.viewer import ROLES, Role, Viewer

_DOCS = (Path(__file__).parents[2] / "docs" / "pages.md").read_text("utf-8")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_the_table_of_pages_and_roles(route: object) -> None:
    assert route in ROUTES
    (one,) = [each for each in ROUTES if each is route]
    marks = ["yes" if role in one.roles else "" for role in ROLES]
    assert f"| `{one.path}` | {' | '.join(marks)} |" in _DOCS


@pytest.mark.parametrize("role", ROLES)
def test_the_table_of_roles(role: Role) -> None:
    (line,) = [one for one in _DOCS.splitlines() if one.startswith(f"| `{role}` |")]
    viewer = Viewer(role, ("acme",))
    assert ("cost" in line) == viewer.sees_cost
    assert ("price" in line) == viewer.sees_price
    assert ("margin" in line) == viewer.sees_margin


def test_nothing_of_cost_is_open_to_tenants() -> None:
    assert {one.path for one in ROUTES if "tenant" in one.roles} <= {
        *("/own", "/tenant", "/calls", "/call"),
    }
