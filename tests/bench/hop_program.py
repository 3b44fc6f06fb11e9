"""The measured program: `genai-cost` with the hop's work on a request done in one of several ways.

    python hop_program.py WAY ARGUMENT…

runs the command with these arguments. WAY is `hop`, as it is; `protobuf`, the same by protobuf's own library; or `raw`,
nothing at all.

    python hop_program.py WAY count REQUESTS FOLDER [counter.so]

does the work alone on the requests in a file, each behind its length in 4 bytes; callgrind counts in the second half.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.cli import main as command
from otel_genai_cost.collector.hop import Hop
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.profiles import decorator
from otel_genai_cost.pricing.load import load_book
from tests.collector.oracle import by_protobuf

__all__ = ["WAYS"]


def _raw(hop: Hop, request: bytes, metadata: object = ()) -> bytes:
    return request


WAYS: Final[Mapping[str, Callable[..., bytes | ValueError]]] = {
    "hop": Hop.passed_on,
    "protobuf": by_protobuf,
    "raw": _raw,
}


def _requests(path: Path) -> Iterator[bytes]:
    written, at = path.read_bytes(), 0
    while at < len(written):
        size = int.from_bytes(written[at : at + 4], "big")
        yield written[at + 4 : at + 4 + size]
        at += 4 + size


def _count(
    way: Callable[..., bytes | ValueError], requests: str, folder: str, counter_so: str = ""
) -> None:
    """Do the work on every request, to warm up and to be counted."""
    hop = Hop(load_book(), Journal([Path(folder, "journal")]), decorator(()))
    sent = list(_requests(Path(requests)))
    for request in sent[: len(sent) // 2]:
        way(hop, request)
    counter: Any = ctypes.CDLL(counter_so) if counter_so else None
    if counter is not None:
        counter.start_counting()
    for request in sent[len(sent) // 2 :]:
        way(hop, request)
    if counter is not None:
        counter.stop_counting()


def main(way: str, *arguments: str) -> None:
    """Run what is asked for."""
    if arguments[0] == "count":
        _count(WAYS[way], *arguments[1:])
        return
    Hop.passed_on = WAYS[way]  # type: ignore[method-assign,assignment]
    sys.argv[1:] = arguments
    command()


if __name__ == "__main__":
    main(*sys.argv[1:])
