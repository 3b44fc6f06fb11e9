"""The services of examples/other-languages/: each copies its request's tenant to its spans, so that the hop charges
what the provider billed to whom it was for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Final, NamedTuple
from urllib.request import Request, urlopen

import pytest

from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from tests.cli.command import rows
from tests.collector.receiving import Received, receiving
from tests.collector.scenarios import Hop, serving
from tests.demo.processes import Children, children
from tests.demo.stage import clean_environment
from tests.examples.test_examples import EXAMPLES
from tests.queues.brokers import free_port

pytestmark = pytest.mark.service
_RECIPES: Final = EXAMPLES / "other-languages"
_TENANTS: Final = ("acme", "globex", "acme", None)
_BUILDS_WITHIN_S: Final = 250


class Running(NamedTuple):
    """The provider, the hop and who receives from it, where a service's spans go by HTTP, and who ends processes."""

    provider: OpenAIStandIn
    received: Received
    hop: Hop
    http: str
    family: Children


@pytest.fixture
def running(tmp_path: Path) -> Generator[Running]:
    http = f"127.0.0.1:{free_port()}"
    with OpenAIStandIn() as provider, receiving() as received, children() as family:
        hop = serving(family, tmp_path, "--listen-http", http, to=received.endpoint)
        yield Running(provider, received, hop, http, family)


def _needs(command: str) -> str:
    """Where a program is; the test skips without it, which in continuous integration is a failure."""
    found = shutil.which(command)
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"{command} is not installed")
        pytest.skip(f"{command} is not installed")
    return found


def _served(running: Running, folder: Path, command: list[str], env: Mapping[str, str]) -> None:
    """Ask a service, once for each tenant, and let it end."""
    settings = {
        **clean_environment(),
        **env,
        "PORT": "0",
        "OPENAI_API_KEY": "any",
        "OPENAI_BASE_URL": running.provider.url,
        "OTEL_SERVICE_NAME": "shop",
    }
    service = running.family.start("service", command, folder / "service.log", settings)
    url = service.find(r"listening on (http://\S+)")
    for tenant in _TENANTS:
        headers = {} if tenant is None else {"baggage": f"user.id=7,tenant.id={tenant}"}
        with urlopen(Request(url, headers=headers), timeout=30) as answer:
            assert answer.status == 200 and answer.read()
    assert service.stop() == 0, service.output()


def _assert_charged_as_billed(running: Running) -> None:
    bills = running.provider.bills
    asked = [{**bill, "id": bill["response_id"]} for bill in bills]
    prices = rows("price", "--jsonl", stdin="".join(json.dumps(one) + "\n" for one in asked))
    charges = rows("charges", "--json", "--ledger", str(running.hop.ledger))
    charged = {one["response_id"]: (one["total"], one["tenant"]) for one in charges}
    assert len(charges) == len(_TENANTS)
    assert [charged[bill["response_id"]] for bill in bills] == [
        (one["total"], tenant) for one, tenant in zip(prices, _TENANTS, strict=True)
    ]


def _assert_only_tenants_are_copied(received: Received) -> None:
    calls = [one for one in received.spans if "gen_ai.usage.cost" in one.attributes]
    assert len(calls) == len(_TENANTS)
    assert not any("user.id" in one.attributes for one in received.spans)


def test_go(running: Running, tmp_path: Path) -> None:
    program = tmp_path / "service"
    command = [_needs("go"), "build", "-C", str(_RECIPES / "go"), "-o", str(program), "."]
    subprocess.run(command, check=True, capture_output=True, timeout=_BUILDS_WITHIN_S)
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{running.http}"}
    _served(running, tmp_path, [str(program)], env)
    _assert_charged_as_billed(running)
    _assert_only_tenants_are_copied(running.received)


def test_node(running: Running, tmp_path: Path) -> None:
    """Its instrumentation is the one that OpenTelemetry has for the client."""
    node = _needs("node")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otel-genai-cost"
    modules = cache / "node-example" / "node_modules"
    if not modules.exists() and not os.environ.get("CI"):
        pytest.skip("the packages are not installed: run tests/services.sh")
    env = {
        "NODE_PATH": str(modules),
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{running.hop.address}",
    }
    _served(running, tmp_path, [node, str(_RECIPES / "node" / "service.js")], env)
    _assert_charged_as_billed(running)
    _assert_only_tenants_are_copied(running.received)
