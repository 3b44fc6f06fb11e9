"""Seeds of the simulation: a short form of `python -m tests.simulation.run`."""

from __future__ import annotations

import pytest

from tests.simulation.run import tried

_SEEDS = 400
_AT_ONCE = 50


@pytest.mark.parametrize("first", range(0, _SEEDS, _AT_ONCE))
def test_every_promised_call_is_charged_once(first: int) -> None:
    found = dict(map(tried, range(first, first + _AT_ONCE)))
    assert {seed: one for seed, one in found.items() if one.lost or one.wrong} == {}
    assert sum(one.charged for one in found.values()) > 3 * _AT_ONCE


def test_a_seed_decides_everything() -> None:
    assert tried(7) == tried(7)
