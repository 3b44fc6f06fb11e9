"""Parquet by the hour: what counts, what a kill leaves, and that closed hours stay as they are, byte for byte."""

from __future__ import annotations

import errno
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from otel_genai_cost.errors import ConfigurationError, FormatTooNewError, GenAICostError
from otel_genai_cost.ledger.day_sums import compared, day_sums
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark, Publisher
from otel_genai_cost.pricing.money import parse_money
from otel_genai_exporters.entry_columns import COLUMNS, row_of
from otel_genai_exporters.hourly.places import Folder, Found, ObjectStore
from otel_genai_exporters.hourly.sink import ParquetSink
from tests.exporters.entries import entries, with_amount

_HOUR_US = 3_600_000_000
_HOUR = "2026-11-18T11"


class _Killed(BaseException):
    """As a kill: nothing that comes after it runs."""


class _Dying(Folder):
    """A folder whose process is killed before or after its nth change of it, or that refuses it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.left = -1
        self.is_after = False
        self.error: BaseException = _Killed()

    def _change(self, change: Callable[[], None]) -> None:
        self.left -= 1
        if self.left == 0 and not self.is_after:
            raise self.error
        change()
        if self.left == 0:
            raise self.error

    def put(self, name: str, content: bytes) -> None:
        self._change(lambda: Folder.put(self, name, content))

    def swap(self, name: str, content: bytes, known: Found | None) -> None:
        self._change(lambda: Folder.put(self, name, content))

    def delete(self, names: list[str]) -> None:
        self._change(lambda: Folder.delete(self, names))


def _at(entry: Entry, hours: int, booked_after: int = 0) -> Entry:
    """That entry in a later hour, booked so many hours after the call."""
    occurred_us = entry.occurred_us + hours * _HOUR_US
    return entry._replace(occurred_us=occurred_us, booked_us=occurred_us + booked_after * _HOUR_US)


def _over(count: int, hours: int, first: int = 1) -> list[Entry]:
    """Entries over some hours, each with an amount of its own that needs every digit."""
    return [
        with_amount(_at(one, one.seq % hours), 10**15 + one.seq) for one in entries(count, first)
    ]


def _read(sink: ParquetSink, folder: Path) -> list[tuple[object, ...]]:
    """Every row that counts, as another reader of Parquet finds it."""
    files = [str(folder / one.name) for one in sink.files()]
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    return db.execute(
        "SELECT seq, id, epoch_us(occurred), amount, tenant FROM read_parquet(?) ORDER BY seq",
        [files],
    ).fetchall()


def _wanted(given: list[Entry]) -> list[tuple[object, ...]]:
    return [
        (
            one.seq,
            one.id,
            one.occurred_us,
            Decimal(one.amount).scaleb(-18),
            one.attribution.tenant,
        )
        for one in given
    ]


def test_each_hour_in_which_calls_occurred_has_files_of_its_own(tmp_path: Path) -> None:
    sink, given = ParquetSink(tmp_path / "state", str(tmp_path)), _over(30, hours=3)
    sink.append("ledger", given)
    assert [one.name.partition("/")[0] for one in sink.files()] == [
        f"hour=2026-11-18T{hour}" for hour in (11, 12, 13)
    ]
    assert _read(sink, tmp_path) == _wanted(given)


def test_types_are_those_that_other_readers_know(tmp_path: Path) -> None:
    sink = ParquetSink(tmp_path / "state", str(tmp_path))
    sink.append("ledger", entries(1))
    (file,) = sink.files()
    rows = duckdb.execute(
        "SELECT name, logical_type FROM parquet_schema(?)", [str(tmp_path / file.name)]
    ).fetchall()
    kinds = {name: str(kind) for name, kind in rows}
    assert [name for name, _ in rows[1:]] == list(COLUMNS)
    assert "scale=18, precision=38" in kinds["amount"]
    assert "isAdjustedToUTC=1" in kinds["occurred"]
    compressions = duckdb.execute(
        "SELECT DISTINCT compression FROM parquet_metadata(?)", [str(tmp_path / file.name)]
    ).fetchall()
    assert compressions == [("ZSTD",)]


def test_every_column_of_an_entry_is_there(tmp_path: Path) -> None:
    sink, (entry,) = ParquetSink(tmp_path / "state", str(tmp_path)), entries(1)
    sink.append("ledger", [entry])
    (file,) = sink.files()
    columns = ", ".join(
        f"epoch_us({name})" if kind == "instant" else name for name, kind in COLUMNS.items()
    )
    (row,) = duckdb.execute(
        f"SELECT {columns} FROM read_parquet(?)", [str(tmp_path / file.name)]
    ).fetchall()
    exact = tuple(parse_money(one) if isinstance(one, Decimal) else one for one in row)
    assert exact == row_of(entry, int)


@pytest.mark.parametrize("atto", [1, -1, 10**18 + 1, -(9 * 10**37 + 1), 2**63])
def test_money_is_exact(tmp_path: Path, atto: int) -> None:
    sink = ParquetSink(tmp_path / "state", str(tmp_path))
    sink.append("ledger", [with_amount(entries(1)[0], atto)])
    assert [one.amount for one in sink.days(1)] == [atto]


def test_what_does_not_fit_is_an_error_and_changes_nothing(tmp_path: Path) -> None:
    sink = ParquetSink(tmp_path / "state", str(tmp_path))
    sink.append("ledger", entries(1))
    with pytest.raises(GenAICostError, match="Parquet"):
        sink.append("ledger", [with_amount(entries(1, first=2)[0], 10**38)])
    assert (sink.mark(), len(sink.files())) == (Mark("ledger", 1), 1)


def test_days_are_the_ledgers_to_the_digit(tmp_path: Path) -> None:
    sink, given = ParquetSink(tmp_path / "state", str(tmp_path)), _over(200, hours=50)
    for start in range(0, 200, 40):
        sink.append("ledger", given[start : start + 40])
    for seq in (0, 77, 200):
        days = [*compared(sink.days(seq), day_sums(given, seq))]
        by_tenant = [*compared(sink.tenant_days(seq), day_sums(given, seq, by_tenant=True))]
        assert all(day.is_equal for day in (*days, *by_tenant))
        assert len(days) == len(by_tenant) == (3 if seq else 0)


def test_files_of_an_open_hour_are_put_together_and_nothing_is_lost(tmp_path: Path) -> None:
    sink, given = ParquetSink(tmp_path / "state", str(tmp_path)), _over(40, hours=1)
    for one in given:
        sink.append("ledger", [one])
    assert [file.entries for file in sink.files()] == [16, 16, *[1] * 8]
    assert _read(sink, tmp_path) == _wanted(given)


def test_a_closed_hour_stays_as_it_is_and_corrections_are_new_files(tmp_path: Path) -> None:
    sink, given = ParquetSink(tmp_path / "state", str(tmp_path)), entries(5)
    for one in given:
        sink.append("ledger", [one._replace(booked_us=one.occurred_us)])
    later = _at(entries(1, first=6)[0], hours=4)
    sink.append("ledger", [later])  # the hour has been over for more than two
    (closed,) = sink.files(_HOUR)
    content = (tmp_path / closed.name).read_bytes()
    correction = with_amount(entries(1, first=7)[0], -5)._replace(booked_us=later.booked_us)
    sink.append("ledger", [correction])
    assert sink.files(_HOUR)[0] == closed
    assert [file.entries for file in sink.files(_HOUR)] == [5, 1]
    assert (tmp_path / closed.name).read_bytes() == content
    for n in range(8, 60):
        sink.append("ledger", [_at(entries(1, first=n)[0], hours=n)])
    assert sink.files(_HOUR)[0] == closed
    assert (tmp_path / closed.name).read_bytes() == content


def test_the_same_entries_are_the_same_bytes(tmp_path: Path) -> None:
    names: list[list[tuple[str, bytes]]] = []
    for place in ("one", "other"):
        sink = ParquetSink(tmp_path / "state", str(tmp_path / place))
        sink.append("ledger", _over(50, hours=2))
        names.append([(one.name, (tmp_path / place / one.name).read_bytes()) for one in sink.files()])  # fmt: skip
    assert names[0] == names[1]


def test_what_counted_is_kept_for_who_has_read_the_manifest_before(tmp_path: Path) -> None:
    now_us = [0]
    sink = ParquetSink.at(Folder(tmp_path), lambda: now_us[0])
    for one in entries(15):
        sink.append("ledger", [one])
    read_before = [one.name for one in sink.files()]
    sink.append("ledger", entries(1, first=16))  # puts them together
    now_us[0] = _HOUR_US - 1
    ParquetSink.at(Folder(tmp_path), lambda: now_us[0]).append("ledger", entries(1, first=17))
    assert all((tmp_path / name).exists() for name in read_before)
    now_us[0] = _HOUR_US
    sink.append("ledger", entries(1, first=18))
    assert not any((tmp_path / name).exists() for name in read_before)


def test_what_no_longer_counts_goes_though_nothing_is_booked(tmp_path: Path) -> None:
    now_us = [0]
    sink = ParquetSink.at(Folder(tmp_path), lambda: now_us[0])
    assert isinstance(sink, Publisher)
    sink.publish()
    for one in entries(16):
        sink.append("ledger", [one])
    names = {path.name for path in tmp_path.rglob("*.parquet")}
    now_us[0] = _HOUR_US - 1
    sink.publish()
    assert {path.name for path in tmp_path.rglob("*.parquet")} == names
    now_us[0] = _HOUR_US
    again = ParquetSink.at(Folder(tmp_path), lambda: now_us[0])  # another process
    for each in (again, sink):
        each.publish()
        (left,) = tmp_path.rglob("*.parquet")
    assert [left.relative_to(tmp_path).as_posix()] == [one.name for one in sink.files()]
    assert (sink.mark(), *(day.entries for day in sink.days(16))) == (Mark("ledger", 16), 16)


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("nth", range(1, 9))
def test_killed_at_any_point_the_batch_that_comes_again_changes_nothing_twice(
    tmp_path: Path, nth: int, *, is_after: bool
) -> None:
    given = _over(80, hours=2)
    place = _Dying(tmp_path)
    sink = ParquetSink.at(place, lambda: 0)
    for start in range(0, 60, 4):
        sink.append("ledger", given[start : start + 4])
    place.left, place.is_after = nth, is_after
    batch = [one._replace(booked_us=one.occurred_us + 9 * _HOUR_US) for one in given[60:]]
    with pytest.raises(_Killed):  # two files, two put together, the day, the manifest
        for start in range(0, 20, 5):
            sink.append("ledger", batch[start : start + 5])
    again = ParquetSink.at(Folder(tmp_path), lambda: 0)
    mark = again.mark()
    assert mark is not None
    again.append("ledger", batch[: mark.seq - 60 + 3])  # in other pieces
    again.append("ledger", batch)
    again.append("ledger", batch)
    assert again.mark() == Mark("ledger", 80)
    assert _read(again, tmp_path) == _wanted(given)
    _assert_no_orphans(again, tmp_path)


def _assert_no_orphans(sink: ParquetSink, folder: Path) -> None:
    """Everything there counts, or did until a moment ago."""
    kept = {one.name for one in sink.files()} | {name for name, _ in sink._read()[1].superseded}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet*")}
    assert found <= kept


@pytest.mark.parametrize("nth", range(1, 5))
def test_full_disk_is_an_error_and_later_all_is_there(tmp_path: Path, nth: int) -> None:
    given, place = _over(20, hours=2), _Dying(tmp_path)
    sink = ParquetSink.at(place, lambda: 0)
    sink.append("ledger", given[:10])
    place.left, place.error = nth, OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="No space left"):
        sink.append("ledger", given[10:])
    assert sink.mark() == Mark("ledger", 10)
    assert _read(sink, tmp_path) == _wanted(given[:10])
    place.left = -1
    sink.append("ledger", given[10:])
    assert _read(sink, tmp_path) == _wanted(given)


def test_strangers_files_are_left_alone(tmp_path: Path) -> None:
    strange = [tmp_path / name for name in ("mine.parquet", "hour=x/1.parquet", "days/notes.txt")]
    for path in strange:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    sink = ParquetSink(tmp_path / "state", str(tmp_path))
    sink.append("ledger", entries(3))
    sink.reset()
    assert [path.read_text() for path in strange] == ["mine"] * 3
    assert not list(tmp_path.glob("hour=2026*/*"))


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
def test_a_file_that_is_gone_or_changed_is_noticed(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    sink = ParquetSink(tmp_path / "state", str(tmp_path))
    sink.append("ledger", entries(3))
    damage(tmp_path / sink.files()[0].name)
    with pytest.raises(GenAICostError, match="sinks refill"):
        list(sink.days(3))


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format": 1}', b"\xff"])
def test_damaged_manifest_is_told_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(GenAICostError, match=r"manifest\.json is damaged"):
        ParquetSink(tmp_path / "state", str(tmp_path)).mark()


def test_manifest_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"format": 2}')
    with pytest.raises(FormatTooNewError, match="upgrade"):
        ParquetSink(tmp_path / "state", str(tmp_path)).mark()


@pytest.mark.parametrize("to", ["", "ftp://host/x", "s3:/", "nothing://x"])
def test_what_is_no_place_is_refused(tmp_path: Path, to: str) -> None:
    with pytest.raises(ConfigurationError):
        ParquetSink(tmp_path, to, region="" if "://" in to else "eu-west-1")


def test_two_writers_of_one_place_in_a_store_are_told(tmp_path: Path) -> None:
    store = ObjectStore("memory:///", {})
    one, other = (ParquetSink.at(store, lambda: 0) for _ in range(2))
    one.append("ledger", entries(3))
    before = store.get("manifest.json")
    other.append("ledger", entries(5))
    with pytest.raises(GenAICostError, match="another writer"):
        store.swap("manifest.json", b"{}", before)
    with pytest.raises(GenAICostError, match="another writer"):
        store.swap("manifest.json", b"{}", None)
    assert one.mark() == Mark("ledger", 5)
    assert [day.entries for day in one.days(5)] == [5]
