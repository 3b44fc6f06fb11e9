"""Fixtures: a real collector, receivers of the tests' own, and a journal."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.transport.receiver import Receiver
from tests.collector import serving as in_process
from tests.collector.clickhouse import ClickHouse, clickhouse
from tests.collector.identity_provider import IdentityProvider
from tests.collector.otelcol import require_otelcol
from tests.collector.receiving import HttpReceived, Received, receiving, receiving_http
from tests.collector.scenarios import Hop, Scenario, port_to_keep, serving
from tests.demo.processes import children


@pytest.fixture(scope="session")
def hop(tmp_path_factory: pytest.TempPathFactory) -> Generator[Hop]:
    """`genai-cost collector serve`, once for all scenarios, which receive one after the other what it has priced."""
    require_otelcol()
    with children() as family:
        yield serving(family, tmp_path_factory.mktemp("hop"), to=f"127.0.0.1:{port_to_keep()}")


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Generator[ClickHouse]:
    with children() as family:
        yield clickhouse(family, tmp_path_factory.mktemp("clickhouse"))


@pytest.fixture(scope="session")
def provider() -> IdentityProvider:
    return IdentityProvider()


@pytest.fixture
def scenario(tmp_path: Path, provider: IdentityProvider) -> Generator[Scenario]:
    """Runs collectors, which end with the test, and know an identity provider."""
    require_otelcol()
    provider.publish(tmp_path / "jwks.json")
    with children() as family:
        yield Scenario(tmp_path, family)


@pytest.fixture
def received() -> Iterator[Received]:
    with receiving() as made:
        yield made


@pytest.fixture
def received_http() -> Iterator[HttpReceived]:
    with receiving_http() as made:
        yield made


@pytest.fixture
def served(received: Received, journal: Journal) -> Iterator[in_process.Served]:
    """A hop in the test's own process, with little room."""
    with in_process.serving(journal, Receiver(received.endpoint), in_process.NARROW) as made:
        yield made


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal([tmp_path / "journal"])
    yield made
    made.close()
