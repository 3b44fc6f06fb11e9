"""Whatever somebody asks who may see one tenant, nothing of another tenant comes back.

`PAGES_REQUESTS` says how many requests are made, 1,500 unless it is set; `make faults-pages` makes 10,000.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections import Counter
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

import pytest

from otel_genai_cost.pages import app as app_of
from otel_genai_cost.pages.app import application
from otel_genai_cost.pages.kept_parts import KeptParts
from otel_genai_cost.pages.remembered import Remembered
from otel_genai_cost.pages.routes import ROUTES, Route
from otel_genai_cost.pages.viewer import ROLES, Role, Viewer
from otel_genai_cost.reports.selection import Selection
from tests.pages.crowd import OWN, Crowd, name_of
from tests.pages.fuzz import ask, requests

REQUESTS: Final = int(os.environ.get("PAGES_REQUESTS", "1500"))
_SEED: Final = 20_261_130
_ECHO_MIN: Final = 6


class _Found(NamedTuple):
    """What came of requests: statuses, how many answers had something of the viewer's own, and what had others'."""

    statuses: Counter[int]
    own: int
    foreign: tuple[str, ...]


def _asked(made: Crowd, viewers: tuple[Viewer, ...], count: int, *, by_link: bool = True) -> _Found:
    """Make requests as these viewers, in turn, and by a link of the tenant."""
    app = application(made.source, access=made.access())
    credentials: list[tuple[bytes, bytes] | str] = [
        (b"cookie", made.cookie(viewer).encode()) for viewer in viewers
    ]
    if by_link:
        credentials.append(made.link(OWN))
    roles: list[Role] = [viewer.role for viewer in viewers]
    foreign = re.compile("|".join(sorted(map(re.escape, made.foreign), key=len, reverse=True)))
    own = re.compile("|".join(sorted(map(re.escape, made.own), key=len, reverse=True)))
    statuses: Counter[int] = Counter()
    found: list[str] = []
    has_own = 0

    async def run() -> None:
        nonlocal has_own
        for asked in itertools.islice(requests(made, _SEED, credentials, roles), count):
            answer = await ask(app, asked)
            statuses[answer.status] += 1
            text = _without_echo(answer.text, asked.target, *(v.decode() for _, v in asked.headers))
            has_own += bool(own.search(text))
            if seen := foreign.search(text):
                found.append(f"{seen[0]} in the answer {answer.status} to {asked}")

    asyncio.run(run())
    return _Found(statuses, has_own, tuple(found))


def _without_echo(text: str, *given: str) -> str:
    """Without what the request itself said, wherever a page repeats it; the rows of a name have other marks, too."""
    for one in given:
        for part in {*re.split(r"[?&=/;]", one), *re.split(r"[?&=/,; ]", one), one}:
            for form in {part, unquote_plus(part), unquote_plus(unquote_plus(part))}:
                if len(form.strip()) >= _ECHO_MIN:
                    text = text.replace(form, "").replace(form.strip(), "")
    return text


_TENANT: Final = Viewer("tenant", (OWN,), "ada")


def test_a_tenant_sees_no_foreign_row(many: Crowd) -> None:
    found = _asked(many, (_TENANT,), REQUESTS)
    assert found.foreign == ()
    assert found.own > REQUESTS / 8, found.statuses
    assert {200, 303, 400, 401, 403, 404, 405} <= set(found.statuses)
    assert 500 not in found.statuses


def test_nor_does_whoever_of_the_team_may_see_one_tenant(many: Crowd) -> None:
    """On every page that a role may see."""
    team = tuple(Viewer(role, (OWN,), str(role)) for role in ROLES if role != "tenant")
    found = _asked(many, team, REQUESTS // 2, by_link=False)
    assert found.foreign == ()
    assert found.own > REQUESTS / 16, found.statuses
    assert 500 not in found.statuses


def test_nor_would_a_tenant_if_every_page_were_open_to_it(
    many: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a page shows is narrowed by itself, not only by who is led to it."""
    monkeypatch.setattr(app_of, "ROUTES", _open())
    app = application
    monkeypatch.setattr(
        f"{__name__}.application", lambda s, access: app(s, access=access, routes=_open())
    )
    found = _asked(many, (_TENANT,), REQUESTS // 3)
    assert found.foreign == ()
    assert found.own > REQUESTS / 3 / 8, found.statuses


def _open() -> tuple[Route, ...]:
    return tuple(one._replace(roles=ROLES) for one in ROUTES)


# --- that these would find a leak ---


def test_a_viewer_that_is_not_narrowed_is_found(
    many: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Viewer, "visible", property(lambda _: None))
    assert len(_asked(many, (_TENANT,), 200).foreign) > 5


def test_a_condition_that_forgets_who_may_see_is_found(
    many: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Selection.condition

    def forgetful(self: Selection, first: int, tenant: str = "tenant") -> tuple[str, list[object]]:
        return whole(self._replace(visible=None), first, tenant)

    monkeypatch.setattr(Selection, "condition", forgetful)
    monkeypatch.setattr(many.source.figures, "sums", Remembered())  # what was asked before is right
    monkeypatch.setattr(many.source.figures, "parts", KeptParts())
    role: Role = "success"
    assert len(_asked(many, (Viewer(role, (OWN,), "bob"),), 200, by_link=False).foreign) > 5


def test_a_selection_that_is_not_narrowed_is_found(
    many: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        app_of,
        "narrowed",
        lambda selection, viewer, directory: selection._replace(directory=directory),
    )
    viewer = Viewer("engineer", (OWN,), "eve")
    assert len(_asked(many, (viewer,), 200, by_link=False).foreign) > 5


def test_the_names_and_amounts_of_others_are_looked_for(many: Crowd) -> None:
    assert len(many.foreign) > 300
    assert {name_of(1), "zqbudget05", "57654.503", "zqfeat07"} <= set(many.foreign)
    assert not {*many.own} & {*many.foreign}
