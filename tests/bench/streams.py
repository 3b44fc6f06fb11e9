"""How much more is settled a second by one and by two of what scales out: workers with a Redis, and slots of Flink."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.bench.measure import Result
from tests.streams.slots import LEDGER, rates

__all__ = ["streams"]

_OBSERVATIONS: Final = 20_000
_SHARE: Final = 0.5
"""Times what the ledger settles: what one should like to reach."""

_TWO: Final = 1.6
"""Times what one settles, where there are processors for both and for the broker."""

_CPU: Final = 2.0
"""Times what the ledger takes of a processor."""


def streams() -> Iterator[Result]:
    """One beside the ledger, then two beside one, by the clock, since it is about what runs side by side; and what one
    takes of a processor."""
    with tempfile.TemporaryDirectory() as folder:
        found = list(rates(_OBSERVATIONS, Path(folder)))
    ledger = min((rate for rate in found if rate.by == LEDGER), key=lambda rate: rate.cpu_us)
    noise = max(rate.cpu_us for rate in found if rate.by == LEDGER) / ledger.cpu_us - 1
    rate_of = {(rate.by, rate.number): rate for rate in found}
    for by in ("worker", "slot of Flink"):
        one, two = rate_of[by, 1], rate_of[by, 2]
        yield _clock(f"one {by}", one.a_second, ledger.a_second, LEDGER, _SHARE, noise)
        yield _clock(f"two, each a {by}", two.a_second, one.a_second, "one", _TWO, noise)
        yield Result(
            name=f"one {by}, an observation",
            ours=one.cpu_us,
            theirs=ledger.cpu_us,
            peer=LEDGER,
            unit="us",
            ratio=one.cpu_us / ledger.cpu_us,
            goal=f"<= {_CPU:.2f}",
            machine_noise=noise,
            is_bound=False,
        )


def _clock(by: str, ours: float, theirs: float, peer: str, aim: float, noise: float) -> Result:
    return Result(
        name=f"{by}, observations settled a second",
        ours=ours,
        theirs=theirs,
        peer=peer,
        unit="1/s",
        ratio=ours / theirs,
        goal=f">= {aim:.2f}",
        machine_noise=noise,
        is_bound=False,
    )
