"""An application: `python -m tests.transparency.application URL RUN OUT MODULES BESIDE PROGRAM…`, run plain and under
`opentelemetry-instrument`. It runs programs one after the other and writes what was observed of each to OUT, as JSON.

MODULES are the files of programs, with commas; BESIDE is another tool that is set up first, or `none`. The programs of
`endings` end the process themselves, so each has one of its own, and nothing is observed from within.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any, Final

from tests.transparency.beside import BESIDE
from tests.transparency.observed import PROGRAMS, App, Program, load, observe

_OURS: Final = ("otel_genai_cost", "otel_genai_instrumentors", "otel_genai_exporters")


def main(url: str, run: str, out: str, modules: str, beside: str, *names: str) -> None:
    BESIDE[beside](f"{url}/{run}/tool/sink")
    spans = _counted() if run == "plain" else {}
    load(*modules.split(","))
    if modules == "endings":
        _end(PROGRAMS[names[0]], App(url, run, names[0], PROGRAMS[names[0]].habit))
        return
    found: dict[str, Any] = {}
    for name in names or list(PROGRAMS):
        program = PROGRAMS[name]
        if program.since <= _version(program.library):
            found[name] = observe(App(url, run, name, program.habit), program.run)
    ours = sorted(name for name in sys.modules if name.startswith(_OURS))
    clients = {PROGRAMS[name].library.partition("-")[0] for name in found}
    client = [name for name in sys.modules if name.split(".")[0] in clients]
    written = {"programs": found, "ours": ours, "client": client, "spans": spans}
    Path(out).write_text(json.dumps(written, indent=1), encoding="utf-8")


def _counted() -> dict[str, int]:
    """How many spans OpenTelemetry's SDK starts from now on, by scope."""
    counts: dict[str, int] = {}
    if "opentelemetry.sdk.trace" not in sys.modules:
        return counts
    tracer: Any = sys.modules["opentelemetry.sdk.trace"].Tracer
    start = tracer.start_span

    def counting(self: Any, *args: Any, **kwargs: Any) -> Any:
        scope = self._instrumentation_scope.name
        counts[scope] = counts.get(scope, 0) + 1
        return start(self, *args, **kwargs)

    tracer.start_span = counting
    return counts


def _version(library: str) -> tuple[int, ...]:
    return tuple(map(int, importlib.metadata.version(library).split(".")[:2]))


def _end(program: Program, app: App) -> None:
    ended = program.run(app)
    if asyncio.iscoroutine(ended):
        asyncio.run(ended)


if __name__ == "__main__":
    main(*sys.argv[1:])
