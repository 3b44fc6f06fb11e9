"""What the manifests run, run: from the files that the image's Dockerfile makes, shut in as their pods are, with the
secrets that docs/kubernetes.md tells to make. The applications are the examples'."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.request import Request, urlopen

import pytest
import yaml

from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from tests.collector.receiving import export, receiving
from tests.demo.processes import ChildError, Children, children, wait_until
from tests.environments.made import interpreter
from tests.kubernetes.chart import FOLDER, objects, rendered
from tests.kubernetes.dockerfile import build, image
from tests.kubernetes.pods import USER, Cluster, Program, Running
from tests.replay.otlp import chat, protobuf, request, span

pytestmark = [pytest.mark.environments, pytest.mark.service, pytest.mark.timeout(600)]

_BUILT_WITH: Final = "3.13"
_SENDERS: Final = ("agent", "hop", "application")
_SERVICE: Final = "genai-cost-ledger.genai-cost.svc:4319"
_TENANTS: Final[tuple[str, ...]] = ("acme", "globex", "initech")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """What the command's image runs."""
    python = interpreter(_BUILT_WITH)
    assert python is not None, f"Python {_BUILT_WITH} is missing, which the Dockerfile builds with"
    command = image("command")
    return Program.of(command, build("command", tmp_path_factory.mktemp("image"), python))


@pytest.fixture
def started() -> Generator[Children]:
    """What ends with the test."""
    with children() as begun:
        yield begun


@pytest.fixture
def open_folder() -> Generator[Path]:
    """A folder that each user can reach, which pytest's own is not."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def cluster(open_folder: Path, tmp_path: Path, started: Children, program: Program) -> Cluster:
    """Where nothing runs yet, with the secrets that the documentation tells to make."""
    file = tmp_path / "sender-tokens.json"
    secrets: dict[str, dict[str, str]] = {}
    for sender in _SENDERS:
        add = ("ledger", "senders", "add", sender, "--tokens", str(file))
        log = tmp_path / f"{sender}.log"
        child = started.start(sender, [*program.command, *add], log, program.environment)
        assert child.wait(60) == 0, child.output()
        secrets[f"genai-cost-{sender}"] = {"token": child.output()}
    secrets["genai-cost-senders"] = {file.name: file.read_text(encoding="utf-8")}
    return Cluster(open_folder, secrets, started)


def _owner(values: str, kind: str, name: str) -> Mapping[str, Any]:
    found = [each for each in objects(rendered(values)) if each["kind"] == kind]
    return next(each for each in found if each["metadata"]["name"] == name)


def _example(name: str) -> Mapping[str, Any]:
    text = (FOLDER / "applications" / f"{name}.yaml").read_text(encoding="utf-8")
    return next(each for each in yaml.safe_load_all(text) if each["kind"] == "Deployment")


def _ledger(cluster: Cluster, program: Program) -> Running:
    ledger = cluster.run(_owner("agents", "StatefulSet", "genai-cost-ledger"), "ledger", program)
    cluster.names(_SERVICE, ledger.at["http"])
    return ledger


def _application(provider: OpenAIStandIn) -> Program:
    """Ours, in the place of the examples' image."""
    served = ("uvicorn", "--app-dir", str(Path(__file__).parent), "application:app", "--port", "0")
    bin_ = Path(sys.executable).parent
    command = (str(bin_ / "opentelemetry-instrument"), str(bin_ / served[0]), *served[1:])
    environment = {
        "OPENAI_BASE_URL": provider.url,
        "OPENAI_API_KEY": "sk-test",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "PYTHONUNBUFFERED": "1",
    }
    return Program(command, environment)


def _call(pod: Running, tenant: str) -> None:
    url = pod.child.find(r"running on (http://\S+)", 120)
    with urlopen(Request(f"{url}/whole", headers={"x-org-id": tenant}), timeout=30) as answer:
        assert answer.status == 200


def _calls_by_tenant(ledger: Running, program: Program) -> dict[str, int]:
    """The first number: what somebody asks in the ledger's pod."""
    said = ledger.execute(*program.command, "report", "--by", "tenant", "--json")
    return {
        each["tenant"]: each["calls"]
        for each in map(json.loads, said.splitlines())
        if each["calls"]
    }


def _each(calls: int) -> dict[str, int]:
    return {tenant: calls for tenant in _TENANTS}


def _wait_for(ledger: Running, program: Program, expected: Mapping[str, int]) -> None:
    """Until it has what was sent: the next of its rounds."""
    wait_until(
        lambda: _calls_by_tenant(ledger, program) == expected, str(expected), 150, [ledger.child]
    )


