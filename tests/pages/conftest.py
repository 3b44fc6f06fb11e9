"""What tests of several pages have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.demo.processes import Children, children
from tests.pages.crowd import Crowd, crowd
from tests.pages.looking import chromium


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    made = crowd(tmp_path_factory.mktemp("home"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def family() -> Iterator[Children]:
    with children() as found:
        yield found
