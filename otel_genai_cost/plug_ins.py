"""What distributions add by entry points: sinks, channels of notices, stores of holds, billing systems, tables."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from otel_genai_cost.errors import ConfigurationError

__all__ = ["plug_in"]


def plug_in(group: str, name: str, what: str) -> Any:
    """What is registered under a name, loaded.

    Args:
        group: of entry points.
        name: in that group.
        what: it is, for the error.

    Raises:
        ConfigurationError: if nothing is.
        MissingExtraError: if its library is not installed.
    """
    found = entry_points(group=group)
    if name not in found.names:
        installed = ", ".join(sorted(found.names)) or "none"
        raise ConfigurationError(f"no such {what}", value=name, remedy=f"installed: {installed}")
    return found[name].load()
