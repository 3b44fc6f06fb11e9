"""What ours adds to a call of other clients that OpenTelemetry has an instrumentation for: the rows of `make bench`."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.calls.client_program import CHUNKS
from tests.bench.counting import KEPT, counter, million_instructions, run_program
from tests.bench.measure import Result
from tests.environments.made import python_with

__all__ = ["LIBRARIES", "clients"]

_PROGRAM: Final = Path(__file__).with_name("client_program.py")
_CALLS: Final[Mapping[str, int]] = {"plain": 100, "stream": 20, "short_stream": 40}
_TIMED: Final = 3
_MORE: Final = CHUNKS["stream"] - CHUNKS["short_stream"]


class Library(NamedTuple):
    """A client, in the newest version that OpenTelemetry's instrumentation works with, and that."""

    name: str
    version: str
    theirs: str


LIBRARIES: Final = (
    Library("anthropic", "2.14.0", "opentelemetry-instrumentation-genai-anthropic==1.3b0"),
    Library("google-genai", "2.34.0", "opentelemetry-instrumentation-google-genai==1.3b0"),
)


def clients() -> Iterator[Result]:
    """Ours against OpenTelemetry's own without a price, and a chunk of a stream against the client's work on it."""
    unit = "us" if counter() is None else "Minstr"
    for library in LIBRARIES:
        client = f"{library.name} {library.version}"
        alone = _cost(library, "plain", "none")
        ours, theirs = (
            _cost(library, "plain", setup) - alone for setup in ("ours", "opentelemetry")
        )
        peer = library.theirs.replace("==", " ")
        yield Result(f"a call, {client}", ours, theirs, peer, unit, ours / theirs, "<= 1.00", 0.0)
        own = _of_a_chunk(library, "none")
        added = _of_a_chunk(library, "ours") - own
        yield Result(
            f"a chunk, {client}", added, own, "the client", unit, added / own, "<= 0.05", 0.0
        )


def _of_a_chunk(library: Library, setup: str) -> float:
    return (_cost(library, "stream", setup) - _cost(library, "short_stream", setup)) / _MORE


@cache
def _cost(library: Library, shape: str, setup: str) -> float:
    """Of a call: million instructions, or microseconds of CPU time where those cannot be counted."""
    if counter() is None:
        return min(float(_run(library, shape, setup).stdout) for _ in range(_TIMED))
    done = _run(library, shape, setup, counter())
    return million_instructions(done) / _CALLS[shape]


def _run(
    library: Library, shape: str, setup: str, counted_by: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """With its journal in a folder on disk that is gone afterwards."""
    packages = (f"{library.name}=={library.version}", library.theirs)
    python = python_with(KEPT, *packages, "opentelemetry-sdk", ours="[fast]")
    with tempfile.TemporaryDirectory(dir=KEPT) as folder:
        command = [str(python), str(_PROGRAM), library.name, shape, setup, folder]
        return run_program([*command, str(_CALLS[shape])], Path(folder), counted_by)
