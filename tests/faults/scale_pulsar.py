"""The sink of Pulsar, whose feeder and whose cluster are killed in the midst of batches."""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import GenAICostError
from otel_genai_exporters.streams.pulsar_sink import PulsarSink
from tests.demo.processes import wait_until
from tests.exporters.entries import entries
from tests.faults.row import Row
from tests.faults.scale_databases import judged, killed_feeder
from tests.faults.sink_program import LEDGER, sums
from tests.streams.pulsar_server import Pulsar, pulsar
from tests.streams.pulsar_topic import PulsarTopic

__all__ = ["rows"]

_KILLS, _KILLS_SHORT = 20, 1
_BATCH: Final = 100
_FED_WITHIN_S: Final = 180.0
_AFTER_S: Final = 0.5


def rows(short: bool) -> Iterator[Row]:
    """A row for each that is killed."""
    with tempfile.TemporaryDirectory() as folder, pulsar(Path(folder)) as server:
        PulsarTopic(server.url, "entries")
        yield killed_feeder("Pulsar", "pulsar", Path(sys.executable), server.url, short)
        yield _broker_killed(server, Path(folder), _KILLS_SHORT if short else _KILLS)


class _Feeder(threading.Thread):
    """What a shipper does: it feeds a sink from its own mark, and after an error again."""

    def __init__(self, sink: PulsarSink) -> None:
        super().__init__(daemon=True)
        self._sink, self._ended = sink, threading.Event()
        self.seq = 0

    def run(self) -> None:
        while not self._ended.is_set():
            with suppress(GenAICostError):
                mark = self._sink.mark()
                self.seq = mark.seq if mark else 0
                self._sink.append(LEDGER, entries(_BATCH, first=self.seq + 1))

    def fed(self) -> int:
        """Feed it for a while yet; how many entries it was given."""
        self.wait_for_more()
        self._ended.set()
        self.join()
        mark = self._sink.mark()
        return mark.seq if mark else 0

    def wait_for_more(self) -> None:
        """Wait until two batches more are there."""
        seq = self.seq
        wait_until(lambda: self.seq >= seq + 2 * _BATCH, "entries to be sent", _FED_WITHIN_S)


def _broker_killed(server: Pulsar, folder: Path, kills: int) -> Row:
    began_s, chance = time.monotonic(), random.Random(19)
    PulsarTopic(server.url, "killed")
    sink = PulsarSink(folder / "aside.sqlite", "killed", url=server.url)
    feeder = _Feeder(sink)
    feeder.start()
    for _ in range(kills):
        feeder.wait_for_more()
        time.sleep(chance.uniform(0, _AFTER_S))
        server.kill()
        server.start()
    made = feeder.fed()
    found = {"days": sums(sink.days(made)), "summed": None}
    sink.close()
    return judged(f"Pulsar: {kills} SIGKILLs of the cluster in mid-batch", made, found, began_s)
