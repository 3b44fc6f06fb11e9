"""A server that does with our file for Traefik what its documentation says of the middlewares in it: basicAuth, headers
and forwardAuth. Traefik itself is not to be had as a package."""

from __future__ import annotations

import base64
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Final

import httpx
import yaml

from tests.gateways.proxies import CONFIG

__all__ = ["forwarding"]

_HOP: Final = frozenset(
    {"connection", "content-length", "transfer-encoding", "host", "date", "server"}
)
_AWAY: Final = 500
"""What forwardAuth answers while nobody answers it."""


class _Handler(BaseHTTPRequestHandler):
    chain: list[tuple[str, dict[str, Any]]]
    provider: str
    users: dict[str, str]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- its name there
        """Say nothing."""

    def _serve(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        for kind, said in self.chain:
            refused = getattr(self, f"_{kind}")(said, headers, content)
            if refused is not None:
                return self._send(*refused)
        sent = {name: value for name, value in headers.items() if name not in _HOP}
        got = httpx.request(
            self.command, self.provider + self.path, headers=sent, content=content, timeout=20
        )
        return self._send(got.status_code, dict(got.headers), got.content)

    do_GET = do_POST = _serve

    def _basicAuth(self, said: dict[str, Any], headers: dict[str, str], _: bytes) -> Any:
        given = headers.get("authorization", "").removeprefix("Basic ")
        try:
            user, password = base64.b64decode(given).decode().split(":", 1)
        except ValueError:
            user, password = "", ""
        if not user or self.users.get(user) != password:
            return 401, {}, b""
        headers[said["headerField"].lower()] = user
        if said.get("removeHeader"):
            del headers["authorization"]
        return None

    def _headers(self, said: dict[str, Any], headers: dict[str, str], _: bytes) -> None:
        """An empty value takes a header off."""
        for name, value in said["customRequestHeaders"].items():
            headers.pop(name.lower(), None)
            if value:
                headers[name.lower()] = value

    def _forwardAuth(self, said: dict[str, Any], headers: dict[str, str], body: bytes) -> Any:
        asked = {name: value for name, value in headers.items() if name not in _HOP}
        asked |= {
            "x-forwarded-method": self.command,
            "x-forwarded-uri": self.path,
            "x-forwarded-host": headers.get("host", ""),
        }
        content = body if said.get("forwardBody") else b""
        try:
            got = httpx.request("GET", said["address"], headers=asked, content=content, timeout=10)
        except httpx.HTTPError:
            return _AWAY, {}, b""
        if not got.is_success:
            return got.status_code, dict(got.headers), got.content
        for name in said["authResponseHeaders"]:
            headers.pop(name.lower(), None)
            if name in got.headers:
                headers[name.lower()] = got.headers[name]
        return None

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def forwarding(gate: int, provider: int, token: str, users: dict[str, str]) -> Generator[int]:
    """Serve by our file for Traefik; gives the port.

    Args:
        gate: the gate's port.
        provider: the provider's port.
        token: of the gate's.
        users: their passwords.
    """
    text = (CONFIG / "traefik.yaml").read_text("utf-8")
    for was, now in {
        "GATE_TOKEN": token,
        "PROVIDER_KEY": "sk-provider",
        "127.0.0.1:4180": f"127.0.0.1:{gate}",
    }.items():
        assert was in text
        text = text.replace(was, now)
    said: Any = yaml.safe_load(text)["http"]
    named = said["routers"]["llm"]["middlewares"]
    chain = [next(iter(said["middlewares"][name].items())) for name in named]
    own = {"chain": chain, "provider": f"http://127.0.0.1:{provider}", "users": users}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), own))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
