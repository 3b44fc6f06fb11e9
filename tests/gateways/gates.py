"""A real gate, in a process of its own over a ledger of the test's, and what tests ask it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.gate.tokens import TOKENS_FILE, add_token
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.projections.budgets import BUDGET
from otel_genai_cost.ledger.storage.decided import decide
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.limits.budget import Budget, budget_record
from otel_genai_cost.limits.hold import Hold
from tests.cli.command import PROGRAM
from tests.demo.processes import Child, Children, wait_until
from tests.demo.stage import clean_environment
from tests.queues.brokers import answers, free_port

__all__ = ["RealGate", "gate_of"]

_WITHIN_S: Final = 30.0


class RealGate(NamedTuple):
    """A gate that runs: its process, where it listens, a team's token, and its ledger."""

    child: Child
    port: int
    token: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to ask it."""
        return {
            **clean_environment(),
            "OTEL_GENAI_COST_GATE": f"http://127.0.0.1:{self.port}",
            "OTEL_GENAI_COST_GATE_TOKEN": self.token,
        }

    def holds(self, tenant: str | None = None) -> list[Hold]:
        """The open holds."""
        with closing(Ledger(self.home / LEDGER_FILE, readonly=True)) as ledger:
            return ledger.holds.open(tenant)

    def command(self, *words: str) -> str:
        """What a command says about the ledger."""
        return command(self.home, *words)


def command(home: Path, *words: str) -> str:
    """What a command says about a ledger; it has to succeed."""
    done = subprocess.run(
        [PROGRAM, *words, "--ledger", str(home)],
        check=True,
        capture_output=True,
        text=True,
        env=clean_environment(),
    )
    return done.stdout.strip()


def gate_of(family: Children, home: Path, budgets: Sequence[Budget], *more: str) -> RealGate:
    """Start a gate with these budgets.

    Args:
        family: ends it.
        home: the ledger's folder.
        budgets: decided before it starts.
        more: options of the command.
    """
    home.mkdir(parents=True, exist_ok=True)
    events = [{"type": BUDGET, **budget_record(one)} for one in budgets]
    for event in events:
        decide(home, event)
    with closing(Ledger(home / LEDGER_FILE)) as ledger, ledger.transaction():
        ledger.ingest(events, time.time_ns() // 1000, 0)
    token, port = add_token(home / TOKENS_FILE, None, None), free_port()
    words = [PROGRAM, "gate", "serve", "--port", str(port), "--ledger", str(home), *more]
    child = family.start("gate", words, home / "gate.log", {**os.environ, **clean_environment()})
    wait_until(lambda: answers(port), "the gate", _WITHIN_S, [child])
    return RealGate(child, port, token, home)
