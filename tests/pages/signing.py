"""A signer with keys of its own and any clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from otel_genai_cost.pages.access.keys import Key
from otel_genai_cost.pages.access.signed import Signer

__all__ = ["NOW_US", "signer_of"]

NOW_US: Final = 1_800_000_000_000_000


def signer_of(clock_us: Callable[[], int]) -> Signer:
    """A signer.

    Args:
        clock_us: the time, unix microseconds.
    """
    return Signer(lambda: [Key("k1", b"k" * 32, 0)], clock_us)
