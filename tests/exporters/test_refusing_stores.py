"""Tables and files in an object store that refuses: a full bucket, one that is asked too often, keys that expire in a
process that runs. What it says is one line; nothing is lost and nothing doubled when it is given the same again."""

from __future__ import annotations

from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.day_sums import Verifiable, compared, day_sums
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark, Sink
from otel_genai_exporters.hourly.sink import ParquetSink
from otel_genai_exporters.lakehouse.delta import DeltaSink
from otel_genai_exporters.lakehouse.iceberg import IcebergSink
from tests.exporters.entries import entries, with_amount
from tests.exporters.object_stores import s3
from tests.exporters.refusing_store import (
    FULL,
    QUOTA,
    SLOW_DOWN,
    Refusal,
    RefusingStore,
    refusing,
)

pytestmark = [pytest.mark.environments, pytest.mark.timeout(600)]

_Make = Callable[[str], Sink]
_AFTER: Final = (0, 1, 2, 5, 8, 11, 14, 50)
"""So many writes of a batch go through; Iceberg has most, fifteen."""

_NEEDED: Final = {"iceberg": "pyiceberg", "delta": "deltalake"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Generator[RefusingStore]:
    with s3() as bucket, refusing(bucket.options["endpoint"], tmp_path_factory.mktemp("s3")) as one:
        yield one


@pytest.fixture(params=["parquet", "iceberg", "delta"])
def made(request: pytest.FixtureRequest, store: RefusingStore, tmp_path: Path) -> Generator[_Make]:
    """Makes the sink, as a process does that is given a key."""
    if (needed := _NEEDED.get(request.param)) and find_spec(needed) is None:
        pytest.skip(f"{needed} has an environment: tests/environments/test_lakehouse.py")
    place = f"s3://costs/{tmp_path.name}"

    def make(key: str) -> Sink:
        if request.param == "parquet":
            keys = {"access_key_id": key, "secret_access_key": "word", "region": "us-east-1"}
            return ParquetSink(tmp_path, place, endpoint=store.address, **keys)
        keys = {"s3_access_key": key, "s3_secret_key": "word", "s3_region": "us-east-1"}
        if request.param == "iceberg":
            return IcebergSink(tmp_path, warehouse=place, s3_endpoint=store.address, **keys)
        return DeltaSink(tmp_path, uri=place, s3_endpoint=store.address, **keys)

    yield make
    store.refuse()


def _every(count: int) -> list[Entry]:
    return [with_amount(one, 10**15 + one.seq) for one in entries(count)]


def _assert_holds(sink: Sink, every: list[Entry], upto: int) -> None:
    assert isinstance(sink, Verifiable)
    assert sink.mark() == Mark("ledger-1", upto)
    assert all(day.is_equal for day in compared(sink.days(len(every)), day_sums(every, upto)))


@pytest.mark.parametrize("refusal", [FULL, QUOTA, SLOW_DOWN], ids=lambda one: one.code)
def test_a_full_bucket_says_so_and_gets_everything_once(
    made: _Make, store: RefusingStore, refusal: Refusal
) -> None:
    """Refused at the first write of a batch, at later ones, and behind the last."""
    every, refused = _every(5 + 4 * len(_AFTER)), 0
    sink = made("key")
    sink.append("ledger-1", every[:5])
    for turn, after in enumerate(_AFTER):
        upto = 5 + 4 * turn
        store.refuse(refusal, after)
        try:
            sink.append("ledger-1", every[: upto + 4])
        except GenAICostError as error:
            refused += 1
            assert refusal.code in str(error) or refusal.code == "SlowDown", error
            assert "\n" not in str(error), error
            _assert_holds(made("key"), every, upto)
        store.refuse()
        sink.append("ledger-1", every[: upto + 4])
        _assert_holds(sink, every, upto + 4)
    assert 2 <= refused < len(_AFTER)


def test_a_key_that_expires_is_told_and_another_one_goes_on(
    made: _Make, store: RefusingStore
) -> None:
    every = _every(20)
    sink = made("key")
    sink.append("ledger-1", every[:5])
    store.refuse(expired=["key"])
    assert isinstance(sink, Verifiable)
    for asked in (
        lambda: sink.append("ledger-1", every),
        sink.mark,
        lambda: list(sink.days(20)),
    ):
        with pytest.raises(GenAICostError, match=r"ExpiredToken|expired|ACCESS_DENIED") as raised:
            asked()
        assert "\n" not in str(raised.value)
    _assert_holds(made("another"), every, 5)
    other = made("another")
    other.append("ledger-1", every)
    _assert_holds(other, every, 20)
