"""A sink of Parquet files: what was booked at a time goes to files of the hours in which its calls occurred.

Files are written first, and count once the manifest that names them has replaced the last one. A process that is killed
between leaves files that nobody reads, and that the next one deletes. A batch that comes again makes the same files.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.day_sums import DaySum
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark
from otel_genai_exporters.duckdb import duckdb_library
from otel_genai_exporters.hourly.manifest import (
    MANIFEST,
    DataFile,
    Manifest,
    day_name,
    is_ours,
    is_over,
    manifest_of,
    name_of,
    read_day,
    without_gone,
    written,
    written_day,
)
from otel_genai_exporters.hourly.places import Found, Place, place_of
from otel_genai_exporters.hourly.tables import Batch, Part, put_together, sums_in, written_by_hour

__all__ = ["ParquetSink"]

_AT_ONCE: Final = 20_000
_TOGETHER: Final = 16
"""So many files of one level are put together to one of the next, while their hour is open."""

_CLOSED: Final = -1
_READ_AT_ONCE: Final = 64
_NEVER_US: Final = 1 << 62
_READ_FOR_US: Final = 3_600_000_000
"""How long a file that no longer counts is kept for those who have read the manifest before."""

_OPTIONS: Final = {
    "to": "a folder, or s3://bucket/prefix, gs://bucket/prefix, az://container/prefix",
    "endpoint": "the address of a store that is not the provider's own",
    "region": "of an S3 bucket",
    "access_key_id": "of S3; default: as AWS's own tools find it",
    "secret_access_key": "of S3",
    "service_account": "of Google, the path of a key; default: as Google's own tools find it",
    "account_name": "of Azure",
    "account_key": "of Azure; default: as Azure's own tools find it",
}


class ParquetSink:
    """Entries in Parquet files.

    Args:
        path: not used; what the sink knows stands in the manifest.
        to: see `options`.
        store: the others of `options`, for an object store.

    Raises:
        ConfigurationError: if that is no place.
        MissingExtraError: without duckdb, or, for an object store, obstore.
    """

    entries_at_once = _AT_ONCE

    def __init__(self, path: Path, to: str, **store: str) -> None:
        duckdb_library()
        self.endpoint = to
        self._place = place_of(to, {key: value for key, value in store.items() if value})
        self._clock_us: Callable[[], int] = lambda: time.time_ns() // 1000
        self._is_swept = False
        self._gone_from_us = 0
        """When the next of what no longer counts may be deleted, unix microseconds."""

    @classmethod
    def options(cls) -> Mapping[str, str]:
        """What each option means."""
        return _OPTIONS

    @classmethod
    def at(cls, place: Place, clock_us: Callable[[], int]) -> ParquetSink:
        """A sink of any other place.

        Args:
            place: it.
            clock_us: the time, unix microseconds.
        """
        sink = cls(Path(), to=".")
        sink._place, sink._clock_us = place, clock_us
        return sink

    def mark(self) -> Mark | None:
        return self._read()[1].mark

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        self.load(ledger_id, entries)

    def load(self, ledger_id: str, entries: Iterable[Entry]) -> None:
        found, manifest = self._read()
        seq = 0 if manifest.mark is None else manifest.mark.seq
        fresh = (entry for entry in entries if entry.seq > seq)
        with tempfile.TemporaryDirectory() as folder:
            batch = written_by_hour(fresh, Path(folder))
            if not batch.last_seq:
                return
            if not self._is_swept:
                self._sweep(found, manifest)
            change = _Change(self._place, manifest, Path(folder), self._clock_us())
            change.add(batch)
            self._replace(found, *change.manifest(Mark(ledger_id, batch.last_seq)))

    def publish(self) -> None:
        """Delete what no longer counts once its time is over, though nothing is booked. See `Publisher`."""
        now_us = self._clock_us()
        if now_us < self._gone_from_us:
            return
        found, manifest = self._read()
        kept, gone = without_gone(manifest, now_us)
        if gone:
            self._replace(found, kept, gone)
        else:
            self._look_again(manifest)

    def _replace(self, found: Found | None, manifest: Manifest, gone: list[str]) -> None:
        """Have another manifest in the place of the one that was found, and delete what nobody reads any more then."""
        self._place.swap(MANIFEST, written(manifest), found)
        self._look_again(manifest)
        self._place.delete(gone)

    def _look_again(self, manifest: Manifest) -> None:
        self._gone_from_us = min((us for _, us in manifest.superseded), default=_NEVER_US)

    def reset(self) -> None:
        found, _ = self._read()
        empty = Manifest(None, {}, (), ())
        self._place.swap(MANIFEST, written(empty), found)
        self._sweep(found, empty)

    def close(self) -> None:
        """Nothing is held."""

    def files(self, hour: str | None = None) -> list[DataFile]:
        """The files that count, in the order of days and of their coming.

        Args:
            hour: only of this one, such as `2026-11-18T11`.
        """
        _, manifest = self._read()
        days = [hour[:10]] if hour is not None else sorted(manifest.days)
        found = (_day(self._place, manifest, day) for day in days)
        return [
            one
            for hours in found
            for name, files in sorted(hours.items())
            for one in files
            if hour in (None, name)
        ]

    def days(self, upto_seq: int) -> Iterator[DaySum]:
        return self._sums(upto_seq, by_tenant=False)

    def tenant_days(self, upto_seq: int) -> Iterator[DaySum]:
        return self._sums(upto_seq, by_tenant=True)

    def _sums(self, upto_seq: int, *, by_tenant: bool) -> Iterator[DaySum]:
        files = [one for one in self.files() if one.first_seq <= upto_seq]
        for start in range(0, len(files), _READ_AT_ONCE):
            with tempfile.TemporaryDirectory() as folder:
                paths = [
                    _brought(self._place, one, Path(folder))
                    for one in files[start : start + _READ_AT_ONCE]
                ]
                yield from sums_in(paths, upto_seq, by_tenant=by_tenant)

    def _read(self) -> tuple[Found | None, Manifest]:
        found = self._place.get(MANIFEST)
        where = f"{self.endpoint}/{MANIFEST}"
        return found, manifest_of(None if found is None else found.content, where)

    def _sweep(self, found: Found | None, manifest: Manifest) -> None:
        """Delete what a process that was killed has left."""
        named = {MANIFEST, *manifest.days.values(), *(name for name, _ in manifest.superseded)}
        for day in manifest.days:
            hours = _day(self._place, manifest, day).values()
            named.update(one.name for files in hours for one in files)
        left = [name for name in self._place.names() if is_ours(name) and name not in named]
        self._place.delete(left)
        self._is_swept = True


class _Change:
    """What becomes of a manifest when entries come.

    Args:
        place: of the files.
        manifest: as it was.
        folder: for files on their way.
        now_us: unix microseconds.
    """

    def __init__(self, place: Place, manifest: Manifest, folder: Path, now_us: int) -> None:
        self._place, self._before, self._folder, self._now_us = place, manifest, folder, now_us
        self._days: dict[str, dict[str, tuple[DataFile, ...]]] = {}
        self._open = set(manifest.open_hours)
        self._superseded: list[str] = []

    def add(self, batch: Batch) -> None:
        """Put files of a batch there, and put together what has become many or is over.

        Args:
            batch: what was written.
        """
        for part in batch.parts:
            files = self._files(part.hour)
            if not files:
                self._open.add(part.hour)
            self._set(part.hour, (*files, self._put(part, 0)))
        for hour in sorted(self._open):
            if is_over(hour, batch.booked_us):
                self._open.remove(hour)
                self._together(hour, self._files(hour), _CLOSED)
            else:
                self._thin(hour)

    def manifest(self, mark: Mark) -> tuple[Manifest, list[str]]:
        """The new one, and what nobody reads any more once it is there; the days that changed are put there first.

        Args:
            mark: after the last entry.
        """
        days = dict(self._before.days)
        for day, hours in self._days.items():
            content = written_day(hours)
            name = day_name(day, content)
            if days.get(day, name) != name:
                self._superseded.append(days[day])
            self._place.put(name, content)
            days[day] = name
        until_us = self._now_us + _READ_FOR_US
        left = (*self._before.superseded, *((name, until_us) for name in self._superseded))
        return without_gone(Manifest(mark, days, tuple(self._open), left), self._now_us)

    def _thin(self, hour: str) -> None:
        level = 0
        while True:
            files = [one for one in self._files(hour) if one.level == level]
            if len(files) < _TOGETHER:
                return
            self._together(hour, files, level + 1)
            level += 1

    def _together(self, hour: str, files: Sequence[DataFile], level: int) -> None:
        """Have one file for several, in the place of the first of them."""
        if len(files) > 1:
            paths = [_brought(self._place, one, self._folder) for one in files]
            part = put_together(paths, hour, self._folder / f"{hour}-{level}.parquet")
            one = self._put(part, level)
            self._superseded += [old.name for old in files]
            left = [old for old in self._files(hour) if old not in files]
            self._set(hour, (one, *left))

    def _put(self, part: Part, level: int) -> DataFile:
        content = part.path.read_bytes()
        digest = sha256(content).hexdigest()
        name = name_of(part.hour, part.first_seq, part.last_seq, digest)
        self._place.put(name, content)
        return DataFile(
            name=name,
            first_seq=part.first_seq,
            last_seq=part.last_seq,
            entries=part.entries,
            size=len(content),
            digest=digest,
            level=level,
        )

    def _files(self, hour: str) -> tuple[DataFile, ...]:
        day = hour[:10]
        if day not in self._days:
            self._days[day] = _day(self._place, self._before, day)
        return self._days[day].get(hour, ())

    def _set(self, hour: str, files: Sequence[DataFile]) -> None:
        self._days[hour[:10]][hour] = tuple(files)


def _day(place: Place, manifest: Manifest, day: str) -> dict[str, tuple[DataFile, ...]]:
    """The files of a day by hour."""
    name = manifest.days.get(day)
    if name is None:
        return {}
    found = place.get(name)
    if found is None:
        raise _lost(name)
    return read_day(found.content, name)


def _brought(place: Place, one: DataFile, folder: Path) -> Path:
    """A file, here, as it was written."""
    found = place.get(one.name)
    if found is None or sha256(found.content).hexdigest() != one.digest:
        raise _lost(one.name)
    path = folder / f"{one.digest}.parquet"
    path.write_bytes(found.content)
    return path


def _lost(name: str) -> GenAICostError:
    return GenAICostError(
        f"{name} is not as it was written, or gone; `genai-cost sinks refill` and the next ship write everything again"
    )
