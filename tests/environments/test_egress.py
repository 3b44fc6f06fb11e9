"""What leaves with a call, by every transport that a client may send with, beside its instrumentation by OpenTelemetry:
never a tenant's baggage, but to hosts that the team has named."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.bench.counting import KEPT
from tests.environments.egress_program import CLIENTS, GRPC, SENDERS
from tests.environments.made import python_with

pytestmark = [pytest.mark.environments, pytest.mark.timeout(600)]

_PROGRAM: Final = Path(__file__).with_name("egress_program.py")
_INSTRUMENTATIONS: Final = ("httpx", "requests", "aiohttp-client", "urllib3", "grpc", "threading")
_PACKAGES: Final = (
    "openai==2.54.0",
    "anthropic==2.14.0",
    "google-genai==3.6.1",
    "aioboto3",
    "requests",
    "aiohttp",
    "urllib3",
    "grpcio",
    *(f"opentelemetry-instrumentation-{name}==0.66b1" for name in _INSTRUMENTATIONS),
)
_UNINSTRUMENTED: Final = {"google-genai"}
"""It sends by httpx2, which nobody instruments: nothing is written into what it sends."""

_ROWS: Final = (*CLIENTS, *SENDERS, *GRPC)


@pytest.fixture(scope="module")
def arrived(
    tmp_path_factory: pytest.TempPathFactory,
) -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """The headers that arrived, by transport and whom they were sent to."""
    python = python_with(KEPT, *_PACKAGES)
    folder = tmp_path_factory.mktemp("journal")
    done = subprocess.run(
        [python, _PROGRAM, folder], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, dict[str, str]]] = json.loads(done.stdout)
    assert set(found) == set(_ROWS)
    return found


@pytest.mark.parametrize("transport", _ROWS)
def test_a_tenants_baggage_goes_to_hosts_that_may_have_it_and_to_no_other(
    arrived: Mapping[str, Mapping[str, Mapping[str, str]]], transport: str
) -> None:
    stranger, gateway = arrived[transport]["stranger"], arrived[transport]["gateway"]
    assert "baggage" not in stranger
    assert not [value for value in stranger.values() if "acme" in value]
    if transport in _UNINSTRUMENTED:
        assert "traceparent" not in stranger and "traceparent" not in gateway
    else:
        assert "traceparent" in stranger
        assert gateway["baggage"] == "tenant.id=acme,genai_cost.feature=chat"