def test_an_application_an_agent_and_a_ledger(
    cluster: Cluster, program: Program, tmp_path: Path
) -> None:
    ledger = _ledger(cluster, program)
    agent = cluster.run(_owner("agents", "DaemonSet", "genai-cost-agent"), "agent", program)
    cluster.names("genai-cost-agent.genai-cost.svc:4319", agent.at["http"])
    with OpenAIStandIn(tmp_path / "bill.jsonl") as provider:
        pods = [
            cluster.run(_example("with-agent"), "shop", _application(provider), pod)
            for pod in ("-1", "-2")
        ]
        for pod in pods:
            for tenant in _TENANTS:
                _call(pod, tenant)
        expected = _each(2)
        _wait_for(ledger, program, expected)
        pods[0].child.kill()
        _call(pods[1], "acme")
        expected["acme"] += 1
        _wait_for(ledger, program, expected)
        pods[1].child.stop(30)
    for running in (ledger, agent):
        status = Path(f"/proc/{running.child.process.pid}/status").read_text(encoding="utf-8")
        assert f"Uid:\t{USER}" in status and "CapEff:\t0000000000000004" in status
        assert running.is_well("livenessProbe") and running.is_well("readinessProbe")
    assert agent.child.stop(30) == 0, agent.child.output()
    _wait_for(ledger, program, expected)
    assert ledger.child.stop(45) == 0, ledger.child.output()


def test_what_stands_by_takes_the_place(cluster: Cluster, program: Program, tmp_path: Path) -> None:
    owner = _owner("standby", "StatefulSet", "genai-cost-ledger")
    ledger = cluster.run(owner, "ledger", program)
    cluster.names(_SERVICE, ledger.at["http"])
    standby = cluster.run(
        _owner("standby", "StatefulSet", "genai-cost-standby"), "standby", program
    )
    standby.child.find("^ready: the ledger of", 120)
    agent = cluster.run(_owner("standby", "DaemonSet", "genai-cost-agent"), "agent", program)
    cluster.names("genai-cost-agent.genai-cost.svc:4319", agent.at["http"])
    with OpenAIStandIn(tmp_path / "bill.jsonl") as provider:
        shop = cluster.run(_example("with-agent"), "shop", _application(provider))
        for tenant in _TENANTS:
            _call(shop, tenant)
        _wait_for(ledger, program, _each(1))
        shop.child.stop(30)
    ledger.child.kill()
    assert "this is the ledger from now on" in standby.execute(
        *program.command, "ledger", "promote"
    )
    standby.child.find("receiving journals at", 60)
    agent.child.stop(30)  # whatever it has left waits on its volume
    cluster.names(_SERVICE, standby.at["http"])  # as the service does, once its ledger is gone
    cluster.run(_owner("standby", "DaemonSet", "genai-cost-agent"), "agent", program)
    _wait_for(standby, program, _each(1))
    with pytest.raises(ChildError, match="another ledger has taken the place of the one in"):
        cluster.run(owner, "ledger", program)


def test_an_application_and_its_sidecar(cluster: Cluster, program: Program, tmp_path: Path) -> None:
    ledger = _ledger(cluster, program)
    sidecar = cluster.run(_example("with-sidecar"), "genai-cost", program)
    with OpenAIStandIn(tmp_path / "bill.jsonl") as provider:
        shop = cluster.run(_example("with-sidecar"), "shop", _application(provider))
        for tenant in _TENANTS:
            _call(shop, tenant)
        shop.child.kill()
    assert sidecar.child.stop(30) == 0, sidecar.child.output()
    _wait_for(ledger, program, _each(1))


def test_the_hop_and_its_agent(cluster: Cluster, program: Program) -> None:
    ledger = _ledger(cluster, program)
    owner = _owner("collector", "StatefulSet", "genai-cost-hop")
    with receiving() as collector:
        cluster.names("collector.observability.svc:4317", collector.endpoint)
        sender = cluster.run(owner, "agent", program)
        hop = cluster.run(owner, "hop", program)
        for number, tenant in enumerate(_TENANTS, 1):
            message = protobuf(request(span(number, chat(tenant__id=tenant))))
            export(hop.at["otlp-grpc"], message.SerializeToString())
        assert len(collector.spans) == len(_TENANTS)
        assert hop.is_well("livenessProbe") and hop.is_well("readinessProbe")
        assert hop.child.stop(30) == 0, hop.child.output()
    assert sender.child.stop(30) == 0, sender.child.output()
    _wait_for(ledger, program, _each(1))


def test_a_ledger_for_everybody_does_not_start(
    open_folder: Path, started: Children, program: Program
) -> None:
    nobody = Cluster(open_folder, {"genai-cost-senders": {}}, started)
    with pytest.raises(ChildError, match="everybody who reaches this address could send"):
        _ledger(nobody, program)
