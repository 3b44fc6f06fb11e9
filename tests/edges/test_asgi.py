"""FastAPI and plain ASGI under uvicorn: right tenant or none, whoever traces them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.edges.rig import Told, asked, serving, told

_UVICORN: Final = ("uvicorn", "--port", "{port}")
_HEADER: Final = {"OTEL_GENAI_COST_TENANT": "header:x-org-id"}
_WITHOUT: Final = {**_HEADER, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "fastapi,asgi"}
_PATHS: Final = ("/now", "/thread", "/stream", "/later", "/sub/now", "/ws")
_PLAIN_PATHS: Final = ("/now", "/stream", "/later", "/sub/now", "/ws")


@pytest.mark.parametrize(
    ("app", "environment", "paths"),
    [
        ("api", _HEADER, _PATHS),
        ("api", _WITHOUT, _PATHS),
        ("plain", _HEADER, _PLAIN_PATHS),
    ],
    ids=["upstream's instrumentation", "FastAPI's own telemetry", "no framework"],
)
def test_right_tenant_or_none(
    tmp_path: Path, app: str, environment: dict[str, str], paths: tuple[str, ...]
) -> None:
    with serving(tmp_path, [*_UVICORN, f"tests.edges.asgi:{app}"], environment) as server:
        right = asked(server, paths)
        assert told(server, right) == right
        assert "edge_bypassed" not in server.child.output()


def test_consumer_started_in_a_request_is_nobodys(tmp_path: Path) -> None:
    with serving(tmp_path, [*_UVICORN, "tests.edges.asgi:api"], _HEADER) as server:
        right = asked(server, ("/consume",))
        assert {one.tenant for one in told(server, right).values()} == {None}


@pytest.mark.parametrize("disabled", ["", "fastapi,asgi"])
def test_edge_that_is_not_in_the_way(tmp_path: Path, disabled: str) -> None:
    edges = ",".join(f"genai_cost_{name}" for name in ("asgi", "starlette", "uvicorn"))
    environment = {
        **_HEADER,
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": f"{edges},{disabled}".strip(","),
    }
    with serving(tmp_path, [*_UVICORN, "tests.edges.asgi:api"], environment) as server:
        names = asked(server, ("/now", "/later"))
        found = told(server, names)
        assert set(found.values()) == {Told(None, "edge_bypassed")}
        assert server.child.output().count("(edge_bypassed)") == 1


@pytest.mark.parametrize("disabled", ["", "fastapi,asgi"])
def test_without_a_source_nothing_of_a_request_is_believed(tmp_path: Path, disabled: str) -> None:
    environment = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": disabled}
    with serving(tmp_path, [*_UVICORN, "tests.edges.asgi:api"], environment) as server:
        names = asked(server, ("/now", "/stream"))
        assert set(told(server, names).values()) == {Told(None, "missing")}


@pytest.mark.parametrize("disabled", ["", "fastapi,asgi"])
def test_baggage_is_believed_where_somebody_says_so(tmp_path: Path, disabled: str) -> None:
    environment = {
        "OTEL_GENAI_COST_TENANT": "baggage:tenant.id",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": disabled,
    }
    with serving(tmp_path, [*_UVICORN, "tests.edges.asgi:api"], environment) as server:
        found = told(server, asked(server, ("/now",)))
    assert found["now-spoofed"] == Told("evil", None)
    assert found["now-acme"] == Told(None, "missing")
