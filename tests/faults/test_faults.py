"""The short form of `make faults` and `make faults-act`: every row of every file holds."""

from __future__ import annotations

from typing import Final

import pytest

from tests.faults.run import found, named

_QUICK: Final = frozenset({"simulated", "standby"})
"""Part of every run: what they start is our own, and takes some seconds. The others take up to a minute each."""

_INSTALLS: Final = frozenset({"distributions", "scale_databases", "scale_files", "scale_lakehouse"})
"""What runs in environments of its own."""

_HEAVY: Final = frozenset({"scale_flink", "scale_pulsar"})
"""What `tests/streams/heavy.sh` fetches."""


def _marks(name: str) -> list[pytest.MarkDecorator]:
    if name in _INSTALLS:
        return [pytest.mark.environments]
    if name in _HEAVY:
        return [pytest.mark.heavy, pytest.mark.timeout(1_200)]
    return [] if name in _QUICK else [pytest.mark.service]


@pytest.mark.parametrize("name", [pytest.param(name, marks=_marks(name)) for name in named()])
def test_every_row_holds(name: str) -> None:
    rows = list(found([name], short=True))
    assert rows
    assert [row for row in rows if not row.held] == []
