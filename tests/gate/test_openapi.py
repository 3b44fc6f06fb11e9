"""Whatever is sent to the service, it answers as its own description says, and never with an error of its own."""

from __future__ import annotations

import copy
from collections.abc import Generator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from otel_genai_cost import errors
from otel_genai_cost.gate.openapi import document
from otel_genai_cost.gate.route import Route
from otel_genai_cost.gate.service import ROUTES, application
from otel_genai_cost.limits.budget import Rung
from tests.gate.opened import Opened, opened
from tests.limits.build import budget


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Generator[Opened]:
    ladder = (Rung(50, "warn"), Rung(80, "shrink"), Rung(90, "pace"))
    home = tmp_path_factory.mktemp("ledger")
    tenants = budget("tenants", scope={"tenant": "*"}, hard="1000", ladder=ladder)
    with opened(home, tenants, budget("all", hard="100000")) as found:
        yield found


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("route", [route for route in ROUTES if route.raw is None], ids=_name)
def test_no_request_is_answered_by_an_error_of_ours(
    gate: Opened, route: Route, mode: GenerationMode
) -> None:
    before = dict(errors.failures)
    described = schemathesis.openapi.from_asgi("/openapi.json", application(gate.gate))
    operation = described[route.path][route.method]

    @given(operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=12,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    def check(case: Any) -> None:
        said = {**case.as_transport_kwargs(), "cookies": None}
        said["headers"] = {**dict(said.get("headers") or {}), **gate.team}
        if isinstance(said.get("data"), bytes):
            said["content"] = said.pop("data")
        answer = gate.client.request(
            case.method,
            quote(case.formatted_path, safe="/%"),
            headers=said["headers"],
            params=said.get("params"),
            json=said.get("json"),
            content=said.get("content"),
        )
        assert answer.status_code < 500, answer.text
        assert (
            str(answer.status_code)
            in document(ROUTES)["paths"][route.path][route.method.lower()]["responses"]
        ), answer.text
        assert isinstance(answer.json(), dict)

    check()
    assert errors.failures == before, "an operation that failed is one of ours, too"


def test_everything_that_is_answered_is_described() -> None:
    found = document(ROUTES)
    assert {(path, method) for path, one in found["paths"].items() for method in one} == {
        (one.path, one.method.lower()) for one in ROUTES
    }
    assert copy.deepcopy(found) == found


def test_the_description_is_served(gate: Opened) -> None:
    assert gate.client.get("/openapi.json").json() == document(ROUTES)


def test_paths_and_methods_that_are_not_there(gate: Opened) -> None:
    assert gate.client.get("/v2/reserve").json() == {"type": "not_found"}
    assert gate.client.get("/v1/reserve").status_code == 405
    assert Path(gate.home).exists()
