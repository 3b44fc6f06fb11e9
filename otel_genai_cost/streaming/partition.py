"""Which observations must come to one worker: those that may be one response have one key. Pure."""

from __future__ import annotations

from typing import Final, Literal

from otel_genai_cost.journal.observation import Observation

__all__ = ["PARTITIONS", "PartitionBy", "key_of", "partition_key"]

PartitionBy = Literal["cell", "trace"]
"""What a stream is cut by."""

_NO_CELL: Final = "|"
"""What names no cell is one: brokers would spread messages without a key over all partitions."""

PARTITIONS: Final[tuple[PartitionBy, ...]] = ("cell", "trace")


def partition_key(observation: Observation, by: PartitionBy) -> str:
    """The key of an observation. It decides where it is settled, and is part of no id.

    Args:
        observation: what is to be settled.
        by: `cell`, which loses nothing where processes that may tell of one response share a cell; or `trace`, which
            cuts a cell further, and loses what is proved across traces: by a response id, or by two scopes' views.
    """
    return key_of(observation.origin.cell, observation.trace_id, by)


def key_of(cell: str | None, trace_id: str, by: PartitionBy) -> str:
    """The key of what is about an observation; see `partition_key`.

    Args:
        cell: the observation's.
        trace_id: the observation's.
        by: see there.
    """
    return cell or _NO_CELL if by == "cell" else f"{cell}|{trace_id}"
