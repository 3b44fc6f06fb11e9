"""What became of the observations of a batch, in the order of the spans, though it is known in that of components.

A few thousand wait in memory, which is enough where the spans of a trace come about together; the others wait on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from otel_genai_cost.journal.codec import decode, encode_lossy
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import from_record, to_record
from otel_genai_cost.pricing.cost import Cost
from otel_genai_cost.replay.batch_file import BatchFile
from otel_genai_cost.tenancy.attribution import Attribution

__all__ = ["Charged", "InOrder", "Replayed"]

_WAITING_MAX: Final = 4_096


class Charged(NamedTuple):
    """What a response comes to: `richest` has its usage, and the cost and attribution of the whole charge."""

    charge_id: str
    richest: Observation
    flags: tuple[str, ...] = ()

    @property
    def cost(self) -> Cost:
        """The charge's."""
        return self.richest.cost

    @property
    def attribution(self) -> Attribution:
        """For whom it is."""
        return self.richest.attribution


class Replayed(NamedTuple):
    """What became of an observation: `charge` (the member that ended first, with the verdict), `duplicate` of one,
    `context`, or `ignored` for the reason given."""

    recording: int
    observation: Observation
    kind: str
    rule: int | None = None
    verdict: Charged | None = None
    ignored: str | None = None


class InOrder:
    """Takes results in any order, and gives them in that of their numbers."""

    def __init__(self, file: BatchFile) -> None:
        self._file = file
        self._waiting: dict[int, Replayed] = {}
        self._next = self._later = 0

    def put(self, n: int, one: Replayed) -> None:
        """Note what became of the observation of a number."""
        if len(self._waiting) < _WAITING_MAX:
            self._waiting[n] = one
        else:
            self._later += 1
            self._file.put("later", (n, encode_lossy(_record(one))))

    def until(self, end: int) -> Iterator[Replayed]:
        """What there is from where the last call ended up to that number (excluded)."""
        for n in range(self._next, end):
            one = self._waiting.pop(n, None) or (self._read(n) if self._later else None)
            if one is not None:
                yield one
        self._next = max(self._next, end)

    def _read(self, n: int) -> Replayed | None:
        for (body,) in self._file.ask("SELECT body FROM later WHERE n = ?", n):
            self._later -= 1
            return _replayed(decode(body))
        return None


def _record(one: Replayed) -> dict[str, Any]:
    verdict = one.verdict
    return {
        **one._asdict(),
        "observation": to_record(one.observation),
        "verdict": verdict and [verdict.charge_id, to_record(verdict.richest), verdict.flags],
    }


def _replayed(record: dict[str, Any]) -> Replayed:
    record["observation"] = from_record(record["observation"])
    if record["verdict"] is not None:
        charge_id, richest, flags = record["verdict"]
        record["verdict"] = Charged(charge_id, from_record(richest), tuple(flags))
    return Replayed(**record)
