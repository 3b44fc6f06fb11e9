"""How often somebody may ask: so many at once, and so many a second after that. In bounded memory."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final

__all__ = ["Rate", "address_key"]

_KEYS_MAX: Final = 10_000
_V6_PREFIX: Final = 64
"""Whoever has one address of IPv6 has as many as this leaves."""


class Rate:
    """Tokens in a bucket for everybody: each request takes one, and they come back with time.

    Args:
        burst: how many requests at once.
        per_s: how many come back in a second.
        keys_max: how many are remembered; who has not asked for longest is forgotten, and has a full bucket again.
    """

    def __init__(self, burst: int, per_s: float, keys_max: int = _KEYS_MAX) -> None:
        self._burst, self._per_s, self._keys_max = burst, per_s, keys_max
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str, now_s: float) -> float:
        """How long somebody has to wait before the next request; 0 if one may be made, which this does not count.

        Args:
            key: who asks.
            now_s: seconds of a clock that never goes back.
        """
        left = self._now(key, now_s)
        return 0.0 if left >= 1 else (1 - left) / self._per_s

    def take(self, key: str, now_s: float) -> float:
        """Count a request, if it may be made.

        Args:
            key: who asks.
            now_s: seconds of a clock that never goes back.

        Returns:
            0 if it may be made, else how long to wait.
        """
        wait_s = self.wait_s(key, now_s)
        if not wait_s:
            self._left[key] = self._now(key, now_s) - 1, now_s
            self._left.move_to_end(key)
            if len(self._left) > self._keys_max:
                self._left.popitem(last=False)
        return wait_s

    def _now(self, key: str, now_s: float) -> float:
        left, since_s = self._left.get(key, (float(self._burst), now_s))
        return min(float(self._burst), left + (now_s - since_s) * self._per_s)


def address_key(address: str) -> str:
    """What an address counts as: itself, or its network where one caller has a whole one.

    Args:
        address: of IP; anything else counts as itself.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        mapped = found.ipv4_mapped
        if mapped is not None:
            return str(mapped)
        return str(ipaddress.ip_network((found, _V6_PREFIX), strict=False))
    return str(found)
