"""When a letter is tried again, and when a channel is given up. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

__all__ = ["DELAYS_S", "GIVE_UP_US", "next_try_us"]

DELAYS_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 36_000)
"""How long after each failure, in seconds: 27.6 hours in all. After one more failure a letter is dead."""

GIVE_UP_US: Final = 3 * 24 * 3_600_000_000
"""A channel by which nothing went for so long, though it was tried, is disabled."""

_SECOND_US: Final = 1_000_000
_JITTER: Final = 5
"""A delay is longer by up to a fifth, so that what failed together does not come back together."""


def next_try_us(letter_id: str, tries: int, now_us: int, retry_after_s: int | None) -> int | None:
    """When a letter that failed is due again, unix microseconds.

    Args:
        letter_id: by which the jitter of each letter is its own, and the same whenever it is asked for.
        tries: how often it was tried, this time included.
        now_us: the time of the failure, unix microseconds.
        retry_after_s: what the receiver asked for, seconds; never more than the longest delay.

    Returns:
        None if it is dead.
    """
    if tries > len(DELAYS_S):
        return None
    delay_us = DELAYS_S[tries - 1] * _SECOND_US
    drawn = blake2b(f"{letter_id}|{tries}".encode(), digest_size=4).digest()
    delay_us += int.from_bytes(drawn, "big") * delay_us // _JITTER // (1 << 32)
    asked_us = min(retry_after_s or 0, DELAYS_S[-1]) * _SECOND_US
    return now_us + max(delay_us, asked_us)
