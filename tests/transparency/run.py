"""Runs a cell: its programs plain and metered, what differs, and the bill against the charges.

    python -m tests.transparency.run [--write] [PART OF A LABEL…]

prints what differs; `--write` keeps the outcomes in `outcomes.json`, from which `make docs` makes the table.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.demo.processes import ROOT
from tests.demo.stage import clean_environment
from tests.transparency.cell import Cell
from tests.transparency.environments import python_in
from tests.transparency.judge import Judgement, judge
from tests.transparency.observed import CLOSING
from tests.transparency.provider import OddProvider, Request
from tests.transparency.rows import CELLS

__all__ = ["OUTCOMES", "Outcome", "recorded", "run"]

OUTCOMES: Final = Path(__file__).with_name("outcomes.json")
_ENDS_WITHIN_S: Final = 400
_PROCESS: Final = "(the process)"
"""How the process of several programs ended and what it printed; compared like a program."""

_LEFT_OPEN: Final = ("left open: sockets, threads, tasks", "after a collection")
_UNCLOSED: Final = "ResourceWarning: unclosed"
_OF_ITS_THREAD: Final = "UserWarning: Pydantic serializer warnings"
"""Of the answers that LiteLLM logs in a thread of its own, if that gets to it before the process ends."""
_HTTP: Final = {
    f"opentelemetry.instrumentation.{name}"
    for name in ("aiohttp_client", "httpx", "httpx2", "requests", "urllib", "urllib3")
}
"""Scopes whose spans are of requests, and not of calls."""

_OFF: Final = {"OTEL_GENAI_COST_ENABLED": "false"}
_CHECK: Final = {
    *("otel_genai_cost", "otel_genai_cost.entry", "otel_genai_cost.switch"),
    *("otel_genai_instrumentors", "otel_genai_instrumentors.entry"),
}
"""What the check whether we are on consists of."""

_UPSTREAM: Final = "httpx,httpx2,threading,fastapi,asgi,celery"
"""OpenTelemetry's own, which the environment of the tests has: what they change is not ours."""

_VARYING: Final = (
    *("traceparent", "tracestate", "sentry-trace", "baggage", "newrelic"),
    *("amz-sdk-invocation-id", "amz-sdk-request", "x-amz-date", "x-amzn-trace-id"),
)
"""Headers that differ from run to run, by another tool or by the client: only whether they are there is compared."""


class Outcome(NamedTuple):
    """`differences` tells of each program that is not what it is plain; `spans` by scope are those of others."""

    programs: int
    spans: Mapping[str, int]
    differences: tuple[str, ...]
    judgement: Judgement
    installs: bool = True

    def row(self) -> dict[str, int | str]:
        """What the table says of it."""
        told = self.judgement
        return {
            "programs": self.programs,
            "equal to plain": self._equal(),
            "billed": told.billed,
            "charges": told.charges,
            "exact": told.exact,
            "marked": told.marked,
            "failed": told.failed,
            "others' spans": sum(n for scope, n in self.spans.items() if scope not in _HTTP),
        }

    def _equal(self) -> str:
        if not self.installs:
            return "does not install"
        return "no" if self.differences else "yes"


class _Ended(NamedTuple):
    """What is left of a process: what was observed in it, which of our modules it imported, and how it ended."""

    programs: dict[str, Any]
    ours: tuple[str, ...]
    spans: Mapping[str, int]


def run(cell: Cell, folder: Path) -> Outcome:
    """Run a cell; its processes one after the other, with everything they leave in `folder`."""
    if not cell.installs:
        return _uninstalled(cell)
    with OddProvider() as provider:
        plain = _Run(cell, folder, provider.url, "plain").ended()
        metered = _Run(cell, folder, provider.url, "metered").ended()
        if not cell.is_tidy:
            plain, metered = _of_the_untidy(plain), _of_the_untidy(metered)
        differences = [*_differences(plain.programs, metered.programs)]
        for name in plain.programs:
            differences += _sent_otherwise(provider, name)
        bills = provider.bills("metered") if cell.is_metered else []
    if not cell.is_metered:
        more = sorted(set(metered.ours) - _CHECK)
        differences += [f"off, and yet imported: {name}" for name in more]
    judgement = judge(bills, _charges(folder / "home"))
    programs = len(plain.programs.keys() - {_PROCESS})
    return Outcome(programs, plain.spans, tuple(differences), judgement)


