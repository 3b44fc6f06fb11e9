"""A process of its own, started as `opentelemetry-instrument` starts an application, that says what is there.

It runs in this environment, makes no span, and leaves nothing: its journal is a folder that is removed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import lru_cache
from typing import Final, NamedTuple, cast

from otel_genai_cost.settings import environment

__all__ = ["Probed", "probed"]

_LIMIT_S: Final = 60
_PROGRAM: Final = """
import json, os, sys
from opentelemetry.instrumentation.auto_instrumentation import initialize
initialize()
from otel_genai_cost.metering.presence import presence
found = presence()
print("\\n" + json.dumps({**found._asdict(), "places": [place._asdict() for place in found.places]}))
sys.stdout.flush()
os._exit(0)  # exporters would wait for who is not there
"""


class Probed(NamedTuple):
    """What there is under `opentelemetry-instrument`: the tracer provider's class, whether we meter it, the exporters,
    the libraries watched and the edges in place; and upstream's last word if it could not start."""

    provider: str | None
    is_metered: bool
    exporters: tuple[str, ...]
    clients: tuple[str, ...]
    edges: tuple[str, ...]
    problem: str


@lru_cache(maxsize=1)
def probed() -> Probed:
    """Ask once; every check reads the same answer."""
    with tempfile.TemporaryDirectory(prefix="genai-cost-doctor-") as folder:
        variables = {
            **environment(),
            "OTEL_GENAI_COST_QUIET": "true",
            "OTEL_GENAI_COST_JOURNAL": folder,
            "OTEL_GENAI_COST_SHIP_TO": "",  # there is nothing to send
            "OTEL_GENAI_COST_DURABILITY": "",
        }
        try:
            done = subprocess.run(
                [sys.executable, "-c", _PROGRAM],
                env=variables,
                capture_output=True,
                text=True,
                check=False,
                timeout=_LIMIT_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return Probed(None, False, (), (), (), str(error))
    return _read(done.stdout, done.stderr)


def _read(said: str, complained: str) -> Probed:
    problem = _last_error(complained)
    lines = said.splitlines()
    try:
        found = cast("dict[str, object]", json.loads(lines[-1]))
    except (IndexError, ValueError):
        return Probed(None, False, (), (), (), problem or "it said nothing")
    places = cast("list[dict[str, str]]", found["places"])

    def of(kind: str) -> tuple[str, ...]:
        return tuple(each["library"] for each in places if each["kind"] == kind)

    return Probed(
        cast("str | None", found["provider"]),
        found["is_metered"] is True,
        tuple(cast("list[str]", found["exporters"])),
        of("client"),
        of("edge"),
        problem,
    )


def _last_error(complained: str) -> str:
    """The error that ended the start, empty if none did."""
    if "Failed to auto initialize" not in complained:
        return ""
    lines = [line for line in complained.splitlines() if line and not line[0].isspace()]
    return lines[-1][:300] if lines else ""
