"""Tokens between two services, each a process under `opentelemetry-instrument`: one at the edge, which signs, and one
inside, which only verifies."""

from __future__ import annotations

import base64
from collections.abc import Generator
from contextlib import ExitStack
from typing import Any, NamedTuple

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.edges.rig import SPOOFED, Server, Told, serving, told

_SEED = bytes(range(1, 33))
_PUBLIC = Ed25519PrivateKey.from_private_bytes(_SEED).public_key().public_bytes_raw()
_UVICORN = ("uvicorn", "--port", "{port}", "tests.edges.trusted:api")
_TRUST = {
    "OTEL_PROPAGATORS": "tracecontext,genai_cost",
    "OTEL_GENAI_COST_TOKEN_AUDIENCE": "test",
}


def _text(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


class _Team(NamedTuple):
    edge: Server
    inner: Server

    def ask(self, server: Server, page: str, headers: dict[str, str], **query: str) -> Any:
        url = f"{server.url}{page}"
        return httpx.get(url, params=query, headers=headers, timeout=30).raise_for_status().json()

    def work(self, name: str, headers: dict[str, str]) -> None:
        url = f"{self.inner.url}/job"
        httpx.post(url, params={"id": name}, json=headers, timeout=30).raise_for_status()


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Generator[_Team]:
    base = tmp_path_factory.mktemp("team")
    keys = base / "keys"
    keys.write_text(f"# the edge signs\ne1:ed25519:{_text(_SEED)}\n", "utf-8")
    with ExitStack() as running:

        def serve(name: str, **environment: str) -> Server:
            folder = base / name
            folder.mkdir()
            return running.enter_context(serving(folder, _UVICORN, {**_TRUST, **environment}))

        public = f"old:hmac-sha256:{_text(b'o' * 32)},e1:ed25519-public:{_text(_PUBLIC)}"
        inner = serve("inner", OTEL_GENAI_COST_TOKEN_KEYS=public)
        edge = serve(
            "edge",
            OTEL_GENAI_COST_TOKEN_KEYS=f"file:{keys}",
            OTEL_GENAI_COST_TENANT="header:x-org-id",
            INNER_URL=inner.url,
        )
        yield _Team(edge, inner)


def test_the_tenant_of_the_edge_holds_inside_and_nobody_elses(team: _Team) -> None:
    spoofed = {**SPOOFED, "x-org-id": "acme"}
    right: dict[str, Told] = {}
    for name, headers, tenant in (
        ("right", {"x-org-id": "acme"}, "acme"),
        ("other", {"x-org-id": "globex"}, "globex"),
        ("spoofed", spoofed, "acme"),
        ("nobody", dict(SPOOFED), None),
    ):
        team.ask(team.edge, "/front", headers, id=name)
        found = Told(tenant, None if tenant else "missing")
        right |= {f"{name}-edge": found, f"{name}-inner": found}
    for name in ("right", "spoofed", "nobody"):
        signed = team.ask(team.edge, "/message", {"x-org-id": "acme"}, id=f"{name}-sent")
        forged = {**signed, "baggage": signed["baggage"].replace("acme", "victim")}
        team.work(f"{name}-message", {"right": signed, "spoofed": forged, "nobody": {}}[name])
    right["right-message"] = Told("acme", None)
    right["spoofed-message"] = right["nobody-message"] = Told(None, "missing")
    team.ask(team.inner, "/now", dict(SPOOFED), id="direct")
    team.ask(team.inner, "/now", {"x-org-id": "acme"}, id="unasked")
    right["direct"] = right["unasked"] = Told(None, "missing")
    team.ask(team.inner, "/now", signed, id="passed-on")
    right["passed-on"] = Told("acme", None)
    edge = {name: found for name, found in right.items() if name.endswith("-edge")}
    assert told(team.edge, edge).items() >= edge.items()
    inner = {name: found for name, found in right.items() if name not in edge}
    assert told(team.inner, inner).items() >= inner.items()
    for server in team:
        assert _text(_SEED) not in server.child.output()
        journalled = b"".join(
            one.read_bytes() for one in server.journal.rglob("*") if one.is_file()
        )
        assert b"acme" in journalled
        for token in (b"1~e1~", b"tenant.token"):
            assert token not in journalled + server.child.output().encode()
        assert "failed" not in server.child.output()


def test_what_outlives_its_request_inside_is_nobodys(team: _Team) -> None:
    for tenant in ("acme", "globex"):
        team.ask(team.edge, "/front", {"x-org-id": tenant}, id=tenant, path="/consume")
    found = told(team.inner, {"acme-inner", "globex-inner"})
    late = {found["acme-inner"], found["globex-inner"]}
    assert late == {Told(None, "stale")}
