"""One Kafka for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.queues.brokers import Brokers
from tests.streaming.brokers import Kafka


@pytest.fixture(scope="session")
def kafka(servers: Brokers) -> Kafka:
    return Kafka(servers.address("kafka", Path("/usr/bin")))
