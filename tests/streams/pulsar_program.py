"""Sends entries to Pulsar until it is killed, or done: python -m tests.streams.pulsar_program URL TOPIC FILE."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from otel_genai_exporters.streams.pulsar_sink import PulsarSink
from tests.exporters.entries import entries

__all__ = ["ENTRIES", "LEDGER"]

ENTRIES: Final = 3_000
LEDGER: Final = "ledger-1"
_AT_ONCE: Final = 150


def main(url: str, topic: str, path: str) -> None:
    sink = PulsarSink(Path(path), topic, url=url)
    booked = entries(ENTRIES)
    print("begun", flush=True)
    mark = sink.mark()
    for first in range(mark.seq if mark else 0, ENTRIES, _AT_ONCE):
        sink.append(LEDGER, booked[first : first + _AT_ONCE])
    sink.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
