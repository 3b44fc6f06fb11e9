"""Notices over HTTP: each sees its own, and a stream goes on where its listener left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.gate.service import application
from otel_genai_cost.gate.tokens import TOKENS_FILE, read_tokens, revoke_token
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.notice import Audience, Notice
from tests.gate.opened import Opened, opened
from tests.limits.build import budget


@pytest.fixture
def gate(tmp_path: Path) -> Generator[Opened]:
    with opened(tmp_path, budget("all")) as found:
        yield found


def _queue(home: Path, *keys: str, tenant: str = "acme") -> None:
    facts = {"side": "cost", "booked": "77.7", "percent": 80, "margin": "3"}
    audiences: tuple[Audience, ...] = ("team", "tenant")
    with closing(Ledger(home / LEDGER_FILE)) as ledger, ledger.transaction():
        for key in keys:
            for audience in audiences:
                ledger.notices.queue(Notice("crossed", key, tenant, audience, 1, facts))


def _get(gate: Opened, token: Mapping[str, str], query: str = "") -> Any:
    return gate.client.get(f"/v1/notices{query}", headers=token)


def test_each_sees_what_is_meant_for_it(gate: Opened) -> None:
    _queue(gate.home, "a")
    _queue(gate.home, "b", tenant="globex")
    acme = gate.token("acme")
    (one,) = _get(gate, acme).json()["notices"]
    assert (one["tenant"], one["facts"], one["title"]) == (
        "acme",
        {"percent": 80},
        "80 % of your limit are used",
    )
    assert "77.7" not in _get(gate, acme).text
    assert _get(gate, acme, "?tenant=acme").json() == _get(gate, acme).json()
    for path in ("", "/events"):
        refused = gate.client.get(f"/v1/notices{path}?tenant=globex", headers=acme)
        assert refused.status_code == 403
        assert gate.client.get(f"/v1/notices{path}").status_code == 401
    team = _get(gate, gate.team).json()["notices"]
    assert [one["tenant"] for one in team] == ["acme", "globex"]
    assert len(_get(gate, gate.team, "?tenant=globex").json()["notices"]) == 1


def test_a_page_goes_on_after_its_cursor(gate: Opened) -> None:
    _queue(gate.home, "a")
    first = _get(gate, gate.team).json()
    _queue(gate.home, "b")
    second = _get(gate, gate.team, f"?after={first['cursor']}").json()
    assert len(first["notices"]) == len(second["notices"]) == 1
    assert _get(gate, gate.team, f"?after={'x' * 65}").status_code == 400


class _Listener:
    """Reads the stream as a server would hand it over, until the test has seen enough."""

    def __init__(self, gate: Opened, token: Mapping[str, str], last_id: str | None = None) -> None:
        headers = {**token, **({} if last_id is None else {"Last-Event-ID": last_id})}
        self._app = application(gate.gate)
        self._scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/notices/events",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        self._gone = asyncio.Event()
        self._chunks: asyncio.Queue[str] = asyncio.Queue()
        self.task = asyncio.create_task(self._app(self._scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.body" and message["body"]:
            await self._chunks.put(message["body"].decode())

    async def next(self) -> str:
        return await asyncio.wait_for(self._chunks.get(), 5)

    async def leave(self) -> None:
        self._gone.set()
        await asyncio.wait_for(self.task, 5)


def _record(event: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(event.split("data: ")[1])
    return found


def test_a_listener_hears_what_comes_and_what_it_missed(gate: Opened) -> None:
    async def listen() -> list[dict[str, Any]]:
        first = _Listener(gate, gate.token("acme"))
        assert await first.next() == ": here\n\n"
        _queue(gate.home, "a")
        heard = [_record(await first.next())]
        await first.leave()
        _queue(gate.home, "meanwhile")
        _queue(gate.home, "another's", tenant="globex")
        again = _Listener(gate, gate.token("acme"), heard[0]["cursor"])
        await again.next()
        _queue(gate.home, "b")
        heard += [_record(await again.next()), _record(await again.next())]
        await again.leave()
        return heard

    heard = asyncio.run(listen())
    assert [one["tenant"] for one in heard] == ["acme"] * 3
    assert [one["id"] for one in heard] == [
        one["id"] for one in _get(gate, gate.token("acme")).json()["notices"]
    ]
    assert all("booked" not in one["facts"] for one in heard)


def test_a_token_that_is_revoked_ends_its_stream(gate: Opened) -> None:
    async def listen() -> None:
        listener = _Listener(gate, gate.token("acme"))
        await listener.next()
        path = gate.home / TOKENS_FILE
        for token in read_tokens(path):
            revoke_token(path, token.id)
        await asyncio.wait_for(listener.task, 5)

    asyncio.run(listen())
