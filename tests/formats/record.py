"""Records what this version writes, for later versions to read: `python -m tests.formats.record`.

It writes `tests/formats/<version>/`, once for each release and never again: a journal with its books and marks, the
ledger of it, a backup, the gate's own description of what it answers, and the figures that all of them come to.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.forwarding.folder import FORMAT as POSITION
from otel_genai_cost.forwarding.folder import JournalFolder, Life, Position
from otel_genai_cost.gate.openapi import document
from otel_genai_cost.gate.service import ROUTES
from otel_genai_cost.journal.ingested import MARKS
from otel_genai_cost.journal.open_segment import FORMAT as SEGMENT
from otel_genai_cost.journal.reader import is_finished, read, segments
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.storage.backups import back_up
from otel_genai_cost.ledger.storage.identity import FORMAT as IDENTITY
from otel_genai_cost.ledger.storage.identity import identity_of, promote
from otel_genai_cost.ledger.storage.schema import FORMAT as LEDGER
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.pricing.document import SCHEMA
from otel_genai_cost.pricing.money import format_money
from tests.demo.processes import ROOT
from tests.formats.statements import record_statements
from tests.metering.programs import run
from tests.pricing.books import price_file

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "HERE",
    "booked",
    "delivery_formats",
    "figures_of",
    "formats",
    "record",
    "record_delivery",
    "version",
]

HERE: Final = Path(__file__).parent
_BOOK: Final = price_file("gpt-4o-mini", "input = 0.15\noutput = 0.6\ncache_read = 0.075")
_PROGRAM: Final = """
from otel_genai_cost import split, system
trace.set_tracer_provider(TracerProvider())
install()
with tenant("acme", plan="pro", feature="chat"):
    call()
    call(**{"gen_ai.usage.cache_read.input_tokens": 400, "gen_ai.response.id": "response-1"})
    held = trace.get_tracer("app").start_span("chat", attributes={
        key: value for key, value in {**CALL, "gen_ai.request.stream": True}.items()
        if ".usage." not in key})
with tenant("bolt"):
    call(**{"gen_ai.request.model": "a-model-without-a-price"})
    call()
with split({"acme": 1, "bolt": 3}):
    call()
with system("evaluation"):
    call()
call()
"""
"""Calls of two tenants, shared, the platform's own, nobody's, without a price, and one that never ends."""


def version() -> str:
    """The version that the project says it is, in the one place where that stands."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def formats() -> dict[str, Any]:
    """The numbers of what this version writes."""
    return {"book": SCHEMA, "ledger": LEDGER, "segment": SEGMENT}


def figures_of(entries: Iterable[Entry]) -> dict[str, Any]:
    """What entries come to: calls, unpriced calls and amounts by tenant, and a digest of all of them."""
    calls: Counter[str] = Counter()
    unpriced: Counter[str] = Counter()
    amounts: Counter[str] = Counter()
    lines: list[str] = []
    for entry in entries:
        whose = entry.attribution.tenant or entry.attribution.absent or ""
        calls[whose] += entry.calls
        unpriced[whose] += entry.unpriced
        amounts[whose] += entry.amount or 0
        facts = (entry.id, entry.charge_id, entry.revision, whose, entry.calls, entry.amount)
        lines.append(json.dumps(facts))
    return {
        "calls": dict(sorted(calls.items())),
        "unpriced": dict(sorted(unpriced.items())),
        "amounts": {whose: format_money(amounts[whose]) for whose in sorted(amounts)},
        "entries": sha256("\n".join(sorted(lines)).encode()).hexdigest(),
    }


def booked(home: Path) -> dict[str, Any]:
    """The figures of a ledger, as it stands."""
    with closing(Ledger(home / LEDGER_FILE, readonly=True)) as ledger:
        return figures_of(ledger.entries)


def record(folder: Path) -> None:
    """Write what this version writes.

    Args:
        folder: A new folder for it.
    """
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch) / "home"
        home.mkdir()
        (home / "book.toml").write_text(_BOOK, encoding="utf-8")
        ran = run(_PROGRAM, home, {"OTEL_GENAI_COST_BOOK": str(home / "book.toml")})
        assert ran.code == 0, ran.stderr
        journal = home / "journal"
        ship(home, [journal], drain=True)
        assert not (home / f"{LEDGER_FILE}-wal").exists()  # all of it stands in the file
        packed = gzip.compress((home / LEDGER_FILE).read_bytes(), mtime=0)
        (folder / f"{LEDGER_FILE}.gz").write_bytes(packed)
        back_up(home, folder / "backup.tar.gz")
        shutil.copytree(journal, folder / "journal")
        shutil.copy(home / "book.toml", folder)
        found = [read(one, finished=is_finished(one)).records for one in segments(journal)]
        told = {
            "formats": formats(),
            "figures": booked(home),
            "observations": sum("type" not in each for records in found for each in records),
            "starts": sum(each.get("type") == "start" for records in found for each in records),
            "marks": sorted(path.name for path in (folder / "journal" / MARKS).glob("*")),
        }
    _write(folder / "figures.json", told)
    record_delivery(folder / "delivery")
    record_statements(folder / "statements")
    described = {**document(ROUTES), "info": {"title": "genai-cost gate"}}
    _write(folder / "gate.json", described)


def delivery_formats() -> dict[str, int]:
    """The numbers of what stands beside a journal that is sent, and in the folder of whoever receives it."""
    return {"identity": IDENTITY, "position": POSITION}


def record_delivery(folder: Path) -> None:
    """Write what a sender and its receiver note: a journal of which one segment is acknowledged to its end and one in
    part, its price book, who acknowledged; and who receives, twice promoted.

    Args:
        folder: a new folder for it.
    """
    home = folder / "receiver"
    identity_of(home)
    promote(home)
    identity = promote(home)
    life = Life(identity.id, identity.epoch)
    noted = JournalFolder(folder / "journal")
    noted.keep("finished", Position(4_096, True, life), durable=True)
    noted.keep("written", Position(1_024, False, life))
    noted.keep("begun", Position(0, False, None))
    noted.keep_receiver(life)
    _write(folder / "delivery.json", {"formats": delivery_formats(), "life": list(life)})


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> int:
    folder = HERE / version()
    if folder.exists():
        print(f"{folder} is there already; what was released is never recorded again")
        return 1
    record(folder)
    print(
        f"{folder}: {sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()):,} bytes"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
