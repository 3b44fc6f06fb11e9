"""One Pulsar for all tests of this folder."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.streams.pulsar_server import Pulsar, pulsar


@pytest.fixture(scope="session")
def pulsar_server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Pulsar]:
    with pulsar(tmp_path_factory.mktemp("pulsar")) as found:
        yield found
