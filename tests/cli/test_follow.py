"""`genai-cost ship --follow` in a process of its own, while its price files and contracts change under it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.whole_files import replace_file
from tests.cli.command import PROGRAM
from tests.ledger.build import observe
from tests.ledger.rerating.test_terms import HALF, HOUSE

_WITHIN_S = 60.0


class _Following:
    """A shipper, its home, and what it says."""

    def __init__(self, folder: Path) -> None:
        self.home, self.log = folder / "home", folder / "log"
        self.overlay, self.contracts = folder / "own.toml", folder / "contracts.toml"
        self._calls = 0

    def call(self, model: str) -> None:
        """A call of somebody's, journalled."""
        self._calls += 1
        n = self._calls
        journal = Journal([self.home / "journal"])
        journal.append(to_record(observe(n, trace=n, start_s=n, end_s=n + 1, model=model)))
        journal.close()

    def entries(self) -> list[Entry]:
        if not (self.home / LEDGER_FILE).exists():
            return []
        ledger = Ledger(self.home / LEDGER_FILE, readonly=True)
        try:
            return list(ledger.entries)
        finally:
            ledger.close()

    def amounts(self) -> list[int]:
        return [entry.amount for entry in self.entries()]

    def wait(self, holds: Callable[[], bool]) -> None:
        give_up_s = time.monotonic() + _WITHIN_S
        while not holds():
            assert time.monotonic() < give_up_s, (self.amounts(), self.log.read_text())
            time.sleep(0.1)


@contextmanager
def _following(folder: Path) -> Generator[_Following]:
    found = _Following(folder)
    found.overlay.write_text(HOUSE.replace("house-model", "another-model"))
    found.contracts.write_text(HALF)
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    settings = {
        "OTEL_GENAI_COST_OVERLAYS": str(found.overlay),
        "OTEL_GENAI_COST_CONTRACTS": str(found.contracts),
    }
    with found.log.open("w") as log:
        shipper = subprocess.Popen(
            [PROGRAM, "ship", "--follow", "--drain", "--ledger", str(found.home)],
            env={**clean, **settings},
            stdout=log,
            stderr=log,
        )
    try:
        yield found
        shipper.terminate()
        assert shipper.wait(30) == 0
    finally:
        shipper.kill()
        shipper.wait()


def test_shipper_follows_its_price_files_and_contracts(tmp_path: Path) -> None:
    with _following(tmp_path) as shipper:
        shipper.call("house-model")
        shipper.wait(lambda: len(shipper.entries()) == 1)
        assert shipper.entries()[0].reason == "unknown_model"

        replace_file(shipper.overlay, b"broken")
        shipper.wait(lambda: "the price book changed and cannot be used" in shipper.log.read_text())
        replace_file(shipper.overlay, HOUSE.encode())
        shipper.wait(lambda: len(shipper.entries()) == 3)
        # 1,100 tokens at $1 a million, halved by contract
        assert sum(shipper.amounts()) == parse_money("0.00055")
        assert sum(entry.unpriced for entry in shipper.entries()) == 0

        replace_file(shipper.contracts, HALF.replace("0.5", "-5").encode())
        shipper.wait(lambda: "the contracts file changed and cannot be" in shipper.log.read_text())
        shipper.call("gpt-4o-2024-08-06")
        shipper.wait(lambda: len(shipper.entries()) == 4)
        assert shipper.amounts()[-1] == parse_money("0.00175")

        replace_file(shipper.contracts, HALF.replace("0.5", "0.1").encode())
        shipper.wait(lambda: "the contracts changed" in shipper.log.read_text())
        shipper.call("gpt-4o-2024-08-06")
        shipper.wait(lambda: len(shipper.entries()) == 5)
        assert shipper.amounts()[-1] == parse_money("0.00035")
        assert sum(entry.calls for entry in shipper.entries()) == 3
