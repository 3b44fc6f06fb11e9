"""The programs of examples/, run as their page says, with the stand-in for the provider."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from otel_genai_cost.testing.standin.openai import OpenAIStandIn

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "examples"
_PROGRAMS: Final = Path(sys.executable).parent


@pytest.fixture
def provider() -> Iterator[OpenAIStandIn]:
    with OpenAIStandIn() as standin:
        yield standin


@pytest.fixture
def env(tmp_path: Path, provider: OpenAIStandIn) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    off = dict.fromkeys(("TRACES", "METRICS", "LOGS"), "none")
    return {
        **clean,
        **{f"OTEL_{signal}_EXPORTER": value for signal, value in off.items()},
        "PATH": f"{_PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "OPENAI_API_KEY": "any",
        "OPENAI_BASE_URL": provider.url,
        "OTEL_GENAI_COST_LEDGER": str(tmp_path / "costs"),
        "OTEL_GENAI_COST_TENANT": "header:x-org-id",
    }


def _run(env: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        command, cwd=EXAMPLES, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _charges(env: dict[str, str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _run(env, "genai-cost", "charges", "--json").splitlines()]


def test_worker_charges_each_message_to_its_tenant(env: dict[str, str], tmp_path: Path) -> None:
    _run(env, "opentelemetry-instrument", "python", "worker.py")
    charges = _charges(env)
    whose = Counter((one["tenant"], one["feature"]) for one in charges)
    assert whose == {
        ("acme", "inbox"): 1,
        ("globex", "inbox"): 1,
        ("acme", "nightly digest"): 1,
        (None, None): 1,
        (None, "reindex"): 1,
    }
    assert {one["absent"] for one in charges if one["tenant"] is None} == {"missing", "system"}

    picture = tmp_path / "costs.png"
    shown = _run(env, "python", "monthly_report.py", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    total = sum((Decimal(one["total"]) for one in charges if one["tenant"] == "acme"), Decimal())
    assert f"acme           {total.normalize():f} USD  2 calls, 0 without a price" in shown


def test_service_charges_each_request_to_its_header(env: dict[str, str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = ["opentelemetry-instrument", "uvicorn", "service:app", "--port", port]
    server = subprocess.Popen(command, cwd=EXAMPLES, env=env, stderr=subprocess.PIPE, text=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as browser:
            _wait_for(browser, server)
            for customer in ("acme", "globex"):
                headers = {"x-org-id": customer}
                browser.get("/answer", params={"question": "why?"}, headers=headers)
                assert browser.get("/story", headers=headers).text
    finally:
        server.terminate()
        server.communicate(timeout=30)
    whose = Counter((one["tenant"], one["feature"]) for one in _charges(env))
    each = {("search", 1), (None, 2)}
    assert whose == {(who, what): n for who in ("acme", "globex") for what, n in each}


def _wait_for(browser: httpx.Client, server: subprocess.Popen[str]) -> None:
    """Until the server listens."""
    for _ in range(600):
        assert server.poll() is None, server.communicate()
        try:
            browser.get("/openapi.json")
            return
        except httpx.ConnectError:
            time.sleep(0.1)


def test_pricing_from_code_is_exact(env: dict[str, str]) -> None:
    shown = _run(env, "python", "pricing.py").splitlines()
    assert shown[0] == "cache_read     10,000 x 1.25 per 1,000,000 = 0.0125"
    assert shown[3].startswith("priced: 0.0255 USD by openai/gpt-4o-2024-08-06@")
    assert shown[4] == "openai/gpt-4o-mini: 0.00153"
    assert shown[-1] == "gpt-9-experimental: unpriced, unknown_model"
