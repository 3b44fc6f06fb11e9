"""Questions that take long: how far they are is shown, and they are ended by a word or by going away."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.pages.answering import Answering, Progress
from otel_genai_cost.pages.app import application
from otel_genai_cost.pages.asked import Asked
from otel_genai_cost.pages.data import Data, Source
from otel_genai_cost.pages.figures import Figures, Reading
from otel_genai_cost.pages.routes import Route
from otel_genai_cost.pages.view import View
from otel_genai_cost.pages.viewer import Viewer
from tests.pages.views import source_of
from tests.reports.fixture import make_home

ENDLESS = (
    "SELECT count(*) FROM range(100000000) a(i), range(100000000) b(j) WHERE hash(i + j) % 7 = 1"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    with source_of(make_home(tmp_path_factory.mktemp("home"))) as opened:
        yield opened


def _view(ended: list[str]) -> Route:
    def view(data: Data, asked: Asked, viewer: Viewer) -> View:
        try:
            data.figures.query(ENDLESS)
        except GenAICostError as error:
            ended.append(str(error))
            raise
        raise AssertionError("it ends by being cancelled")

    return Route("slow", "/slow", view)


def _until(condition: list[str]) -> None:
    give_up_s = time.monotonic() + 30
    while not condition and time.monotonic() < give_up_s:
        time.sleep(0.02)


def test_who_waits_sees_how_far_it_is_and_can_stop_it(source: Source) -> None:
    ended: list[str] = []
    pages = application(source, routes=[_view(ended)], answering=Answering(0.1))
    with TestClient(pages, base_url="http://127.0.0.1") as client:
        first = client.get("/slow?period=all")
        again = client.get("/slow?period=all")
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.headers["refresh"] == "1"
        assert "s so far" in again.text
        assert 'href="?period=all&amp;stop=1"' in again.text
        assert ended == []
        stopped = client.get("/slow?period=all&stop=1")
        assert "the question was stopped" in stopped.text
        _until(ended)
    assert ended == ["the query was cancelled"]


def _request(leave: asyncio.Event) -> Request:
    async def receive() -> dict[str, str]:
        await leave.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "GET", "path": "/", "headers": []}, receive)


def test_going_away_ends_it(source: Source) -> None:
    ended: list[str] = []

    def question(reading: Reading) -> None:
        try:
            reading.query(ENDLESS)
        except GenAICostError as error:
            ended.append(str(error))

    async def leaves() -> None:
        leave, answering = asyncio.Event(), Answering()
        asked = asyncio.ensure_future(
            answering.answer(
                _request(leave), "key", source.figures.reading, question, is_patient=True
            )
        )
        await asyncio.sleep(0.2)
        assert not ended
        leave.set()
        assert await asked is None
        while not ended:
            await asyncio.sleep(0.02)

    asyncio.run(asyncio.wait_for(leaves(), 60))
    assert ended == ["the query was cancelled"]


def test_one_who_goes_does_not_end_what_another_waits_for(source: Source) -> None:
    go = threading.Event()

    def question(reading: Reading) -> int:
        go.wait(30)
        return len(reading.query("SELECT 1").rows)

    async def ask() -> tuple[object, object]:
        leave, stay, answering = asyncio.Event(), asyncio.Event(), Answering()
        begin = source.figures.reading
        one, other = (
            asyncio.ensure_future(
                answering.answer(_request(event), "key", begin, question, is_patient=True)
            )
            for event in (leave, stay)
        )
        await asyncio.sleep(0.1)
        leave.set()
        gone = await one
        go.set()
        return gone, await other

    assert asyncio.run(asyncio.wait_for(ask(), 60)) == (None, 1)


def test_an_answer_that_came_meanwhile_is_had_by_asking_again(source: Source) -> None:
    async def ask() -> list[object]:
        answering, stay = Answering(0.05), asyncio.Event()
        go = threading.Event()

        def question(reading: Reading) -> str:
            go.wait(30)
            return "done"

        begin = source.figures.reading
        first = await answering.answer(_request(stay), "key", begin, question)
        go.set()
        await asyncio.sleep(0.3)
        return [first, await answering.answer(_request(stay), "key", begin, question)]

    first, second = asyncio.run(asyncio.wait_for(ask(), 60))
    assert isinstance(first, Progress)
    assert second == "done"


def test_writing_goes_on_while_something_is_read(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    with closing(Figures(home)) as figures:
        reading = figures.reading()
        busy = threading.Thread(target=lambda: _swallowed(reading))
        busy.start()
        try:
            assert figures.refresh()
            assert figures.standing.seq == 5
        finally:
            while busy.is_alive():
                reading.cancel()
                busy.join(0.05)
            reading.close()


def _swallowed(reading: Reading) -> None:
    with pytest.raises(GenAICostError, match="cancelled"):
        reading.query(ENDLESS)
