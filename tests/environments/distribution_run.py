"""Runs the program beside a distribution, without us and with us, and says what differs and what was charged.

    python -m tests.environments.distribution_run [--write] [PART OF A NAME…]

`--write` keeps the outcomes in `distributions.json`, from which `make docs` makes the table.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.ledger.charge import charges
from otel_genai_cost.ledger.daemon import LEDGER_FILE, ship
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.otlp.protobuf_request import protobuf_request
from otel_genai_cost.testing.standin import Answer, StandIn, Usage
from tests.collector.receiving import HttpReceived, receiving_http
from tests.demo.processes import ROOT
from tests.demo.stage import clean_environment
from tests.e2e.rig import mtok
from tests.environments.distribution_program import CALLS, TENANTS
from tests.environments.distributions import ENVIRONMENTS, ROWS, Row
from tests.environments.made import base_requirements, python_with

__all__ = [
    "KEPT",
    "OUTCOMES",
    "Outcome",
    "Ran",
    "around",
    "command_of",
    "copied",
    "environment_of",
    "problems_of",
    "python_of",
    "recorded",
    "run",
]

OUTCOMES: Final = Path(__file__).with_name("distributions.json")
KEPT: Final = ROOT / "build" / "environments"
_PROGRAM: Final = Path(__file__).with_name("distribution_program.py")
_ENDS_WITHIN_S: Final = 300
_USED: Final = Usage(1_000, 100)
_COST: Final = mtok((1_000, "0.15"), (100, "0.60"))
_OURS: Final = ("genai_cost.", "gen_ai.usage.cost", "tenant.id")
_IDS: Final = ("logfire.pending_parent_id", "code.filepath", "code.function", "code.lineno")
"""What differs from run to run, and where Logfire sees the call: it skips what is installed beside itself, and we are
copied elsewhere here."""

_VARYING: Final = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z|\d+\.\d+")
"""Times and durations in what a tool writes down."""

_ANSWER: Final = json.dumps({"itemsReceived": 1, "itemsAccepted": 1, "errors": []}).encode()
"""What Application Insights answers; the receivers of OTLP look at the status alone."""

_DECLARED: Final = """\
file_format: "1.0"
resource: {{attributes: [{{name: service.name, value: shop}}]}}
tracer_provider:
  sampler: {{parent_based: {{root: {{trace_id_ratio_based: {{ratio: 0.1}}}}}}}}
  processors: [{{batch: {{exporter: {{otlp_http: {{endpoint: "{endpoint}/v1/traces"}}}}}}}}]