def _uninstalled(cell: Cell) -> Outcome:
    """Of packages that exclude each other."""
    try:
        python_in(cell.environment)
    except AssertionError:
        return Outcome(0, {}, (), judge((), ()), installs=False)
    return Outcome(0, {}, (f"{cell.environment}: it installs by now",), judge((), ()))


class _Run:
    """One of the two runs of a cell."""

    def __init__(self, cell: Cell, folder: Path, url: str, name: str) -> None:
        self._cell, self._folder, self._url, self._name = cell, folder, url, name
        self._python = python_in(cell.environment)
        self._is_instrumented = name == "metered" or cell.is_baseline_instrumented

    def ended(self) -> _Ended:
        if self._cell.modules == ("endings",):
            ends = {name: self._process((name,))[0] for name in self._cell.programs}
            return _Ended(ends, (), {})
        seen, out = self._process(self._cell.programs)
        assert out.exists(), seen
        observed = json.loads(out.read_text("utf-8"))
        told = seen["stderr"] if self._cell.is_metered else ""
        process = {**seen, "stderr": told, "modules of the client": observed["client"]}
        programs = {**observed["programs"], _PROCESS: process}
        return _Ended(programs, tuple(observed["ours"]), observed["spans"])

    def _process(self, programs: Iterable[str]) -> tuple[dict[str, Any], Path]:
        """Run programs in one process; gives its exit code and output, and the file with what was observed."""
        out = self._folder / f"{self._name}.json"
        instrument = [str(self._python.with_name("opentelemetry-instrument"))]
        done = subprocess.run(
            [
                *(instrument if self._is_instrumented else []),
                str(self._python),
                *("-m", "tests.transparency.application", self._url, self._name, str(out)),
                *(",".join(self._cell.modules), self._cell.beside, *programs),
            ],
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=_ENDS_WITHIN_S,
        )
        errors = "" if CLOSING in done.stderr else done.stderr
        return {"code": done.returncode, "stdout": done.stdout, "stderr": errors}, out

    def _environment(self) -> dict[str, str]:
        wanted = {
            **clean_environment(),
            "PATH": f"{self._python.parent}:/usr/bin:/bin",
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder),
            "PYTHONHASHSEED": "0",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_GENAI_COST_JOURNAL": str(self._folder / "home" / "journal"),
            "OTEL_GENAI_COST_QUIET": "true",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": _UPSTREAM,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }
        authority = _one_authority(self._folder)
        return wanted | authority | (dict(self._cell.settings) if self._name == "metered" else _OFF)


def _one_authority(folder: Path) -> dict[str, str]:
    """A file with a single certificate: to load all, for each client that is made, is most of what a program costs."""
    known = ssl.get_default_verify_paths().cafile or ""
    if not known:
        return {}
    end = "-----END CERTIFICATE-----\n"
    file = folder / "authority.pem"
    file.write_text(Path(known).read_text("utf-8").partition(end)[0] + end, encoding="utf-8")
    return {"SSL_CERT_FILE": str(file)}


def _differences(plain: Mapping[str, Any], metered: Mapping[str, Any]) -> Iterator[str]:
    for name, before in plain.items():
        after = metered.get(name)
        if before != after:
            yield f"{name}: {_first_difference(before, after)}"


def _of_the_untidy(ended: _Ended) -> _Ended:
    """Without what is left open, what is warned of as the process ends, and the order of imports."""
    programs = {
        name: {key: value for key, value in seen.items() if key not in _LEFT_OPEN}
        for name, seen in ended.programs.items()
    }
    programs[_PROCESS]["modules of the client"].sort()
    lines = programs[_PROCESS]["stderr"].splitlines()
    programs[_PROCESS]["stderr"] = "\n".join(_not_as_it_ends(lines))
    return ended._replace(programs=programs)


