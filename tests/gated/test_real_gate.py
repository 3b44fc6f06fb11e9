"""The real gate, in a process of its own, asked by a real client: a cap holds, holds end by their bookings, and while
the gate is down its budgets say what happens."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import openai
import pytest

from otel_genai_cost import admission, graceful, tenant
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.projections.budgets import BUDGET
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.limits.budget import Rung, budget_record
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from tests.demo.processes import Child
from tests.gate.test_serve import command, served
from tests.gated.conftest import Application, wait_for
from tests.limits.build import budget
from tests.queues.brokers import free_port

pytestmark = pytest.mark.service

_ASKED: Final[dict[str, Any]] = {
    "model": "gpt-4o-mini",
    "messages": [{"role": "user", "content": "how much is left?"}],
    "max_tokens": 100,
}
_CAP: Final = ATTO // 100


class Rig:
    """A ledger's home, and an application that journals there."""

    def __init__(self, home: Path, application: Application, standin: StandIn) -> None:
        self.home, self.application, self.port = home, application, free_port()
        self.standin, self.openai_url = standin, f"{standin.base_url('openai')}/v1"

    def budget(self, **said: Any) -> None:
        terms: dict[str, Any] = {"scope": {"tenant": "acme"}, "hard": "0.01", **said}
        decide(self.home, {"type": BUDGET, **budget_record(budget(**terms))})
        command(self.home, "ship", "--drain")

    @contextmanager
    def gate(self, **options: Any) -> Generator[Child]:
        token = command(self.home, "gate", "tokens", "add", "--team")
        with served(self.home, self.port) as child:
            self.application.journal = self.home / "journal"
            url = f"http://127.0.0.1:{self.port}"
            self.application.ask(url, gate_token=token, gate_timeout_ms=10_000, **options)
            yield child

    def call(self, **changes: Any) -> bool:
        """Make a call; whether it was made."""
        with (
            openai.OpenAI(base_url=self.openai_url, api_key="k") as client,
            tenant("acme"),
            graceful() as outcome,
        ):
            client.chat.completions.create(**{**_ASKED, **changes})
        return outcome.block is None

    def entries(self) -> int:
        """How many charges are booked now."""
        command(self.home, "ship", "--drain")
        return self._one("SELECT count(*) FROM entry")

    def states(self) -> list[str]:
        """Of all holds."""
        return [str(row[0]) for row in self._rows("SELECT state FROM hold ORDER BY id")]

    def _one(self, query: str) -> int:
        return int(self._rows(query)[0][0])

    def _rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.home / LEDGER_FILE)) as db:
            return db.execute(query).fetchall()


@pytest.fixture
def rig(tmp_path: Path, application: Application, standin: StandIn) -> Generator[Rig]:
    standin.script.always(Answer(usage=Usage(200, 100)))
    with application.instrumenting(OpenAIInstrumentor):
        yield Rig(tmp_path, application, standin)


def test_a_cap_holds_and_holds_end_by_their_bookings(rig: Rig) -> None:
    rig.budget()
    with rig.gate():
        with ThreadPoolExecutor(8) as pool:
            made = sum(pool.map(lambda _: rig.call(), range(100)))
        assert 0 < made < 100 and len(rig.standin.received) == made
        assert sum(map(_cost, rig.standin.bills)) <= _CAP
        assert rig.entries() == made and rig.states() == ["closed"] * made
        assert rig.call()  # what was held beyond what was used is free again


def test_a_call_without_a_limit_is_shrunk_to_what_is_left(rig: Rig) -> None:
    rig.budget(hard="0.002", ladder=(Rung(50, "shrink"),))
    with rig.gate():
        with tenant("acme"), openai.OpenAI(base_url=rig.openai_url, api_key="k") as client:
            client.chat.completions.create(model="gpt-4o-mini", messages=_ASKED["messages"])
        (received,) = rig.standin.received
        assert 0 < received.body["max_completion_tokens"] < 16_384
        assert rig.application.only["genai_cost.gate.decision"] == "shrink"


def test_another_model_is_asked_by_the_budgets_map(rig: Rig) -> None:
    rig.budget(hard="1", ladder=(Rung(0, "downgrade", (("gpt-4o", "gpt-4o-mini"),)),))
    with rig.gate():
        assert rig.call(model="gpt-4o")
        assert rig.standin.received[0].body["model"] == "gpt-4o-mini"
        assert rig.entries() == 1 and rig.states() == ["closed"]


def test_embeddings_are_held_for_what_they_read(rig: Rig) -> None:
    rig.budget()
    with rig.gate():
        with tenant("acme"), openai.OpenAI(base_url=rig.openai_url, api_key="k") as client:
            client.embeddings.create(model="text-embedding-3-small", input="text")
        assert rig.entries() == 1 and rig.states() == ["closed"]


def test_what_is_refused_or_never_sent_leaves_no_hold(rig: Rig) -> None:
    rig.budget()
    with rig.gate():
        rig.standin.reset()
        rig.standin.script.next(Answer(status=400))
        with pytest.raises(openai.BadRequestError):
            rig.call()
        rig.openai_url = "http://127.0.0.1:1/v1"
        with pytest.raises(openai.APIConnectionError):
            rig.call()
        assert wait_for(lambda: sorted(rig.states()) == ["measured", "void"]), rig.states()
        rig.entries()
        assert sorted(rig.states()) == ["closed", "void"]


def test_a_killed_call_is_held_until_it_is_lost(rig: Rig) -> None:
    rig.budget()
    with rig.gate():
        rig.standin.reset()
        rig.standin.script.next(Answer(hangs=True))
        child = os.fork()
        if not child:  # a process of its own, which nothing ends in order
            rig.call()
            os._exit(1)
        assert wait_for(lambda: rig.standin.received)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert rig.states() == ["sent"]
        rig.standin.release()


@pytest.mark.parametrize(
    ("terms", "made"),
    [
        ({"on_gate_down": "closed"}, 0),
        ({"on_gate_down": "open", "allowance": ATTO // 1000}, 5),
        ({"on_gate_down": "lease"}, 16),
    ],
    ids=["closed", "open", "lease"],
)
def test_while_the_gate_is_down_its_budgets_say_what_is_made(
    rig: Rig, terms: dict[str, Any], made: int
) -> None:
    rig.budget(hard="1", **terms)
    with rig.gate() as gate:
        assert rig.call()
        is_leased = terms["on_gate_down"] == "lease"
        assert wait_for(lambda: len(rig.states()) == 1 + is_leased)
        gate.process.send_signal(signal.SIGKILL)
        gate.wait(10)
        done = sum(rig.call() for _ in range(20))
        assert 0 < done <= made if made else done == 0
        assert admission.counts["down"] == 20 and admission.counts.get("closed", 0) == 0
        assert len(rig.standin.received) == 1 + done
    if is_leased:
        with served(rig.home, rig.port):
            assert wait_for(rig.call, 20)
            assert wait_for(lambda: rig.entries() == 2 + done)
            assert wait_for(lambda: rig.states().count("closed") == 2 + done, 10), rig.states()


def _cost(line: Any) -> int:
    usage: dict[str, int] = line["usage"]
    return (usage["input_tokens"] * 15 + usage["output_tokens"] * 60) * ATTO // 100_000_000
