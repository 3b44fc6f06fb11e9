"""Notices in an application: pages, and events that go on where a listener left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.alerts.shown import Page, Wanted, events, page
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Audience, Notice

_TEAM, _ACME = Wanted("team", None), Wanted("tenant", "acme")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / LEDGER_FILE)
    yield opened
    opened.close()


def _queue(
    ledger: Ledger,
    *keys: str,
    tenant: str = "acme",
    audiences: tuple[Audience, ...] = ("team", "tenant"),
) -> None:
    facts = {"side": "cost", "booked": "77.7", "percent": 80, "margin": "3"}
    with ledger.transaction():
        for key in keys:
            for audience in audiences:
                ledger.notices.queue(Notice("crossed", key, tenant, audience, 1, facts))


def test_a_page_goes_on_after_its_cursor(ledger: Ledger, tmp_path: Path) -> None:
    _queue(ledger, "a", "b", "c", audiences=("team",))
    first = page(ledger, _TEAM, limit=2)
    assert len(first.notices) == 2
    second = page(ledger, _TEAM, first.cursor)
    assert len(second.notices) == 1
    assert page(ledger, _TEAM, second.cursor) == ([], second.cursor)
    assert first.notices[1]["cursor"] == first.cursor


@pytest.mark.parametrize("cursor", ["", "x", "0-1", "deadbeef-1", "-", "ü-²", "a-" + "9" * 40])
def test_a_cursor_of_another_ledger_begins_at_the_beginning(
    ledger: Ledger, tmp_path: Path, cursor: str
) -> None:
    _queue(ledger, "a", audiences=("team",))
    assert len(page(ledger, _TEAM, cursor).notices) == 1


def test_a_tenant_sees_its_own_and_no_cost(ledger: Ledger, tmp_path: Path) -> None:
    _queue(ledger, "a")
    _queue(ledger, "b", tenant="globex")
    (one,) = page(ledger, _ACME).notices
    assert one["facts"] == {"percent": 80}
    assert "77.7" not in json.dumps(one)
    assert {each["tenant"] for each in page(ledger, _TEAM).notices} == {"acme", "globex"}
    assert [each["tenant"] for each in page(ledger, Wanted("team", "globex")).notices] == ["globex"]


async def _listen(
    ledger: Ledger, after: str | None, count: int, *more: str
) -> list[dict[str, Any]]:
    """That many events; what is queued after the listener is there as well."""

    async def read(cursor: str) -> Page:
        return page(ledger, _TEAM, cursor)

    found: list[dict[str, Any]] = []
    stream = events(read, after, poll_s=0.01)
    assert await stream.__anext__() == ": here\n\n"
    _queue(ledger, *more, audiences=("team",))
    while len(found) < count:
        text = await asyncio.wait_for(stream.__anext__(), 5)
        if text.startswith("id: "):
            head, kind, data = text.splitlines()[:3]
            assert kind == "event: notice"
            record = json.loads(data.removeprefix("data: "))
            assert head == f"id: {record['cursor']}"
            found.append(record)
    await stream.aclose()
    return found


def test_a_listener_that_comes_again_misses_nothing(ledger: Ledger, tmp_path: Path) -> None:
    _queue(ledger, "before", audiences=("team",))
    (first,) = asyncio.run(_listen(ledger, None, 1, "a"))
    _queue(ledger, "meanwhile", audiences=("team",))
    two = asyncio.run(_listen(ledger, first["cursor"], 2, "b"))
    everything = [one["id"] for one in page(ledger, _TEAM).notices]
    assert [first["id"], *(one["id"] for one in two)] == everything[1:]


def test_a_listener_of_a_ledger_that_was_rebuilt_gets_all_again_under_the_same_ids(
    ledger: Ledger, tmp_path: Path
) -> None:
    _queue(ledger, "a", audiences=("team",))
    (first,) = page(ledger, _TEAM).notices
    (tmp_path / LEDGER_FILE).unlink()
    rebuilt = Ledger(tmp_path / LEDGER_FILE)
    _queue(rebuilt, "a", audiences=("team",))
    (again,) = asyncio.run(_listen(rebuilt, first["cursor"], 1))
    rebuilt.close()
    assert (again["id"], again["cursor"] != first["cursor"]) == (first["id"], True)