def _not_as_it_ends(lines: Iterable[str]) -> Iterator[str]:
    is_of_thread = False
    for line in lines:
        is_of_thread = _OF_ITS_THREAD in line or (is_of_thread and line.startswith("  "))
        if not is_of_thread and _UNCLOSED not in line:
            yield line


def _first_difference(before: Any, after: Any, path: str = "") -> str:
    """Where two observations part."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in {**before, **after}:
            if before.get(key) != after.get(key):
                return _first_difference(before.get(key), after.get(key), f"{path}/{key}")
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, pair in enumerate(zip(before, after, strict=True)):
            if pair[0] != pair[1]:
                return _first_difference(*pair, f"{path}/{number}")
    return f"{path}: plain {before!r}, metered {after!r}"


def _sent_otherwise(provider: OddProvider, name: str) -> Iterator[str]:
    """What a program sent that it does not send plain, but for what the host is known to understand."""
    plain, metered = (
        sorted((_comparable(name, each) for each in provider.received(run, name)), key=str)
        for run in ("plain", "metered")
    )
    if plain != metered:
        yield f"{name} sends: {_first_difference(plain, metered)}"
    connections = provider.connections("plain", name), provider.connections("metered", name)
    if connections[0] != connections[1] and name not in ("chat_threads", "chat_gathered"):
        yield f"{name}: {connections[1]} connections, plain {connections[0]}"


def _comparable(program: str, request: Request) -> Any:
    body: Any = request.body.decode()
    headers = dict(request.headers)
    if program in _UNDERSTOOD:
        body = json.loads(body)
        body.pop("stream_options", None)
        headers.pop("content-length", None)
    for name in headers:
        if name in _VARYING or name.startswith("x-datadog"):
            headers[name] = "…"
    if headers.get("authorization", "").startswith("AWS4-"):
        headers["authorization"] = "…"
    return [request.path, headers, body]


_UNDERSTOOD: Final = (
    *("host_openai", "host_openai_left", "host_openai_helper", "host_openai_bare_usage"),
    "host_azure_new",
)
"""Programs whose host is known to understand `stream_options`."""


def _charges(home: Path) -> list[dict[str, Any]]:
    if not (home / "journal").exists():
        return []
    command = [str(Path(sys.executable).with_name("genai-cost")), "charges", "--json"]
    done = subprocess.run(
        [*command, "--ledger", str(home)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def recorded() -> dict[str, dict[str, int | str]]:
    """The outcomes that the table is made from."""
    found: dict[str, dict[str, int | str]] = json.loads(OUTCOMES.read_text("utf-8"))
    return found


def _run_somewhere(cell: Cell) -> Outcome:
    with tempfile.TemporaryDirectory() as folder:
        return run(cell, Path(folder))


def main(arguments: list[str]) -> int:
    writes = "--write" in arguments
    wanted = [each for each in arguments if each != "--write"]
    outcomes = recorded() if OUTCOMES.exists() else {}
    bad = 0
    cells = [cell for cell in CELLS if any(each in cell.label for each in wanted or ("",))]
    with ThreadPoolExecutor(2) as pool:
        for cell, outcome in zip(cells, pool.map(_run_somewhere, cells), strict=True):
            outcomes[cell.label] = outcome.row()
            print(f"{cell.label}: {outcome.row()} {dict(outcome.spans)}", flush=True)
            problems = (*outcome.differences, *outcome.judgement.wrong)
            bad += len(problems)
            print("".join(f"    {problem}\n" for problem in problems), end="", flush=True)
            if writes:
                _write(outcomes)
    return 1 if bad else 0


def _write(outcomes: Mapping[str, Mapping[str, int | str]]) -> None:
    """In the order of the table; rows that are not run now stay as they are."""
    kept = {cell.label: outcomes[cell.label] for cell in CELLS if cell.label in outcomes}
    OUTCOMES.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
