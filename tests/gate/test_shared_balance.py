"""One balance, several gates: each reads it from the store that they share, wherever the ledger is."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from starlette.testclient import TestClient

from otel_genai_cost.gate.cached import CachedStore, open_backend
from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.service import application
from otel_genai_cost.gate.tokens import TOKENS_FILE, Tokens, add_token
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.granting import grant_credit
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.instants import rfc3339
from tests.demo.processes import Child, Children, children, wait_until
from tests.gate.opened import BOOK, Opened, bring, opened
from tests.ledger.build import START_US, observe, tenant
from tests.ledger.projections.credit_entries import event
from tests.queues.brokers import Brokers, answers, free_port

_COMMAND: Final = Path(sys.executable).with_name("genai-cost")
_TENANTS: Final = ("acme", "globex", "initech")


@pytest.fixture(params=["postgresql", "redis"])
def shared(request: pytest.FixtureRequest, servers: Brokers) -> str:
    return servers.address(request.param, Path("/usr/bin"))


@contextmanager
def _elsewhere(gate: Opened, shared: str) -> Generator[TestClient]:
    """A gate on a machine without the ledger; it knows the same tokens."""
    tokens = Tokens(gate.home / TOKENS_FILE, gate.clock)
    store = CachedStore(open_backend(shared), gate.clock)
    other = Gate(store, tokens, lambda: BOOK, None, None, gate.clock)
    try:
        with TestClient(application(other)) as client:
            yield client
    finally:
        other.close()


def _grant(home: Path, *written: dict[str, Any]) -> None:
    with closing(Ledger(home / LEDGER_FILE)) as ledger, ledger.transaction():
        ledger.ingest([event(*written, now_us=START_US)], START_US, 0)


def _balance(client: TestClient, token: Any, name: str = "acme", **query: str) -> Any:
    return client.get(f"/v1/tenants/{name}/balance", params=query, headers=token)


@pytest.mark.service
def test_a_gate_without_the_ledger_has_the_same_balance(tmp_path: Path, shared: str) -> None:
    with opened(tmp_path, address=shared) as gate, _elsewhere(gate, shared) as other:
        written = {"ref": "a", "amount": "4", "expires": "2099-01-01T00:00:00Z"}
        _grant(tmp_path, written, {"ref": "b", "currency": "ACU", "amount": "0.000000000000000001"})
        gate.book(observe(1, tokens=(1_000_000, 0), attribution=tenant("acme")))
        assert gate.reserve(2, "1.25").status_code == 200
        with closing(Ledger(tmp_path / LEDGER_FILE, readonly=True)) as ledger:
            (books, _) = reversed(ledger.credits.balances(START_US, 1, "acme"))
        for client in (gate.client, other):
            found = _balance(client, gate.team, currency="USD", min_seq="1").json()
            assert found == {
                "tenant": "acme",
                "currency": "USD",
                "granted": "4",
                "burnt": "2.5",
                "expired": "0",
                "held": "1.25",
                "available": "0.25",
                "overdraft": "0",
                "upcoming": "0",
                "expiring": {"at": "2099-01-01T00:00:00Z", "amount": "1.5"},
                "unpriced": 0,
                "outside": [],
                "as_of_seq": 1,
            }
            smallest = _balance(client, gate.team, currency="ACU").json()
            assert smallest["available"] == "0.000000000000000001"
        assert (books.granted, books.burnt) == (4 * 10**18, 25 * 10**17)


@pytest.mark.service
def test_a_tenants_token_sees_its_own_at_every_gate(tmp_path: Path, shared: str) -> None:
    with opened(tmp_path, address=shared) as gate, _elsewhere(gate, shared) as other:
        _grant(tmp_path, {"ref": "a"}, {"ref": "b", "tenant": "globex"})
        gate.book()
        acme = gate.token("acme")
        assert _balance(other, acme).json()["available"] == "10"
        refused = _balance(other, acme, "globex")
        assert (refused.status_code, refused.json()) == (403, {"type": "not_your_tenant"})
        assert _balance(other, {"Authorization": "Bearer forged"}).status_code == 401
        granted = other.post(
            "/v1/tenants/acme/grants",
            json={"ref": "c", "currency": "USD", "amount": "1"},
            headers=gate.team,
        )
        assert granted.status_code == 503, "a grant is written down where the ledger is"


@pytest.mark.service
def test_what_one_gate_saw_booked_every_gate_waits_for(tmp_path: Path, shared: str) -> None:
    with opened(tmp_path, address=shared) as gate, _elsewhere(gate, shared) as other:
        _grant(tmp_path, {"ref": "a"})
        gate.book()
        call = observe(1, tokens=(1_000_000, 0), attribution=tenant("acme"))
        booking = threading.Timer(0.3, gate.book, (call,))
        booking.start()
        assert _balance(other, gate.team, min_seq="1").json()["available"] == "7.5"
        booking.join()
        refused = _balance(other, gate.team, min_seq="2")
        assert (refused.status_code, refused.json()["as_of_seq"]) == (409, 1)


@pytest.mark.service
def test_another_ledger_leaves_nothing_of_the_one_before(tmp_path: Path, shared: str) -> None:
    with opened(tmp_path, address=shared) as gate, _elsewhere(gate, shared) as other:
        _grant(tmp_path, {"ref": "a"}, {"ref": "b", "tenant": "globex"})
        gate.book()
        assert _balance(other, gate.team, "globex").status_code == 200
        (tmp_path / LEDGER_FILE).rename(tmp_path / "before.sqlite")
        _grant(tmp_path, {"ref": "a"})
        bring(tmp_path, shared, gate.clock)
        assert _balance(other, gate.team, "globex").status_code == 404
        assert gate.reserve(1, "1000", tenant="globex").status_code == 200, "it is not prepaid"
        assert _balance(other, gate.team).json()["available"] == "10"


_SHIPPER: Final = """
import sys, time
from pathlib import Path
from otel_genai_cost.gate.cached import open_backend
from otel_genai_cost.gate.mirror import GateSink
from otel_genai_cost.ledger.daemon import ship
home = Path(sys.argv[1])
sink = GateSink(open_backend(sys.argv[2]), lambda: time.time_ns() // 1000)
ship(home, [home / "journal"], sinks=[sink], drain=True, follow=True)
"""


class _Killed:
    """Processes that are begun again whenever they were killed: three gates without a ledger, and a shipper."""

    def __init__(self, started: Children, home: Path, address: str) -> None:
        self._started, self.ports = started, [free_port() for _ in range(3)]
        tokens: list[str | Path] = ["--tokens", home / TOKENS_FILE, "--store", address]
        self._commands: list[list[str | Path]] = [
            [_COMMAND, "gate", "serve", "--port", str(port), "--ledger", home / str(port), *tokens]
            for port in self.ports
        ]
        self._commands.append([sys.executable, "-c", _SHIPPER, home, address])
        self._home, self.kills = home, 0
        self._running = [self._begin(n) for n in range(len(self._commands))]

    def _begin(self, n: int) -> Child:
        return self._started.start(
            str(n), self._commands[n], self._home / f"{n}-{self.kills}.log", os.environ
        )

    def kill(self, n: int) -> None:
        self._running[n].kill()
        self.kills += 1
        self._running[n] = self._begin(n)

    def wait(self) -> None:
        for n, port in enumerate(self.ports):
            is_up = partial(answers, port)
            wait_until(is_up, "a gate to listen", 60, (self._running[n],))


class _Askers:
    """Who asks any of the gates, with the tokens of tenants, and keeps every answer."""

    def __init__(self, home: Path, ports: Sequence[int], draw: random.Random) -> None:
        self._ports, self._draw = ports, draw
        self._tokens = {one: add_token(home / TOKENS_FILE, one, None) for one in _TENANTS}
        self.answers: list[dict[str, Any]] = []
        self.seq = 0
        self._client = httpx.Client(timeout=15)

    def _asked(self, who: str, port: int, method: str, path: str, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._tokens[who]}"}
        return self._client.request(
            method, f"http://127.0.0.1:{port}{path}", headers=headers, **more
        )

    def hold(self, who: str, hold: str, amount: str) -> bool:
        """At whichever gate answers; whoever is not answered asks again."""
        body = {"id": hold, "tenant": who, "amount": amount, "currency": "USD"}
        for _ in range(600):
            try:
                found = self._asked(
                    who, self._draw.choice(self._ports), "POST", "/v1/reserve", json=body
                )
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if found.status_code != 503:
                assert found.status_code in (200, 402, 429), found.text
                return bool(found.status_code == 200)
            time.sleep(0.1)
        raise AssertionError("no gate answers")

    def look(self, who: str, port: int | None = None) -> dict[str, Any] | None:
        """The balance, not older than any that was seen before; None if a gate that was killed does not answer."""
        where = port or self._draw.choice(self._ports)
        path = f"/v1/tenants/{who}/balance?currency=USD&min_seq={self.seq}"
        try:
            found = self._asked(who, where, "GET", path)
        except httpx.TransportError:
            return None
        if found.status_code in (409, 503):
            return None
        assert found.status_code == 200, found.text
        answer: dict[str, Any] = found.json()
        assert answer["as_of_seq"] >= self.seq
        self.seq = answer["as_of_seq"]
        self.answers.append(answer)
        return answer

    def close(self) -> None:
        self._client.close()


def _call(span: int, who: str, draw: random.Random) -> Observation:
    tokens = draw.randrange(1, 9_000), draw.randrange(1, 900)
    of = tenant(who)
    return observe(span, trace=span, start_s=span, end_s=span + 1, tokens=tokens, attribution=of)


@pytest.mark.service
def test_gates_that_are_killed_keep_one_balance_to_the_last_digit(
    tmp_path: Path, shared: str
) -> None:
    draw, journal = random.Random(7), Journal([tmp_path / "journal"])
    ship(tmp_path, [])
    written = [{"ref": one, "tenant": one, "currency": "USD", "amount": "5"} for one in _TENANTS]
    begin = {"from": rfc3339(START_US - 1)}
    grant_credit(
        tmp_path / LEDGER_FILE, [{**one, **begin} for one in written], START_US, place="grant"
    )
    unheard = Counter[str]()
    with children() as started:
        killed = _Killed(started, tmp_path, shared)
        askers = _Askers(tmp_path, killed.ports, draw)
        killed.wait()
        wait_until(lambda: askers.look("acme"), "a balance", 20)
        for span in range(1, 121):
            who = draw.choice(_TENANTS)
            call = _call(span, who, draw)
            is_held = askers.hold(who, call.id, "0.1")
            if span % 10 == 0 and is_held:
                unheard[who] += 1
            else:
                assert journal.append(to_record(call))
            askers.look(draw.choice(_TENANTS))
            if span % 4 == 0:
                killed.kill(draw.randrange(4))
        killed.wait()
        with closing(Ledger(tmp_path / LEDGER_FILE, readonly=True)) as ledger:
            wait_until(lambda: ledger.entries.last_seq() >= 108, "all to be booked", 60)
            askers.seq = ledger.entries.last_seq()
            entries = list(ledger.entries)
        for who in _TENANTS:
            same = [
                wait_until(partial(askers.look, who, port), "a balance", 20)
                for port in killed.ports
            ]
            assert same[0] == same[1] == same[2]
            assert Decimal(same[0]["held"]) == unheard[who] * Decimal("0.1")
        askers.close()
    journal.close()
    assert killed.kills == 30
    assert len({one["as_of_seq"] for one in askers.answers}) > 3, "they looked while it went on"
    for one in askers.answers:
        burnt = sum(
            entry.price
            for entry in entries
            if entry.seq <= one["as_of_seq"] and entry.attribution.tenant == one["tenant"]
        )
        assert Decimal(one["burnt"]).scaleb(18) == burnt
        left = Decimal(one["granted"]) - Decimal(one["burnt"]) - Decimal(one["expired"])
        assert left - Decimal(one["held"]) == Decimal(one["available"])
        assert Decimal(one["granted"]) == 5
