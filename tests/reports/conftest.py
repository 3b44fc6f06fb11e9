"""What tests of reports read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.ledger.storage.store import Ledger


@pytest.fixture
def ledger(home: Path) -> Iterator[Ledger]:
    """Of the file's `home`."""
    opened = Ledger(home / LEDGER_FILE, readonly=True)
    yield opened
    opened.close()
