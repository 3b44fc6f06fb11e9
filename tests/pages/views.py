"""Asks views without a server: what an address gives to a viewer."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.testclient import TestClient

from otel_genai_cost.ledger.rerating.books import Books
from otel_genai_cost.pages.answering import Answering
from otel_genai_cost.pages.app import application
from otel_genai_cost.pages.asked import Asked, Defaults, asked_of
from otel_genai_cost.pages.data import Data, Source
from otel_genai_cost.pages.figures import Figures
from otel_genai_cost.pages.trace_link import TraceLink
from otel_genai_cost.pages.view import View
from otel_genai_cost.pages.viewer import LOCAL, Viewer, narrowed
from tests.ledger.build import BOOK

NOW_US = 1_800_000_000_000_000
_PATIENCE_S = 60.0

ViewOf = Callable[[Data, Asked, Viewer], View]


@contextmanager
def source_of(home: Path, traces: TraceLink | None = None) -> Generator[Source, None, None]:
    """Where pages of a ledger have their data from, up to date."""
    figures = Figures(home)
    try:
        figures.refresh()
        journals = (home / "journal",)
        yield Source(
            figures,
            home,
            journals,
            Books(journals).get,
            lambda: NOW_US,
            book=lambda: BOOK,
            traces=traces,
        )
    finally:
        figures.close()


def ask(source: Source, view: ViewOf, address: str, viewer: Viewer = LOCAL) -> View:
    """What a view gives; without a period it is of all time."""
    query = parse_qsl(address, keep_blank_values=True)
    if not {key for key, _ in query} & {"from", "to", "last", "since", "period"}:
        query.append(("period", "all"))
    with closing(source.figures.reading()) as reading:
        data = source.data(reading)
        asked = asked_of(query, {}, Defaults("UTC", NOW_US, data.standing.last_us))
        seen = narrowed(asked.selection, viewer, source.directory())
        found = view(data, asked._replace(selection=seen), viewer)
        if found.table is None:
            return found
        return found._replace(table=found.table._replace(rows=list(found.table.rows)))


def client_of(source: Source) -> TestClient:
    """A browser of these pages on this machine, to be opened by `with`. However busy that is, it gets the answer, and
    never how far it is."""
    return TestClient(
        application(source, answering=Answering(_PATIENCE_S)), base_url="http://127.0.0.1"
    )


def records(view: View) -> list[dict[str, Any]]:
    """The table as records."""
    assert view.table is not None
    return [dict(zip(view.table.columns, row, strict=True)) for row in view.table.rows]
