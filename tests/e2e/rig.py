"""What the end-to-end tests stand on: a stand-in provider, an application under `opentelemetry-instrument`, and what
it left in its journal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.reader import is_finished, read, segments
from otel_genai_cost.journal.record import from_record
from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.posting.position import Position
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from tests.demo.processes import Child, Children, instrumented
from tests.demo.stage import clean_environment

__all__ = ["Ended", "Rig", "mtok", "observations_in"]

_ENDS_WITHIN_S = 30


def mtok(*parts: tuple[int, str]) -> int:
    """Atto USD of tokens at published prices per million: `mtok((1200, "0.15"), (80, "0.60"))`."""
    return sum(tokens * _atto(price) // 1_000_000 for tokens, price in parts)


def _atto(price: str) -> int:
    whole, _, fraction = price.partition(".")
    return int(whole) * ATTO + int(fraction.ljust(18, "0") if fraction else 0)


def observations_in(journal: Path, *, torn: bool = False) -> list[Observation]:
    """Every observation of a journal folder, in the order of its segments. Fails on damage, but for a torn last line
    if `torn` allows it."""
    found: list[Observation] = []
    for segment in segments(journal):
        batch = read(segment, finished=is_finished(segment))
        damage = [each for each in batch.damage if not (torn and "torn" in each.reason)]
        assert not damage, (segment, damage)
        found += [from_record(record) for record in batch.records if "type" not in record]
    return found


class Ended(NamedTuple):
    """How an application ended and what it wrote (stdout and stderr)."""

    code: int
    output: str


class Rig:
    """One test's provider, folders and applications."""

    def __init__(self, folder: Path, stand_in: OpenAIStandIn, started: Children) -> None:
        self.folder, self.stand_in, self._started = folder, stand_in, started
        self.home = folder / "home"
        self.journal = self.home / "journal"

    def environment(self, changes: Mapping[str, str]) -> dict[str, str]:
        """A clean environment: our journal and nothing exported, then the changes of the test."""
        return {
            **clean_environment(),
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            "OPENAI_BASE_URL": self.stand_in.url,
            "OPENAI_API_KEY": "sk-test",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_GENAI_COST_JOURNAL": str(self.journal),
            "OTEL_GENAI_COST_STREAM_USAGE_HOSTS": "127.0.0.1",
            "PYTHONUNBUFFERED": "1",
            **changes,
        }

    def start(self, scenario: str, *arguments: str, **changes: str) -> Child:
        """Start a scenario of caller.py under `opentelemetry-instrument`."""
        return self.start_command(
            scenario, [sys.executable, "-m", "tests.e2e.caller", scenario, *arguments], changes
        )

    def start_command(self, name: str, command: list[str], changes: Mapping[str, str]) -> Child:
        """Start any command under `opentelemetry-instrument`."""
        (self.folder / "tmp").mkdir(exist_ok=True)
        log = self.folder / f"{name}-{len(self._started)}.log"
        return self._started.start(name, instrumented(*command), log, self.environment(changes))

    def run(self, scenario: str, *arguments: str, **changes: str) -> Ended:
        """Run a scenario to its end."""
        child = self.start(scenario, *arguments, **changes)
        code = child.wait(_ENDS_WITHIN_S)
        return Ended(code, child.output())

    def charged(self) -> list[Position]:
        """What the ledger books for it: one position a charge and tenant."""
        ship(self.home, [self.journal], drain=True)
        ledger = Ledger(self.home / LEDGER_FILE, readonly=True)
        try:
            return [position for charge in charges(ledger) for position in charge.positions]
        finally:
            ledger.close()

    def observations(self, *, torn: bool = False) -> list[Observation]:
        """What the applications journalled."""
        return observations_in(self.journal, torn=torn)
