"""gRPC servers, sync and aio: right tenant or none."""

# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from tests.edges.rig import REQUESTS, RIGHT, Server, Told, serving, told

__all__ = ["METHODS", "asked_by_grpc"]

METHODS: Final = {
    "sync": ("now", "stream"),
    "aio": ("now", "stream", "write", "thread"),
}


def asked_by_grpc(server: Server, methods: tuple[str, ...]) -> dict[str, Told]:
    """Call each method as the suite's callers; gives what is right for each."""
    right: dict[str, Told] = {}
    with grpc.insecure_channel(server.url.removeprefix("http://")) as channel:
        for method in methods:
            for who, headers in REQUESTS.items():
                name = f"{method}-{who}"
                metadata = tuple((key.lower(), value) for key, value in headers.items())
                kind: Any = channel.unary_unary if method == "now" else channel.unary_stream
                answer = kind(f"/edges/{method}")(name.encode(), metadata=metadata, timeout=30)
                assert (answer if method == "now" else list(answer)[-1]) == name.encode()
                right[name] = RIGHT[who]
    return right


@pytest.mark.parametrize("kind", METHODS)
def test_right_tenant_or_none(tmp_path: Path, kind: str) -> None:
    command = ["python", "-m", "tests.edges.grpc_app", kind, "{port}"]
    with serving(tmp_path, command, {"OTEL_GENAI_COST_TENANT": "header:x-org-id"}) as server:
        right = asked_by_grpc(server, METHODS[kind])
        assert told(server, right) == right, server.child.output()
