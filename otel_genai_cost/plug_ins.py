"""What distributions add by entry points: sinks, channels of notices, stores of holds, billing systems, tables."""

from __future__ import annotations

import inspect
from collections.abc import Container, Iterable
from importlib.metadata import entry_points
from typing import Any

from otel_genai_cost.errors import ConfigurationError

__all__ = ["missing_option", "plug_in"]


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


def missing_option(kind: Any, known: Iterable[str], given: Container[str]) -> str | None:
    """The first option that a class cannot do without and is not given; None if there is none.

    Args:
        kind: the class, as `plug_in` gives it.
        known: the names of its options.
        given: those that it is given.
    """
    parameters = inspect.signature(kind).parameters
    needed = (
        key
        for key in known
        if key in parameters and parameters[key].default is inspect.Parameter.empty
    )
    return next((key for key in needed if key not in given), None)
