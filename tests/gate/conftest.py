"""The stores that a gate may keep holds in: each test of holds runs on all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.queues.brokers import Brokers


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
