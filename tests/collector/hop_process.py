"""`genai-cost collector serve` in a process of its own, as it is run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from otel_genai_cost.journal.observation import Observation
from tests.cli.command import PROGRAM
from tests.demo.processes import Child, Children
from tests.demo.stage import clean_environment
from tests.e2e.rig import observations_in


class HopProcess(NamedTuple):
    """A process that serves a hop by both protocols, and where. Its journal is below `ledger`."""

    child: Child
    grpc: str
    http: str
    status: str
    ledger: Path

    def observations(self) -> list[Observation]:
        """All that the journal has, of other processes too; of one that was killed the last line may be torn."""
        return observations_in(self.ledger / "journal", torn=True)

    def memory_mib(self, which: str = "VmHWM") -> int:
        """The most memory that the process ever had."""
        status = Path(f"/proc/{self.child.process.pid}/status").read_text()
        found = re.search(rf"{which}:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) // 1024


def hop_process(
    family: Children,
    ledger: Path,
    to: str,
    *options: str,
    grpc: str = "127.0.0.1:0",
    http: str = "127.0.0.1:0",
    env: Mapping[str, str] | None = None,
) -> HopProcess:
    """Start one, and wait until it serves."""
    log = ledger / f"hop-{len(family)}.log"
    where = ("--listen", grpc, "--listen-http", http, "--listen-status", "127.0.0.1:0")
    command = [PROGRAM, "collector", "serve", *where, "--to", to, "--ledger", str(ledger), *options]
    child = family.start("hop", command, log, {**clean_environment(), **(env or {})})
    child.find(r"^journal: ")
    return HopProcess(
        child,
        child.find(r"come to (127\S+), and"),
        child.find(r"come to (http\S+), and"),
        child.find(r"status: (http\S+)/healthz"),
        ledger,
    )
