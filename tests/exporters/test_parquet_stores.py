"""Parquet in object stores: the same as in a folder, one writer, and what a store that refuses or is away leaves."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.day_sums import compared, day_sums
from otel_genai_cost.ledger.sink import Mark
from otel_genai_exporters.hourly.places import ObjectStore
from otel_genai_exporters.hourly.sink import ParquetSink
from tests.exporters.entries import entries, with_amount
from tests.exporters.object_stores import OBJECT_STORES, Bucket

pytestmark = pytest.mark.environments


@pytest.fixture(params=OBJECT_STORES)
def bucket(request: pytest.FixtureRequest) -> Generator[Bucket]:
    with OBJECT_STORES[request.param]() as found:
        yield found


def _sink(bucket: Bucket, **other: str) -> ParquetSink:
    return ParquetSink(Path("nowhere"), **{**bucket.options, **other})


def test_a_store_has_what_the_ledger_has(bucket: Bucket) -> None:
    sink = _sink(bucket)
    assert sink.mark() is None
    given = [with_amount(one, 10**15 + one.seq) for one in entries(60)]
    for start in range(0, 60, 3):  # so many that they are put together
        for _ in range(2):
            sink.append("ledger", given[max(0, start - 3) : start + 3])
    assert sink.mark() == Mark("ledger", 60)
    assert all(day.is_equal for day in compared(sink.days(60), day_sums(given, 60)))
    assert len(sink.files()) == 5
    sink.reset()
    assert (sink.mark(), sink._place.names()) == (None, ["manifest.json"])


def test_the_manifest_is_replaced_by_one_writer(bucket: Bucket) -> None:
    sink, place = _sink(bucket), _sink(bucket)._place
    sink.append("ledger", entries(2))
    before = place.get("manifest.json")
    sink.append("ledger", entries(3))
    for known in (before, None):
        with pytest.raises(GenAICostError, match="another writer"):
            place.swap("manifest.json", b"{}", known)
    assert sink.mark() == Mark("ledger", 3)


def test_what_the_store_refuses_is_one_line_and_later_all_is_there(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, given = _sink(bucket), entries(6)
    sink.append("ledger", given[:3])
    name, _, prefix = bucket.options["to"].partition("/of")
    other = _sink(bucket, to=f"{name}-not-there/of{prefix}")
    with pytest.raises(GenAICostError, match="not-there") as raised:
        other.append("ledger", given)
    assert "\n" not in str(raised.value)
    bucket.server.kill()
    bucket.server.wait()
    with pytest.raises(GenAICostError, match=name):
        sink.append("ledger", given)


def test_credentials_that_no_longer_hold_are_told_with_a_remedy(bucket: Bucket) -> None:
    if "account_key" not in bucket.options:
        pytest.skip("moto takes any key")
    key = "A" * 84 + "Ag=="
    with pytest.raises(GenAICostError, match="credentials"):
        _sink(bucket, account_key=key).append("ledger", entries(2))
    sink = _sink(bucket)
    sink.append("ledger", entries(2))
    assert isinstance(sink._place, ObjectStore)
    assert sink.mark() == Mark("ledger", 2)
