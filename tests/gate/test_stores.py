"""Stores that several gates share: one cap for all, whoever asks where, and what happens when the store is away."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.gate.cached import CachedStore, open_backend
from otel_genai_cost.gate.gate import Gate
from otel_genai_cost.gate.tokens import TOKENS_FILE, Tokens
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger
from tests.demo.processes import Child, children, wait_until
from tests.gate.opened import BOOK, Clock, Opened, bring, check_sums, hold_id, opened, post
from tests.ledger.build import START_US, observe, tenant
from tests.ledger.projections.credit_entries import event
from tests.limits.build import budget
from tests.queues.brokers import BROKERS, Brokers, answers, free_port

ACME = budget("acme", scope={"tenant": "acme"}, hard="10")


@pytest.fixture(params=["postgresql", "redis"])
def shared(request: pytest.FixtureRequest, servers: Brokers) -> str:
    return servers.address(request.param, Path("/usr/bin"))


@pytest.mark.service
def test_two_gates_keep_one_cap(tmp_path: Path, shared: str) -> None:
    """Each is asked by eight at once for ten times what there is."""
    with opened(tmp_path, ACME, address=shared) as gate:
        other = CachedStore(open_backend(shared), gate.clock)
        tokens = Tokens(tmp_path / TOKENS_FILE, gate.clock)
        second = Gate(other, tokens, lambda: BOOK, tmp_path, None, gate.clock)
        statuses: Counter[int] = Counter()
        lock = threading.Lock()

        def ask(number: int) -> None:
            asked = gate if number % 2 else beside
            for n in range(12):
                status = asked.reserve(number * 100 + n, "0.5").status_code
                with lock:
                    statuses[status] += 1

        with _client(tmp_path, second, gate) as beside:
            threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 17)]
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            assert statuses == {200: 20, 429: 16 * 12 - 20}
            assert gate.budgets()[0]["held"] == beside.budgets()[0]["held"] == "10"
        second.close()


@contextmanager
def _client(home: Path, gate: Gate, like: Opened) -> Generator[Opened]:
    from starlette.testclient import TestClient

    from otel_genai_cost.gate.service import application

    with TestClient(application(gate)) as client:
        yield Opened(home, gate, client, like.clock, like.address)


@pytest.mark.service
def test_a_rebuilt_ledger_brings_its_sums_anew(tmp_path: Path, shared: str) -> None:
    one, two = (observe(n, trace=n, attribution=tenant("acme")) for n in (1, 2))
    with opened(tmp_path, ACME, address=shared) as gate:
        gate.book(one, two)
        both = gate.budgets()[0]["booked"]
        (tmp_path / LEDGER_FILE).rename(tmp_path / "before.sqlite")
        with closing(Ledger(tmp_path / LEDGER_FILE)) as ledger, ledger.transaction():
            from otel_genai_cost.ledger.projections.budgets import BUDGET
            from otel_genai_cost.limits.budget import budget_record

            ledger.ingest([{"type": BUDGET, **budget_record(ACME)}], START_US, 0)
        post(tmp_path, one)
        bring(tmp_path, shared, gate.clock)
        assert float(gate.budgets()[0]["booked"]) * 2 == float(both)
        gate.book(two)
        assert gate.budgets()[0]["booked"] == both
        check_sums(gate)


@pytest.mark.service
def test_what_a_tenant_paid_binds_there_too(tmp_path: Path, shared: str) -> None:
    one = observe(1, tokens=(1_000_000, 0), attribution=tenant("acme"))
    with opened(tmp_path, ACME, address=shared) as gate:
        with closing(Ledger(tmp_path / LEDGER_FILE)) as ledger, ledger.transaction():
            ledger.ingest([event({"ref": "a", "amount": "4"}, now_us=START_US)], START_US, 0)
        gate.book()
        assert gate.reserve(1, "5").json()["budget"] == "credit"
        assert gate.reserve(2, "3").status_code == 200
        assert gate.reserve(3, "3", tenant="globex").status_code == 200
        gate.post("release", id=hold_id(2))
        gate.book(one)
        assert gate.reserve(4, "3").json()["booked"] == "2.5"
        assert gate.reserve(5, "1.5").status_code == 200


@pytest.mark.service
def test_a_store_to_which_nothing_was_brought_is_down(shared: str) -> None:
    with closing(CachedStore(open_backend(shared), Clock())) as store:
        future = store.submit(lambda within: within.budgets())
        with pytest.raises(Exception, match="no ledger has brought"):
            future.result(10)


@pytest.mark.service
def test_a_store_that_lags_is_down_for_budgets_that_are_closed(tmp_path: Path, shared: str) -> None:
    lenient = budget("globex", scope={"tenant": "globex"}, on_gate_down="open")
    with opened(tmp_path, ACME, lenient, address=shared) as gate:
        assert gate.reserve(1, "1").status_code == 200
        gate.sweep(later_s=61)
        assert gate.reserve(2, "1").json()["type"] == "gate_unavailable"
        assert gate.reserve(3, "1", tenant="globex").status_code == 200
        bring(tmp_path, shared, gate.clock)
        gate.sweep()
        assert gate.reserve(2, "1").status_code == 200


@pytest.mark.service
@pytest.mark.parametrize("kind", ["postgresql", "redis"])
def test_a_server_that_dies_is_said_and_leaks_nothing(tmp_path: Path, kind: str) -> None:
    (tmp_path / "server").mkdir()
    port = free_port()
    with children() as started:
        command, address, more = BROKERS[kind](tmp_path / "server", port)
        command = [*command, "--appendonly", "yes"] if kind == "redis" else command

        def up(name: str) -> Child:
            log = tmp_path / f"{name}.log"
            child = started.start(name, command, log, {**os.environ, **more})
            wait_until(lambda: answers(port), f"{kind} to listen", 60, (child,))
            return child

        child = up("first")
        wait_until(lambda: _brought(tmp_path, address), "the store to take what is brought", 30)
        with opened(tmp_path, ACME, address=address) as gate:
            assert gate.reserve(1, "4").status_code == 200
            child.process.send_signal(signal.SIGINT)
            child.wait(30)
            down = gate.reserve(2, "4")
            assert (down.status_code, down.json()["type"]) == (503, "gate_unavailable")
            assert gate.client.get("/health").status_code == 503
            up("second")
            wait_until(lambda: gate.reserve(2, "4").status_code == 200, "the gate to go on", 30)
            assert gate.budgets()[0]["held"] == "8"
            assert gate.post("release", id=hold_id(1)).status_code == 200
            assert gate.budgets()[0]["held"] == "4"


def _brought(home: Path, address: str) -> bool:
    """PostgreSQL listens a while before it lets anybody in."""
    with closing(Ledger(home / LEDGER_FILE)):
        pass
    try:
        bring(home, address, Clock())
    except Exception:  # noqa: BLE001 -- it is asked again
        return False
    return True


def test_an_address_of_no_store_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="no such store"):
        open_backend("mysql://host/database")