"""


class Outcome(NamedTuple):
    """What became of a row.

    Attributes:
        release: Of the distribution, and of the SDK below it.
        calls: How many calls were made.
        charged: How many of them were charged once, in full, to the right tenant.
        spans: How many spans of its own the distribution exported without us.
        problems: What is not as it should be.
    """

    release: str
    calls: int
    charged: int
    spans: int
    problems: tuple[str, ...]

    def row(self) -> dict[str, int | str]:
        """What the table says of it."""
        told = self._asdict()
        told["problems"] = len(self.problems)
        return told


class Ran(NamedTuple):
    """How a program ended, what it said, and which spans were exported."""

    code: int
    stderr: str
    spans: list[str]


def run(row: Row, folder: Path, ours: Path) -> Outcome:
    """Run a row.

    Args:
        row: Which.
        folder: What it leaves is left there.
        ours: A folder that we are copied into, as an operator does it.
    """
    plain = _run(row, folder / "plain", None)
    metered = _run(row, folder / "metered", ours)
    positions = _positions(folder / "metered")
    exact = [one for one in positions if one[1:] == (1, 0, _COST)]
    expected = Counter(TENANTS[number % len(TENANTS)] for number in range(CALLS))
    problems = [*problems_of(plain, metered)]
    if Counter(tenant for tenant, *_ in exact) != expected or len(positions) != CALLS:
        problems.append(f"charged: {Counter(positions)}")
    return Outcome(_release(row), CALLS, len(exact), len(plain.spans), tuple(problems))


def _run(row: Row, folder: Path, ours: Path | None) -> Ran:
    folder.mkdir(parents=True)
    python = python_of(row)
    with around() as (provider, received):
        done = subprocess.run(
            [*command_of(row, python), str(_PROGRAM), row.set_up],
            cwd=folder,
            env=environment_of(row, folder, python, provider.url, received.endpoint)
            | ({} if ours is None else {"PYTHONPATH": str(ours)}),
            capture_output=True,
            text=True,
            check=False,
            timeout=_ENDS_WITHIN_S,
        )
        ports = (str(provider.port), received.endpoint.rpartition(":")[2])
        spans = [_without(ports, span) for span in _spans(received)]
    return Ran(done.returncode, done.stdout + done.stderr, sorted(spans))


@contextmanager
def around() -> Generator[tuple[StandIn, HttpReceived], None, None]:
    """A provider that answers every call alike, and what takes the spans of any distribution."""
    with StandIn("openai") as provider, receiving_http() as received:
        provider.script.always(Answer(_USED))
        received.answer = lambda: (200, {"Content-Type": "application/json"}, _ANSWER)
        yield provider, received


def python_of(row: Row) -> Path:
    """The interpreter of the distribution's environment, made if it is not there, without us but with what we need."""
    return python_with(KEPT, *ENVIRONMENTS[row.environment], *base_requirements(), ours=None)


def command_of(row: Row, python: Path) -> list[str]:
    """What a program is started by.

    Args:
        row: beside what.
        python: of its environment.
    """
    launcher = [str(python.with_name("opentelemetry-instrument"))]
    return [*(launcher if row.set_up == "launched" else []), str(python)]


def environment_of(
    row: Row, folder: Path, python: Path, provider: str, endpoint: str
) -> dict[str, str]:
    """The environment variables of such a program, but for where we are found.

    Args:
        row: beside what.
        folder: where it works; what it is declared by is written there.
        python: of its environment.
        provider: the URL of the provider.
        endpoint: where spans go.
    """
    (folder / "otel.yaml").write_text(_DECLARED.format(endpoint=endpoint), "utf-8")
    settings = {
        name: value.format(endpoint=endpoint, folder=folder) for name, value in row.settings.items()
    }
    ours = {
        name: value for name, value in clean_environment().items() if not name.startswith("PYTEST_")
    }  # Logfire sends nothing from a test
    return {
        **ours,
        "PATH": f"{python.parent}:/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "OTEL_SERVICE_NAME": "shop",
        "OPENAI_BASE_URL": f"{provider}/v1",
        "OPENAI_API_KEY": "sk-test",
        "OTEL_GENAI_COST_JOURNAL": str(folder / "journal"),
        **settings,
    }


def _spans(received: HttpReceived) -> Iterator[str]:
    """What was exported, but for what is ours: scope, name and attributes. Which spans Logfire shows before they end
    is a matter of time."""
    for headers, body in zip(received.headers, received.requests, strict=True):
        path = headers[":path"]
        if path.endswith("/v1/traces"):
            for span in protobuf_request(body).spans:
                is_pending = span.attributes.get("logfire.span_type") == "pending_span"
                if not is_pending and not span.scope_name.startswith("otel_genai_instrumentors"):
                    yield _told(span.scope_name, span.name, span.attributes)
        elif path.endswith("/track"):
            for envelope in json.loads(body):
                data = envelope["data"]["baseData"]
                said = data.get("properties") or {}
                if data.get("name") in ("request", "chat gpt-4o-mini") and not _is_ours(said):
                    yield _told(envelope["name"], data["name"], said)


def _told(scope: str, name: str, attributes: Mapping[str, Any]) -> str:
    theirs = {
        key: _VARYING.sub("…", str(value))
        for key, value in attributes.items()
        if not key.startswith(_OURS) and key not in _IDS
    }
    return json.dumps([scope, name, theirs], sort_keys=True)


