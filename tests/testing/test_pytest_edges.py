"""The pytest plugin and requests: they pass the application's edges, as in production."""

from __future__ import annotations

import re
from typing import Final

import pytest

from tests.testing.suite import run

pytest_plugins = ["pytester"]

_ENDPOINT: Final = """
import pytest
import app
from fastapi import FastAPI
from fastapi.testclient import TestClient

api = FastAPI()
api.get("/plain")(app.ask_nicely)

@api.get("/later")
async def later() -> str:
    await app.ask_later()
    return ""

@pytest.mark.parametrize("page", ["/plain", "/later"])
@pytest.mark.parametrize("headers", [{}, {"x-org-id": "globex"}])
def test_endpoint(page, headers, tenant):
    assert TestClient(api).get(page, headers=headers).status_code == 200
    assert TestClient(api).get(page, headers={"x-org-id": tenant}).status_code == 200
"""


def test_a_request_is_for_whom_its_edge_says(suite: pytest.Pytester) -> None:
    outcomes, output = run(suite, _ENDPOINT, "-p", "no:xdist")
    assert outcomes == {"passed": 4}, output
    assert "requests (starlette) were asked for no tenant, their calls are the test's own" in output
    source = "-o", "genai_cost_tenant=header:x-org-id"
    outcomes, output = run(suite, _ENDPOINT, "-p", "no:xdist", *source)
    assert outcomes == {"passed": 2, "failed": 2}, output
    failed = set(re.findall(r"^FAILED test_app\.py::test_endpoint\[(\S+)\]", output, re.MULTILINE))
    assert failed == {"headers0-/plain", "headers0-/later"}
    assert len(re.findall(r"^MISSING: .* has no tenant \(missing\)$", output, re.MULTILINE)) == 2
    assert "asked for no tenant" not in output


@pytest.mark.parametrize(
    ("option", "variable", "said"),
    [
        ("genai_cost_tenant=nonsense", "", "not a tenant source: 'nonsense'; use header:NAME"),
        ("xfail_strict=true", "OTEL_SDK_DISABLED", "no call would be seen"),
    ],
)
def test_what_cannot_be_watched_is_said_at_once(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, option: str, variable: str, said: str
) -> None:
    if variable:
        monkeypatch.setenv(variable, "true")
    suite.makepyfile(test_app="def test_it(): pass")
    done = suite.runpytest_subprocess("-o", option, "-p", "no:xdist", timeout=60)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: genai_cost_tenants: {said}" in str(done.stderr)
