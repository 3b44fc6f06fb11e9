"""Instants: RFC 3339 text with an offset outside, integer microseconds UTC inside."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Final

__all__ = ["microseconds", "rfc3339"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(text: str) -> int:
    """Unix microseconds of an RFC 3339 instant. Raises ValueError without an offset, or for no instant at all."""
    instant = datetime.fromisoformat(text.replace("Z", "+00:00").replace("z", "+00:00"))
    if instant.tzinfo is None:
        raise ValueError(f"an instant needs an offset, e.g. {text}Z")
    return (instant - _EPOCH) // _MICROSECOND


def rfc3339(us: int) -> str:
    """The instant in UTC, with a Z; a fraction only where there is one."""
    instant = _EPOCH + timedelta(microseconds=us)
    return instant.isoformat().replace("+00:00", "Z")
