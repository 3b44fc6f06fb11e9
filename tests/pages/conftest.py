"""What tests of several pages have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pages.crowd import Crowd, crowd


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    made = crowd(tmp_path_factory.mktemp("home"))
    yield made
    made.close()
