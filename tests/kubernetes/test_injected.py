"""The Operator's injection, without a cluster: the tree that the Dockerfile makes, copied and put on the path as the
Operator does it, under a program in an environment that has never heard of us, on each Python."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final, NamedTuple
from urllib.request import Request, urlopen

import pytest

from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from tests.collector.receiving import HttpReceived, receiving_http
from tests.demo.processes import children, wait_until
from tests.demo.stage import clean_environment
from tests.e2e.rig import observations_in
from tests.environments.made import interpreter, python_with
from tests.kubernetes.dockerfile import build, image

pytestmark = [pytest.mark.environments, pytest.mark.timeout(600)]

_KEPT: Final = Path(__file__).resolve().parents[2] / "build" / "environments"
_PYTHONS: Final = ("3.10", "3.11", "3.12", "3.13")
_MOUNTED: Final = "otel-auto-instrumentation-python"
_BUILT_WITH: Final = "3.13"
_UNMET: Final = """
import importlib.metadata, sys
from packaging.requirements import Requirement
tree = sys.argv[1]
there = {d.metadata["Name"].lower().replace("_", "-") for d in importlib.metadata.distributions(path=[tree])}
for distribution in importlib.metadata.distributions(path=[tree]):
    for requirement in map(Requirement, distribution.requires or ()):
        wanted = requirement.name.lower().replace("_", "-")
        if wanted not in there and (requirement.marker is None or requirement.marker.evaluate({"extra": ""})):
            print(distribution.metadata["Name"], "needs", requirement)
"""


class _Pod(NamedTuple):
    """A container whose program may be injected."""

    folder: Path
    mounted: Path
    python: Path


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the injected image holds."""
    python = interpreter(_BUILT_WITH)
    assert python is not None, f"Python {_BUILT_WITH} is missing, which the Dockerfile builds with"
    return build("injected", tmp_path_factory.mktemp("image"), python)


@pytest.fixture(params=_PYTHONS)
def pod(request: pytest.FixtureRequest, tree: Path, tmp_path: Path) -> _Pod:
    """A container after the Operator's init container has run: `cp -r /autoinstrumentation/. MOUNT`."""
    made_with = interpreter(request.param)
    assert made_with is not None, f"Python {request.param} is missing"
    mounted = tmp_path / _MOUNTED
    mounted.mkdir()
    subprocess.run(["cp", "-r", f"{tree}/.", str(mounted)], check=True)
    python = python_with(_KEPT, "openai", "fastapi", "uvicorn", ours=None, python=made_with)
    return _Pod(tmp_path, mounted, python)


def test_the_tree_is_for_no_system_and_no_python_in_particular(tree: Path) -> None:
    compiled = [path for ending in ("so", "pyd", "pyc") for path in tree.rglob(f"*.{ending}")]
    assert not compiled
    tags = [
        line
        for wheel in tree.glob("*.dist-info/WHEEL")
        for line in wheel.read_text(encoding="utf-8").splitlines()
        if line.startswith("Tag: ")
    ]
    assert {tag.split("-", 1)[1] for tag in tags} == {"none-any"}


def test_it_is_where_the_operator_takes_it_from_for_each_libc() -> None:
    injected = image("injected")
    assert injected.taken == ("/autoinstrumentation", "/autoinstrumentation-musl")
    assert injected.user == "65532:65532"


def test_nothing_that_a_python_needs_is_missing(pod: _Pod) -> None:
    asked = [str(pod.python), "-c", _UNMET, str(pod.mounted)]
    environment = {**clean_environment(), "PYTHONPATH": str(pod.mounted)}
    said = subprocess.run(asked, env=environment, capture_output=True, text=True, check=True)
    assert not said.stdout


def test_a_program_that_knows_nothing_of_it_is_metered(pod: _Pod) -> None:
    with (
        OpenAIStandIn(pod.folder / "bill.jsonl") as provider,
        receiving_http() as collector,
        children() as started,
    ):
        environment = {
            **_injected(pod.mounted),
            "OPENAI_BASE_URL": provider.url,
            "OPENAI_API_KEY": "sk-test",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_GENAI_COST_TENANT": "header:x-org-id",
            "OTEL_GENAI_COST_JOURNAL": str(pod.folder / "journal"),
            "OTEL_GENAI_COST_STREAM_USAGE_HOSTS": "127.0.0.1",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        served = (
            "uvicorn",
            "--app-dir",
            str(Path(__file__).parent),
            "application:app",
            "--port",
            "0",
        )
        command = [str(pod.python), "-m", *served]
        application = started.start("app", command, pod.folder / "app.log", environment)
        url = application.find(r"running on (http://\S+)")
        assert [_asked(url + path, "acme") for path in ("/whole", "/streamed")]
        wait_until(lambda: len(_priced(collector)) == 2, "two priced spans", 30, [application])
        application.kill()
        seen = observations_in(pod.folder / "journal", torn=True)
        assert [each.attribution.tenant for each in seen] == ["acme", "acme"]
        assert [each.reading.response_id for each in seen] == [
            bill["response_id"] for bill in provider.bills
        ]
        assert sorted(_priced(collector)) == sorted(
            format_money(each.cost.total or 0) for each in seen
        )


def _injected(mounted: Path) -> dict[str, str]:
    """The variables that the Operator sets in a container."""
    prefix = mounted / "opentelemetry" / "instrumentation" / "auto_instrumentation"
    return {
        **clean_environment(),
        "PYTHONPATH": f"{prefix}:{mounted}",
        "PYTHONUNBUFFERED": "1",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_SERVICE_NAME": "shop",
        "OTEL_RESOURCE_ATTRIBUTES": "k8s.pod.name=shop-1",
    }


def _priced(collector: HttpReceived) -> list[str]:
    """What the spans that came say that their calls cost."""
    totals = [span.attributes.get("genai_cost.total") for span in collector.spans]
    return [str(total) for total in totals if total is not None]


def _asked(url: str, tenant: str) -> str:
    with urlopen(Request(url, headers={"x-org-id": tenant}), timeout=30) as answer:
        body: bytes = answer.read()
    return body.decode()
