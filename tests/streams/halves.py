"""More observations than a machine settles twice in one go: the ledger's half and the job's are kept in files.

Usage: python -m tests.streams.halves ledger KEY OBSERVATIONS FILE
       python -m tests.streams.halves job KEY OBSERVATIONS KILLS SLOTS FILE
       python -m tests.streams.halves compare LEDGER_FILE JOB_FILE
"""

from __future__ import annotations

import pickle
import sys
import tempfile
from pathlib import Path

from otel_genai_cost.streaming.partition import PARTITIONS, PartitionBy
from tests.streams.flink import flink_over_kafka
from tests.streams.killed import Booked, Told, compared, told_by_a_job, told_by_a_ledger


def _ledger(by: PartitionBy, observations: str, file: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _keep(told_by_a_ledger(Path(folder) / "home", by, int(observations)), Path(file))


def _job(by: PartitionBy, observations: str, kills: str, slots: str, file: str) -> None:
    with flink_over_kafka(int(slots), quick=False) as (cluster, server, folder):
        told = told_by_a_job(cluster, server, folder, by, int(observations), int(kills))
    _keep(told, Path(file))


def _keep(half: Booked | Told, file: Path) -> None:
    with file.open("wb") as kept:
        pickle.dump(half, kept)


def _compare(ledger_file: str, job_file: str) -> None:
    ledger: Booked = pickle.loads(Path(ledger_file).read_bytes())
    job: Told = pickle.loads(Path(job_file).read_bytes())
    settled = compared(job, ledger)
    print(f"{settled}: {'equal' if settled.is_equal else 'not equal'}")


if __name__ == "__main__":
    half, *rest = sys.argv[1:]
    if half == "compare":
        _compare(*rest)
    else:
        keys: dict[str, PartitionBy] = {one: one for one in PARTITIONS}
        (_ledger if half == "ledger" else _job)(keys[rest[0]], *rest[1:])