def _is_ours(said: Mapping[str, Any]) -> bool:
    """Whether a span of Application Insights, which has no scope, is one of ours: nobody else traces the client."""
    return any(name.startswith("genai_cost.") for name in said)


def _without(ports: Iterable[str], text: str) -> str:
    for port in ports:
        text = text.replace(port, "PORT")
    return text


def problems_of(plain: Ran, metered: Ran) -> Iterator[str]:
    """What is otherwise with us than without, but for what we are there for."""
    if plain.code or metered.code:
        yield f"ended with {plain.code}, {metered.code} with us: {plain.stderr}\n{metered.stderr}"
    lines = [line for line in metered.stderr.splitlines() if line.startswith("genai-cost: ")]
    if [line.partition(";")[0] for line in lines][-1:] != [
        "genai-cost: metering every LLM call, sampled or not"
    ]:
        yield f"the start-up line: {lines}"
    said = Counter(_lines(metered)) - Counter(_lines(plain))
    if said:
        yield f"said with us alone: {dict(said)}"
    before, after = Counter(plain.spans), Counter(metered.spans)
    if before != after:
        less, more = [*(before - after).elements()], [*(after - before).elements()]
        yield f"exported without us alone: {less}\n    with us alone: {more}"


def _lines(ran: Ran) -> Iterator[str]:
    for line in ran.stderr.splitlines():
        if not line.startswith("genai-cost: "):
            yield re.sub(r"\d+", "0", line)


def _positions(folder: Path) -> list[tuple[str | None, int, int, int | None]]:
    """Each charge's tenant, calls, unpriced calls and cost."""
    ship(folder, [folder / "journal"], drain=True)
    with closing(Ledger(folder / LEDGER_FILE, readonly=True)) as ledger:
        return [
            (
                one.attribution.tenant,
                one.calls,
                one.unpriced,
                sum(line.amount for line in one.lines),
            )
            for charge in charges(ledger)
            for one in charge.positions
        ]


@cache
def _versions(python: Path) -> Mapping[str, str]:
    asked = (
        "import importlib.metadata as m, json; "
        "print(json.dumps({d.name.lower(): d.version for d in m.distributions()}))"
    )
    done = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _release(row: Row) -> str:
    found = _versions(python_of(row))
    name = re.split(r"[\[=]", ENVIRONMENTS[row.environment][0])[0]
    return f"`{name}` {found[name]}, SDK {found['opentelemetry-sdk']}, `openai` {found['openai']}"


def copied(folder: Path) -> Path:
    """What an operator copies into an image: our package as it is now, without anything that it needs.

    Args:
        folder: Where the wheel is built, and unpacked.
    """
    command = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder))
    subprocess.run((*command, str(ROOT)), check=True)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder / "ours")
    return folder / "ours"


def recorded() -> dict[str, dict[str, int | str]]:
    """The outcomes that the table is made from."""
    found: dict[str, dict[str, int | str]] = json.loads(OUTCOMES.read_text("utf-8"))
    return found


def main(arguments: list[str]) -> int:
    writes = "--write" in arguments
    wanted = [each for each in arguments if each != "--write"]
    outcomes = recorded() if OUTCOMES.exists() else {}
    rows = [row for row in ROWS if any(each in row.name for each in wanted or ("",))]
    bad = 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(3) as pool:
        ours = copied(Path(folder))
        numbered = [(row, Path(folder) / str(number), ours) for number, row in enumerate(rows)]
        for row, outcome in zip(rows, pool.map(lambda one: run(*one), numbered), strict=True):
            outcomes[row.name] = outcome.row()
            print(f"{row.name}: {outcome.row()}", *outcome.problems, sep="\n    ", flush=True)
            bad += len(outcome.problems)
    if writes:
        kept = {row.name: outcomes[row.name] for row in ROWS if row.name in outcomes}
        OUTCOMES.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
