"""The stores that a gate may keep holds in: each test of holds runs on all of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.queues.brokers import Brokers


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brokers]:
    with ExitStack() as stack:
        yield Brokers(tmp_path_factory.mktemp("servers"), stack)


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("postgresql", marks=pytest.mark.service),
        pytest.param("redis", marks=pytest.mark.service),
    ]
)
def address(request: pytest.FixtureRequest) -> str | None:
    """Of an empty store; None for the ledger itself."""
    if request.param == "sqlite":
        return None
    brokers: Brokers = request.getfixturevalue("servers")
    return brokers.address(request.param, Path("/usr/bin"))
