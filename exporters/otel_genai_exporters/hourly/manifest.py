"""What counts of the files in a place, as values and as JSON. Pure.

One file, the manifest, names a file for each day, and that the day's Parquet files by the hour in which calls occurred.
Files never change; the manifest alone is replaced, and holds the mark, so that entries and mark are there together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import FormatTooNewError, GenAICostError
from otel_genai_cost.ledger.sink import Mark

__all__ = [
    "MANIFEST",
    "DataFile",
    "Hours",
    "Manifest",
    "day_name",
    "hour_of",
    "is_ours",
    "is_over",
    "manifest_of",
    "name_of",
    "read_day",
    "without_gone",
    "written",
    "written_day",
]

MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_GRACE_US: Final = 7_200_000_000
"""How long after its end an hour is still put together anew; by then nearly all of its calls are booked."""

_HOUR_US: Final = 3_600_000_000


class DataFile(NamedTuple):
    """A Parquet file that counts.

    Attributes:
        name: where it is.
        first_seq, last_seq: of its entries.
        entries: how many.
        size: bytes.
        digest: SHA-256 of its bytes.
        level: how often it was put together of others; -1 since the hour was closed.
    """

    name: str
    first_seq: int
    last_seq: int
    entries: int
    size: int
    digest: str
    level: int


Hours = Mapping[str, tuple[DataFile, ...]]
"""A day's files by hour, such as `2026-11-18T11`, in the order in which they came."""


class Manifest(NamedTuple):
    """What counts.

    Attributes:
        mark: whose entries there are, and the last; None if there are none.
        days: the name of the file of each day.
        open_hours: those that may still be put together anew.
        superseded: files that counted until somebody may still read them, and when that ends, unix microseconds.
    """

    mark: Mark | None
    days: Mapping[str, str]
    open_hours: tuple[str, ...]
    superseded: tuple[tuple[str, int], ...]


def without_gone(manifest: Manifest, now_us: int) -> tuple[Manifest, list[str]]:
    """What counts, without the files that nobody reads any more, and those.

    Args:
        manifest: what counts.
        now_us: the time, unix microseconds.
    """
    gone = [name for name, end_us in manifest.superseded if end_us <= now_us]
    left = tuple(one for one in manifest.superseded if one[1] > now_us)
    return manifest._replace(superseded=left), gone


def hour_of(us: int) -> str:
    """The hour of an instant, UTC.

    Args:
        us: unix microseconds.
    """
    return (_EPOCH + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H")


def is_over(hour: str, booked_us: int) -> bool:
    """Whether an hour is closed once something was booked at a time.

    Args:
        hour: see `hour_of`.
        booked_us: unix microseconds.
    """
    began = datetime.strptime(hour, "%Y-%m-%dT%H").replace(tzinfo=timezone.utc)
    return booked_us >= (began - _EPOCH) // timedelta(microseconds=1) + _HOUR_US + _GRACE_US


def name_of(hour: str, first_seq: int, last_seq: int, digest: str) -> str:
    """Where a Parquet file goes; the same content has the same name.

    Args:
        hour: in which its calls occurred.
        first_seq: of its entries.
        last_seq: of its entries.
        digest: of its bytes.
    """
    return f"hour={hour}/{first_seq:012d}-{last_seq:012d}-{digest[:16]}.parquet"


_OWN: Final = re.compile(
    r"(hour=\d{4}-\d\d-\d\dT\d\d/\.?\d{12,}-\d{12,}-[0-9a-f]{16}\.parquet|days/\.?\d{4}-\d\d-\d\d-[0-9a-f]{16}\.json)(\.new)?"
)


def is_ours(name: str) -> bool:
    """Whether a file is one that this sink has written, or has begun to.

    Args:
        name: of any file in the place.
    """
    return _OWN.fullmatch(name) is not None


def day_name(day: str, content: bytes) -> str:
    """Where the file of a day goes.

    Args:
        day: it.
        content: of the file.
    """
    return f"days/{day}-{blake2b(content, digest_size=8).hexdigest()}.json"


def written_day(hours: Hours) -> bytes:
    """The file of a day."""
    record = {hour: [list(one) for one in files] for hour, files in sorted(hours.items())}
    return json.dumps({"columns": DataFile._fields, "hours": record}, indent=1).encode()


def read_day(content: bytes, where: str) -> dict[str, tuple[DataFile, ...]]:
    """The hours of a day's file.

    Args:
        content: of the file.
        where: it is, for messages.

    Raises:
        GenAICostError: if it is damaged.
    """
    try:
        hours = json.loads(content)["hours"]
        return {hour: tuple(_files(files)) for hour, files in hours.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(where, error) from None


def _files(files: Iterable[Any]) -> Iterable[DataFile]:
    return (DataFile(*one) for one in files)


def written(manifest: Manifest) -> bytes:
    """The manifest as a file."""
    mark = manifest.mark
    record = {
        "format": _FORMAT,
        "ledger_id": None if mark is None else mark.ledger_id,
        "seq": 0 if mark is None else mark.seq,
        "days": dict(sorted(manifest.days.items())),
        "open_hours": sorted(manifest.open_hours),
        "superseded": [list(one) for one in manifest.superseded],
    }
    return json.dumps(record, indent=1).encode()


def manifest_of(content: bytes | None, where: str) -> Manifest:
    """What counts by a manifest's file; nothing without one.

    Args:
        content: of the file.
        where: it is, for messages.

    Raises:
        FormatTooNewError: if a newer version wrote it.
        GenAICostError: if it is damaged.
    """
    if content is None:
        return Manifest(None, {}, (), ())
    try:
        record = json.loads(content)
        if record["format"] > _FORMAT:
            raise FormatTooNewError(where, record["format"], _FORMAT)
        owner = record["ledger_id"]
        return Manifest(
            None if owner is None else Mark(str(owner), int(record["seq"])),
            dict(record["days"]),
            tuple(record["open_hours"]),
            tuple((str(name), int(until_us)) for name, until_us in record["superseded"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(where, error) from None


def _damaged(where: str, error: Exception) -> GenAICostError:
    return GenAICostError(
        f"{where} is damaged ({type(error).__name__}); delete it: `genai-cost ship` writes everything again"
    )
