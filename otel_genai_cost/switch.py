"""What the environment says before anything else of this library is imported: whether it is on at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Final

__all__ = [
    "FALSE_WORDS",
    "TRUE_WORDS",
    "disabled_instrumentations",
    "is_off",
    "missing_exporters",
    "sdk_is_disabled",
]

TRUE_WORDS: Final = frozenset({"true", "1", "yes", "on"})
FALSE_WORDS: Final = frozenset({"false", "0", "no", "off"})


def is_off() -> bool:
    """Whether the environment switches us off: OTEL_GENAI_COST_ENABLED=false, or OTEL_SDK_DISABLED=true."""
    word = os.environ.get("OTEL_GENAI_COST_ENABLED", "").strip().lower()
    return word in FALSE_WORDS or sdk_is_disabled()


def sdk_is_disabled() -> bool:
    """Whether the SDK makes no spans in this process, as it reads its own switch."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def missing_exporters() -> tuple[str, ...]:
    """Settings that ask for an exporter which is not installed, as OTEL_TRACES_EXPORTER=otlp: with one of them
    `opentelemetry-instrument` configures nothing at all. Upstream's distro asks for `otlp` where nothing is set."""
    if not any(each.name == "distro" for each in entry_points(group="opentelemetry_distro")):
        return ()
    return tuple(_missing())


def _missing() -> Iterator[str]:
    for signal in ("traces", "metrics", "logs"):
        variable = f"OTEL_{signal.upper()}_EXPORTER"
        if any(word.startswith(f"--{signal}_exporter") for word in sys.argv):
            continue  # the launcher has not read its flags yet
        installed = [each.name for each in entry_points(group=f"opentelemetry_{signal}_exporter")]
        for name in os.environ.get(variable, "otlp").split(","):
            wanted = name.strip()
            if wanted and wanted != "none" and not any(i.startswith(wanted) for i in installed):
                yield f"{variable}={wanted}"


def disabled_instrumentations() -> frozenset[str]:
    """The instrumentations that the environment leaves out, by the names of their entry points; `*` is all of them."""
    named = os.environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")
    return frozenset(name.strip() for name in named)
