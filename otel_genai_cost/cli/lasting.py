"""How long something holds, as people write it: 12h, 90d, 4w."""

from __future__ import annotations

import re
import time
from typing import Annotated, Final

import typer

from otel_genai_cost.errors import ConfigurationError

__all__ = ["LastsOption", "expires_us"]

LastsOption = Annotated[str | None, typer.Option(help="How long it holds, such as 90d.")]

_LASTS: Final = re.compile(r"(\d{1,5})([hdw])", re.ASCII)
_UNIT_S: Final = {"h": 3_600, "d": 86_400, "w": 604_800}


def expires_us(lasts: str | None) -> int | None:
    """Until when something holds from now on, unix microseconds; None for ever.

    Raises:
        ConfigurationError: if that is no length of time.
    """
    if lasts is None:
        return None
    found = _LASTS.fullmatch(lasts)
    if found is None:
        raise ConfigurationError(
            "not a length of time", value=lasts, where="--lasts", remedy="write 12h, 90d or 4w"
        )
    return time.time_ns() // 1000 + int(found[1]) * _UNIT_S[found[2]] * 1_000_000
