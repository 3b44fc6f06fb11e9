"""The settings that this process is metered by, for what is made before they are known, or beside them."""

from __future__ import annotations

from otel_genai_cost.metering.config import Settings, load_settings

__all__ = ["CurrentSettings", "use_settings"]

_used: list[Settings] = []


def use_settings(settings: Settings) -> None:
    """What code or the environment gave, as metering is switched on: the first of them holds."""
    if not _used:
        _used.append(settings)


class CurrentSettings:
    """Settings as they are now: those that metering was switched on with; until then what the environment said when
    this was made, so that it is not read for each request."""

    def __init__(self) -> None:
        self._said = load_settings().settings

    @property
    def settings(self) -> Settings:
        return _used[0] if _used else self._said
