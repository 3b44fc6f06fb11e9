"""The corpus: what real client calls left behind as spans, and what the provider really billed for them."""

from __future__ import annotations

import gzip
import json
import lzma
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from otel_genai_cost.otlp.json_request import json_request
from otel_genai_cost.pricing.rate import TariffSource
from otel_genai_cost.replay.batch import Replayed, replay
from otel_genai_cost.replay.recordings import Recording
from tests.usage.recorded import billable_of

__all__ = ["CORPUS", "Case", "cases", "replayed"]

CORPUS: Final = Path(__file__).resolve().parents[1] / "corpus"
_OPEN: Final[Mapping[str, Callable[..., IO[str]]]] = {".gz": gzip.open, ".xz": lzma.open}


class Case(NamedTuple):
    """One recorded case. `billable` is the normalised usage of each reply that was billed."""

    case_id: str
    billable: Sequence[Mapping[str, Any]]
    otlp: Mapping[str, Any]

    @property
    def instrumentation(self) -> str:
        return self.case_id.split("/")[0]


def cases(*folders: Path) -> Iterator[Case]:
    """Every case in the folders; without one, the packed corpus and the recordings of other languages."""
    paths = [path for folder in folders for path in sorted(folder.glob("*.jsonl*"))]
    for path in paths or _corpus():
        if path.is_file():
            opener = _OPEN.get(path.suffix)
            with opener(path, "rt", encoding="utf-8") if opener else path.open() as lines:
                yield from (_case(json.loads(line)) for line in lines)


def _corpus() -> list[Path]:
    return [*sorted(CORPUS.glob("recordings*.jsonl*")), *sorted(CORPUS.glob("*/*.jsonl.gz"))]


def _case(record: Mapping[str, Any]) -> Case:
    return Case(record["case_id"], billable_of(record), record["otlp"])


def replayed(case: Case, book: TariffSource) -> list[Replayed]:
    """What `genai-cost replay --separate` makes of a case."""
    return list(replay([Recording(1, json_request(case.otlp))], book))
