"""Instants: RFC 3339 text with an offset outside, integer microseconds UTC inside."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from typing import Final

__all__ = ["days_of", "microseconds", "rfc3339"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND: Final = timedelta(microseconds=1)
_RFC_3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,30}))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
"""Spelled out, because `fromisoformat` reads another language in each version of Python."""


def microseconds(text: str) -> int:
    """Unix microseconds of an RFC 3339 instant; a finer fraction is cut off.

    Raises:
        ValueError: without an offset, or for no instant at all.
    """
    match = _RFC_3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an instant with an offset: {text[:40]!r}")
    day, clock, fraction, offset = match.groups()
    zone = "+00:00" if offset in "Zz" else offset
    instant = datetime.fromisoformat(f"{day}T{clock}{zone}")
    return (instant - _EPOCH) // _MICROSECOND + int((fraction or "")[:6].ljust(6, "0"))


def rfc3339(us: int) -> str:
    """The instant in UTC, with a Z; a fraction only where there is one."""
    instant = _EPOCH + timedelta(microseconds=us)
    return instant.isoformat().replace("+00:00", "Z")


def days_of(texts: Iterable[str]) -> frozenset[int]:
    """Days counted from 1970, of dates YYYY-MM-DD.

    Raises:
        ValueError: for no date.
    """
    first = date(1970, 1, 1).toordinal()
    return frozenset(date.fromisoformat(text).toordinal() - first for text in texts)
