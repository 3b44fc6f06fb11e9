"""An Iceberg table in a REST catalog, as warehouses keep theirs: the same promises, whoever keeps the pointer."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.sink import Mark
from otel_genai_exporters.lakehouse.iceberg import IcebergSink
from tests.exporters.entries import entries
from tests.lakehouse.rest_catalog import JARS, rest_catalog

pytest.importorskip("pyiceberg")
pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(
        not JARS.is_dir() and "CI" not in os.environ, reason="tests/services.sh fetches its jars"
    ),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with rest_catalog(tmp_path_factory.mktemp("catalog")) as found:
        yield found


@pytest.fixture
def opened(
    address: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[[], IcebergSink]:
    table = f"{request.node.name}.entries"
    return lambda: IcebergSink(tmp_path, uri=address, table=table)


def count(sink: IcebergSink) -> int:
    return sum(day.entries for day in sink.days(1_000))


def test_it_keeps_the_contract_of_a_sink(opened: Callable[[], IcebergSink]) -> None:
    assert opened().mark() is None
    opened().append("ledger-1", entries(3))
    opened().append("ledger-1", entries(5))
    opened().append("ledger-1", entries(5))
    assert (opened().mark(), count(opened())) == (Mark("ledger-1", 5), 5)
    opened().reset()
    assert (opened().mark(), count(opened())) == (None, 0)
    opened().append("ledger-2", entries(1))
    assert (opened().mark(), count(opened())) == (Mark("ledger-2", 1), 1)


def test_a_writer_that_lost_a_race_adds_nothing(
    opened: Callable[[], IcebergSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened().append("ledger-1", entries(2))
    late = opened()
    table = late._table()
    opened().append("ledger-1", entries(3, first=3))
    monkeypatch.setattr(late, "_table", lambda: table)
    with pytest.raises(GenAICostError, match="CommitFailedException"):
        late.append("ledger-1", entries(3, first=3))
    assert (opened().mark(), count(opened())) == (Mark("ledger-1", 5), 5)


def test_a_commit_whose_answer_was_lost_counts_once(
    opened: Callable[[], IcebergSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = import_module("pyiceberg.catalog.rest").RestCatalog
    unknown = import_module("pyiceberg.exceptions").CommitStateUnknownException
    commit = catalog.commit_table

    def lost(*args: Any, **named: Any) -> Any:
        commit(*args, **named)
        raise unknown("the gateway gave up")

    opened().append("ledger-1", entries(1))
    monkeypatch.setattr(catalog, "commit_table", lost)
    with pytest.raises(GenAICostError, match="the gateway gave up"):
        opened().append("ledger-1", entries(4))
    monkeypatch.undo()
    opened().append("ledger-1", entries(4))
    assert (opened().mark(), count(opened())) == (Mark("ledger-1", 4), 4)


@pytest.mark.parametrize("options", [{}, {"client_id": "a", "client_secret": "b"}])
def test_a_catalog_that_takes_and_never_answers_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str]
) -> None:
    """Nor does one that is asked for a token first."""
    bounded = import_module("otel_genai_exporters.lakehouse.bounded_catalog")
    monkeypatch.setattr(bounded, "WITHIN_S", (5, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        sink = IcebergSink(tmp_path, uri=address, **options)
        with pytest.raises(GenAICostError, match="timed out"):
            sink.mark()


def test_a_catalog_that_is_away_is_told(tmp_path: Path) -> None:
    sink = IcebergSink(tmp_path, uri="http://127.0.0.1:9")
    with pytest.raises(GenAICostError, match=r"genai_cost.entries \(http://127.0.0.1:9\)"):
        sink.mark()
