"""How long a receiver asks to be left alone."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

__all__ = ["retry_after_s"]


def retry_after_s(text: str) -> int | None:
    """Seconds from now; None if neither seconds nor a time is said.

    Args:
        text: the value of a header `Retry-After`; empty if there is none.
    """
    text = text.strip()
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return max(0, round((at - datetime.now(timezone.utc)).total_seconds()))
