"""One Kafka for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.streaming.brokers import Kafka, kafka_in


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    yield from kafka_in(tmp_path_factory.mktemp("kafka"))
