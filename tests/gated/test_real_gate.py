"""The real gate, in a process of its own, asked by real clients: a cap holds, holds end by their bookings, and while the
gate is down its budgets say what happens."""

from __future__ import annotations

import signal
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import anthropic
import openai
import pytest
from opentelemetry import context

from otel_genai_cost import admission, graceful, tenant
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.projections.budgets import BUDGET
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import budget_record
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.testing.standin import StandIn, Usage
from otel_genai_cost.testing.standin import Answer
from otel_genai_instrumentors.clients.anthropic import AnthropicInstrumentor
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
        terms = {"scope": {"tenant": "acme"}, "hard": "0.01", **said}
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

    def ledger(self) -> tuple[int, list[str]]:
        """What the books have, in atto, and the states of all holds."""
        command(self.home, "ship", "--drain")
        with closing(Ledger(self.home / LEDGER_FILE, readonly=True)) as ledger:
            rows = ledger.database.execute("SELECT state FROM hold").fetchall()
            booked = ledger.database.execute("SELECT body FROM entry").fetchall()
        return len(booked), [str(row[0]) for row in rows]


@pytest.fixture
def rig(tmp_path: Path, application: Application, standin: StandIn) -> Generator[Rig]:
    standin.script.always(Answer(usage=Usage(200, 100)))
    with (
        application.instrumenting(OpenAIInstrumentor),
        application.instrumenting(AnthropicInstrumentor),
    ):
        yield Rig(tmp_path, application, standin)


def test_a_cap_holds_and_holds_end_by_their_bookings(rig: Rig) -> None:
    rig.budget()
    with rig.gate():
        made = 0
        with ThreadPoolExecutor(8) as pool:
            jobs = [pool.submit(context.get_current().run if False else rig.call) for _ in range(40)]
            made = sum(job.result() for job in jobs)
        billed = sum(_cost(line) for line in rig.standin.bills)
        assert 0 < made < 40 and len(rig.standin.received) == made
        assert billed <= _CAP
        entries, states = rig.ledger()
        assert entries == made and set(states) == {"closed"} and len(states) == made
        assert rig.call()  # what was held beyond what was used is free again


def _cost(line: Any) -> int:
    usage = line["usage"]
    return (usage["input_tokens"] * 15 + usage["output_tokens"] * 60) * ATTO // 100_000_000
