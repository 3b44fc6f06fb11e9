"""What a span's tracestate says of how it was sampled, by OpenTelemetry's `ot` entry."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["threshold_of"]

_MEMBER: Final = re.compile(r"[ \t]*ot=([^,]*)")
_THRESHOLD: Final = re.compile(r"(?:^|;)th:([0-9a-f]{1,14})[ \t]*(?:;|$)")


def threshold_of(tracestate: str) -> str | None:
    """The threshold below which spans were dropped where the trace began: up to 14 hex digits of a fraction, without
    zeros at the end. None where nothing was dropped, or nothing says so.

    Args:
        tracestate: As W3C spells it.
    """
    for member in tracestate.split(","):
        found = _MEMBER.fullmatch(member)
        if found is not None:
            threshold = _THRESHOLD.search(found[1])
            return None if threshold is None else threshold[1].rstrip("0") or None
    return None
