"""What a call costs on top of the client: the rows of `make bench`, and of all tools for the README and the docs.

    python -m tests.bench.calls.compare [PART OF A TOOL'S NAME…]

measures every tool, or those named, and writes `outcomes.json`, from which `make docs` makes the tables.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.bench.calls.measure import Added, added
from tests.bench.calls.mocked import CHUNKS, Shape
from tests.bench.calls.variants import OPENAI, OTHERS, OURS, VARIANTS, Client
from tests.bench.counting import counter
from tests.bench.measure import Result

__all__ = ["OUTCOMES", "Outcomes", "calls", "chunk", "other_clients", "recorded"]

OUTCOMES: Final = Path(__file__).with_name("outcomes.json")
_SHAPES: Final[dict[Shape, str]] = {
    "plain": "a call",
    "async": "an async call",
    "stream": "a stream of 200 chunks",
}
_MORE: Final = CHUNKS["stream"] - CHUNKS["short_stream"]


class Outcomes(NamedTuple):
    """A measured comparison: when, on what, and what each tool added. Without `counted` there are times alone."""

    day: str
    machine: str
    counted: bool
    rows: tuple[Added, ...]


def calls(clients: Sequence[Client] = OPENAI) -> Iterator[Result]:
    """Ours against OpenTelemetry's own without a price, and a chunk of a stream against the client's own work on it.

    Args:
        clients: Whose calls.
    """
    if counter() is None:
        print("  (valgrind or cc is missing: the rows of calls are CPU times, not instructions)")
    for client in clients:
        streams: dict[Shape, Added] = {}
        for shape, name in _SHAPES.items():
            if shape != "async" or client.is_async:
                ours, theirs = added((OURS, client.theirs), client, shape)
                streams[shape] = ours
                yield _against(f"{name}, {client.name}", ours, theirs)
        [streams["short_stream"]] = added((OURS,), client, "short_stream")
        yield chunk(streams["stream"], streams["short_stream"])


other_clients: Final = partial(calls, OTHERS)
"""The same of all clients but `openai`."""


def _against(name: str, ours: Added, theirs: Added) -> Result:
    """What ours adds to the client as a multiple of what theirs does."""
    mine, other, unit = _figures(ours.minstr, theirs.minstr, ours.cpu_us, theirs.cpu_us)
    return Result(name, mine, other, theirs.variant, unit, mine / other, "<= 1.00", 0.0)


def chunk(long: Added, short: Added) -> Result:
    """What ours adds to a chunk, as a share of what the client spends on it."""
    mine, other, unit = _figures(
        _per_chunk(long.minstr, short.minstr),
        _per_chunk(long.client_minstr, short.client_minstr),
        (long.cpu_us - short.cpu_us) / _MORE,
        (long.client_cpu_us - short.client_cpu_us) / _MORE,
    )
    return Result(
        f"a chunk, {long.client}", mine, other, "the client", unit, mine / other, "<= 0.05", 0.0
    )


def _per_chunk(long: float | None, short: float | None) -> float | None:
    return None if long is None or short is None else (long - short) / _MORE


def _figures(
    ours_minstr: float | None, theirs_minstr: float | None, ours_us: float, theirs_us: float
) -> tuple[float, float, str]:
    """Instructions where they were counted, else times."""
    if ours_minstr is None or theirs_minstr is None:
        return ours_us, theirs_us, "us"
    return ours_minstr, theirs_minstr, "Minstr"


def recorded() -> Outcomes:
    """What was written down last; nothing yet, if there is no such file."""
    if not OUTCOMES.exists():
        return Outcomes("", "", counter() is not None, ())
    found: dict[str, Any] = json.loads(OUTCOMES.read_text("utf-8"))
    rows = tuple(Added(**row) for row in found["rows"])
    return Outcomes(found["day"], found["machine"], found["counted"], rows)


def main(parts: Sequence[str]) -> int:
    """Measure everybody with every client and shape; what is found is written down as it is found."""
    chosen = [one for one in VARIANTS if not parts or any(part in one.name for part in parts)]
    for shape in ("plain", "stream", "short_stream", "async"):
        for client in reversed(OPENAI):
            rows = added([one for one in chosen if client.version in one.openai], client, shape)
            for row in rows:
                print(_line(row), flush=True)
            _write(rows)
    return 0


def _write(rows: Sequence[Added]) -> None:
    """Keep the rows; what was found earlier stays, but for these."""
    found = {_place(row): row for row in (*recorded().rows, *rows)}
    day = datetime.now(timezone.utc).date().isoformat()
    machine = f"Python {platform.python_version()}, {platform.system()}, {platform.machine()}"
    outcomes = Outcomes(
        day, machine, counter() is not None, tuple(found[key] for key in sorted(found))
    )
    document = {**outcomes._asdict(), "rows": [row._asdict() for row in outcomes.rows]}
    OUTCOMES.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _place(row: Added) -> tuple[str, str, str]:
    return row.client, row.shape, row.variant


def _line(row: Added) -> str:
    counted = "not counted" if row.minstr is None else f"{row.minstr:8.3f} Minstr"
    return f"{row.client:16} {row.shape:12} {row.variant:44} {counted} {row.cpu_us:8.0f} us"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
