"""Pages of a large ledger, while entries are booked.

    python -m tests.bench.pages FOLDER ENTRIES [SECONDS]

makes a store of so many entries of 300 tenants and 13 months there (or takes the one that is there), asks each page
over and over for so many seconds while every second 500 more are booked, and prints how long pages took, and how much
memory.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import partial
from hashlib import md5
from pathlib import Path
from typing import Final

import duckdb
from starlette.testclient import TestClient

from otel_genai_cost.ledger.daemon import ship
from otel_genai_cost.pages.answering import Answering
from otel_genai_cost.pages.app import application
from otel_genai_cost.pages.data import Source
from otel_genai_cost.pages.figures import Figures
from otel_genai_cost.pages.kept_parts import KeptParts
from otel_genai_cost.pages.remembered import Remembered
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_exporters.duckdb import COLUMNS
from tests.bench.measure import Result, alternate

_LEDGER: Final = "generated"
_STORE: Final = "charges.duckdb"
_NOW_US: Final = microseconds("2026-10-28T12:00:00Z")
_HOUR_US: Final = 3_600_000_000
_MONTHS_S: Final = 33_900_000
_NEW: Final = 500
_ENTRIES: Final = 1_000_000
_ROUNDS: Final = 8
_MOST: Final = 0.9
_WAIT_S: Final = 60.0

PAGES: Final = {
    "overview, a month": "/",
    "overview, a month in a zone": "/?tz=Europe/Berlin",
    "overview, 13 months in a zone": "/?period=all&tz=Europe/Berlin",
    "overview by model, 13 months": "/?period=all&by=model",
    "tenants, a month": "/tenants",
    "tenants, 13 months in a zone": "/tenants?period=all&tz=Asia/Kolkata",
    "a tenant, a month": "/tenant?tenant=t007",
    "a tenant, 13 months": "/tenant?tenant=t007&period=all",
    "models, a month": "/models",
    "models, 13 months": "/models?period=all",
    "a model": "/models?model=model-3",
    "actions, a month": "/actions",
    "actions by model, a month": "/actions?by=model",
    "actions, 13 months": "/actions?period=all",
    "an action": f"/action?id={md5(b'3000').hexdigest()}",
    "calls, a month": "/calls",
    "overview, 7 days": "/?from=2026-10-21T12:00:00Z",
    "search": "/search?q=t00",
}
_COMPARED: Final = (
    "overview, a month in a zone",
    "overview, 13 months in a zone",
    "a tenant, 13 months",
    "models, 13 months",
    "actions, 13 months",
)

_ROWS: Final = """INSERT INTO entries BY NAME
WITH numbered AS (
    SELECT i, i - CAST(i % 10000 = 9999 AS BIGINT) AS call, (call // 8) % 1170 AS place,
           ((call // 8) // 1170 * 36 + CAST(floor((sqrt(841 + 8 * place) - 29) / 2) AS BIGINT)) * 8 + call % 8 AS act
    FROM range($3, $4) r(i)
)
SELECT i + 1 AS seq, md5(i::VARCHAR) AS id, md5(call::VARCHAR) AS charge_id,
 CAST(i <> call AS INTEGER) AS revision, CASE WHEN i = call THEN 'settled' ELSE 'late' END AS cause,
 make_timestamp($1 + CAST(call * $2 AS BIGINT)) AS occurred, occurred AS booked,
 't' || lpad((hash(act) % 300)::VARCHAR, 3, '0') AS tenant, 'baggage' AS tenant_source,
 'f' || (hash(act + 7) % 12) AS feature, 'a' || (hash(call + 1) % 4) AS agent,
 md5(act::VARCHAR) AS "action", 'svc' || (hash(call + 2) % 5) AS service, 'openai' AS provider,
 'model-' || (hash(call + 3) % 8) AS model, 'chat' AS operation,
 CASE WHEN call % 200 = 0 THEN 'unknown_model' END AS reason,
 'reported' AS quality, CAST(i = call AS INTEGER) AS calls,
 CASE WHEN i = call AND call % 200 = 0 THEN 1 ELSE 0 END AS unpriced,
 CASE WHEN i = call THEN 2000 + hash(i + 5) % 5000 ELSE 10 END AS input_tokens, hash(i + 6) % 900 AS output_tokens,
 '[{"kind":"list","leaf":"cache_read","unit_price":"0.' || (1 + hash(call + 3) % 8) ||
 '","per":1000000},{"kind":"list","leaf":"input","unit_price":"' || (1 + hash(call + 3) % 8) || '","per":1000000}]'
 AS lines, '{}' AS labels,
 '{"input":' || (hash(i + 5) % 5000) || ',"output":' || (hash(i + 6) % 900)
 || CASE WHEN call % 3 = 0 THEN ',"cache_read":' || (hash(i + 9) % 2000) ELSE '' END || '}' AS usage,
 CAST((hash(i + 11) % 1000000) / 1000000000.0 AS DECIMAL(38, 18)) AS amount, 'USD' AS currency, 'abc' AS book,
 '' AS flags, amount AS price, 'USD' AS price_currency
FROM numbered"""
"""Actions of 15 to 50 calls, eight at a time, each of one tenant; a third of the calls read from a cache; each ten
thousandth entry corrects the one before it."""


def _more(store: Path, first: int, last: int, whole: int) -> None:
    """Entries of a range; those after the whole are of the time after it."""
    begin_us = microseconds("2025-10-01T00:00:00Z")
    with closing(duckdb.connect(str(store))) as db:
        heads = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        db.execute(f"CREATE TABLE IF NOT EXISTS entries ({heads})")
        db.execute("CREATE TABLE IF NOT EXISTS position (ledger_id VARCHAR, seq BIGINT)")
        db.execute("BEGIN")
        db.execute(_ROWS, [begin_us, _MONTHS_S * 1_000_000 / whole, first, last])
        db.execute("DELETE FROM position")
        db.execute("INSERT INTO position VALUES (?, ?)", [_LEDGER, last])
        db.execute("COMMIT")


def _now_us() -> int:
    """A time of the thirteenth month that goes on."""
    return _NOW_US + time.monotonic_ns() // 1000 % _HOUR_US


class Booked:
    """Pages of so many entries, and more of these.

    Args:
        folder: where they are, or are made.
        entries: how many.
    """

    def __init__(self, folder: Path, entries: int) -> None:
        self._store, self._whole = folder / _STORE, entries
        if not self._store.exists():
            _more(self._store, 0, entries, entries)
        ship(folder, [folder / "journal"], drain=True, sinks=[])
        self.figures = Figures(folder)
        self._last = self._follow()
        source = Source(self.figures, folder, (), lambda digest: None, _now_us)
        self.client = TestClient(
            application(source, answering=Answering(_WAIT_S)), base_url="http://127.0.0.1"
        )

    def _follow(self) -> int:
        last = self.figures._kept.copy_from(self._store, _LEDGER)
        self.figures.standing = self.figures._standing(_LEDGER, last)
        return last

    def book(self) -> None:
        """Book some more."""
        _more(self._store, self._last, self._last + _NEW, self._whole)
        self._last = self._follow()

    def ask(self, address: str) -> int:
        """How long a page is, on the wire."""
        answer = self.client.get(address)
        assert answer.status_code == 200, answer.text
        return int(answer.headers.get("content-length") or 0)

    def forget(self) -> None:
        """So that the next page is made anew."""
        self.figures.sums = Remembered()
        self.figures.parts = KeptParts()
        self.figures._kept.forget(())


@contextmanager
def booked(folder: Path, entries: int) -> Generator[Booked, None, None]:
    """Pages of so many entries, until the end of the block."""
    found = Booked(folder, entries)
    try:
        with found.client:
            yield found
    finally:
        found.figures.close()


def pages() -> Iterator[Result]:
    """What is remembered, and what is new added to it, beside everything made anew."""
    with tempfile.TemporaryDirectory() as folder, booked(Path(folder), _ENTRIES) as found:
        for name in _COMPARED:
            yield _compared(found, name, PAGES[name])


def _compared(found: Booked, name: str, address: str) -> Result:
    def ours() -> None:
        found.ask(address)

    def anew() -> None:
        found.forget()
        found.ask(address)

    found.book()
    pair = alternate(ours, anew, calls=1, rounds=_ROUNDS)
    return Result(
        f"{name}, {_ENTRIES:,} entries",
        pair.ours_us / 1000,
        pair.theirs_us / 1000,
        "every sum made anew",
        "ms",
        pair.ratio,
        f"<= {_MOST}",
        pair.noise,
    )


def _timed(ask: Callable[[], int]) -> tuple[float, float, int]:
    """How long it takes, how long of processors, and what it gives."""
    begin_s, processors_s = time.perf_counter(), time.process_time()
    length = ask()
    return time.perf_counter() - begin_s, time.process_time() - processors_s, length


def main(folder: Path, entries: int, seconds: float) -> None:
    """Print how long pages take while entries are booked."""
    folder.mkdir(parents=True, exist_ok=True)
    with booked(folder, entries) as found:
        cold = {name: _timed(partial(found.ask, address)) for name, address in PAGES.items()}
        stop = threading.Event()

        def book() -> None:
            while not stop.wait(1.0):
                found.book()

        booking = threading.Thread(target=book)
        booking.start()
        heads = ("cold", "its CPU", "p50", "p95", "CPU", "bytes")
        print(f"{'':34} {' '.join(f'{one:>8}' for one in heads)}  (ms)")
        for name, address in PAGES.items():
            took: list[float] = []
            processors_s = time.process_time()
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                took.append(_timed(partial(found.ask, address))[0])
            took.sort()
            first_s, first_processors_s, length = cold[name]
            each_s = (time.process_time() - processors_s) / len(took)
            ranks = took[len(took) // 2], took[int(len(took) * 0.95)]
            row = (first_s, first_processors_s, *ranks, each_s)
            print(f"{name:34} {' '.join(f'{one * 1000:8.0f}' for one in row)} {length:8,}")
        stop.set()
        booking.join()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"at most {most} MB resident; CPU is of all processors, with what is booked meanwhile")
    print(f"{os.getloadavg()[0]:.0f} processes were waiting for {os.cpu_count()} processors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 10.0)
