"""Writers and shippers that are killed at random, with segments that are taken away meanwhile: nothing that was
acknowledged is lost, nothing is doubled, what did not end is unfinished."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.store import Ledger

_WRITER = """
import os, sys
from pathlib import Path
from otel_genai_cost.journal.bound import Bound
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.pricing.cost import unpriced
from tests.ledger.build import observe
journal, first = Journal([Path(sys.argv[1])], bound=Bound(segment_bytes=40_000)), int(sys.argv[2])
said = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
for n in range(first, first + 10_000):
    call = observe(n, trace=n, start_s=n, end_s=n + 1, tokens=(n, 5))
    begun = call._replace(cost=unpriced("unfinished"), end_us=call.start_us)
    if journal.append({"type": "start", **to_record(begun)}):
        os.write(said, b"start %s\\n" % call.id.encode())
    if n % 7 == 0:
        continue
    if journal.append(to_record(call)):
        os.write(said, b"end %s\\n" % call.id.encode())
"""

_SHIPPER = """
import sys
from pathlib import Path
from otel_genai_cost.ledger.daemon import ship
home = Path(sys.argv[1])
while True:
    ship(home, [home / "journal"], drain=True)
"""


def test_kills_at_random_points_with_a_live_shipper(tmp_path: Path) -> None:
    draw, journal = random.Random(3), tmp_path / "journal"
    said = tmp_path / "said"
    for turn in range(3):
        writers = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-c",
                    _WRITER,
                    str(journal),
                    str(100_000 * (3 * turn + one) + 1),
                    str(said),
                ]
            )
            for one in range(2)
        ]
        shippers = [
            subprocess.Popen(
                [sys.executable, "-c", _SHIPPER, str(tmp_path)], stderr=subprocess.DEVNULL
            )
            for _ in range(2)
        ]
        while not said.exists():
            time.sleep(0.05)
        time.sleep(draw.uniform(0.8, 1.6))
        for process in draw.sample([*writers, *shippers], 4):
            time.sleep(draw.uniform(0.0, 0.2))
            process.send_signal(signal.SIGKILL)
            process.wait()
    ship(tmp_path, [journal], drain=True)
    lines = said.read_text().splitlines()
    started = {line.split()[1] for line in lines if line.startswith("start")}
    ended = {line.split()[1] for line in lines if line.startswith("end")}
    assert started and ended
    ledger = Ledger(tmp_path / LEDGER_FILE, readonly=True)
    nets: dict[str, tuple[int, int, int]] = {}
    for entry in ledger.entries:
        calls, unpriced, amount = nets.get(entry.charge_id, (0, 0, 0))
        nets[entry.charge_id] = (
            calls + entry.calls,
            unpriced + entry.unpriced,
            amount + entry.amount,
        )
    assert {calls for calls, _, _ in nets.values()} == {1}
    assert nets.keys() >= started | ended
    assert all(nets[one][1] == 0 and nets[one][2] > 0 for one in ended)
    priced = {one for one, (_, unpriced, _) in nets.items() if not unpriced}
    assert priced >= ended, (
        "an end may be written by a writer that was killed before it could say so"
    )
    assert list(ledger.started.open()) == []
    ledger.close()
