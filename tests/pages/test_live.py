"""Open pages are told of new figures, and only so many of them at a time."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

from otel_genai_cost.pages.figures import Figures
from otel_genai_cost.pages.live import Live
from otel_genai_cost.pages.viewer import LOCAL, Viewer

_OTHERS = [Viewer("engineer", None, f"e{n}") for n in range(3)]


def test_only_so_many_pages_are_told_at_a_time(tmp_path: Path) -> None:
    async def told() -> None:
        live = Live(open_max=3, of_one_max=2, every_s=0.001)
        with closing(Figures(tmp_path)) as figures:
            own = [live.events(LOCAL, figures) for _ in range(3)]
            assert [await anext(one) for one in own[:2]] == ["data: 0\n\n"] * 2
            assert not live.may_begin(LOCAL)
            assert [event async for event in own[2]] == []
            assert live.may_begin(_OTHERS[0])
            other = live.events(_OTHERS[0], figures)
            await anext(other)
            assert not live.may_begin(_OTHERS[1])
            await own[0].aclose()
            assert live.may_begin(LOCAL)
            assert live.may_begin(_OTHERS[1])
            figures.is_closing = True
            assert [event async for event in own[1]] == []
            await other.aclose()
            assert all(live.may_begin(one) for one in (LOCAL, *_OTHERS))

    asyncio.run(told())


def test_a_new_number_is_said_once(tmp_path: Path) -> None:
    async def told() -> None:
        live = Live(every_s=0.001)
        with closing(Figures(tmp_path)) as figures:
            events = live.events(LOCAL, figures)
            assert [await anext(events), await anext(events)] == ["data: 0\n\n", ": \n\n"]
            figures.standing = figures.standing._replace(seq=7)
            assert [await anext(events), await anext(events)] == ["data: 7\n\n", ": \n\n"]
            await events.aclose()

    asyncio.run(told())
