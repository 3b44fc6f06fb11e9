"""A proxy before an object store that refuses as real ones do: a bucket that is full, one that is asked too often, keys
that have expired. It is a process of its own, since libraries read from it while they hold the interpreter's lock.

Usage: python -m tests.exporters.refusing_store ADDRESS
"""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.request
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from tests.demo.processes import ROOT, children

__all__ = ["FULL", "QUOTA", "SLOW_DOWN", "Refusal", "RefusingStore", "refusing"]

_CONTROL: Final = "/-/refusals"
_KEY: Final = re.compile(r"Credential=([^/]+)/")
_HOPS: Final = {"connection", "date", "expect", "server", "transfer-encoding"}
"""Headers that are of one connection."""


class Refusal(NamedTuple):
    """How a store refuses."""

    status: int
    code: str
    message: str


FULL: Final = Refusal(507, "XMinioStorageFull", "Storage backend has reached its minimum.")
QUOTA: Final = Refusal(403, "QuotaExceeded", "The quota of the bucket is used up.")
SLOW_DOWN: Final = Refusal(503, "SlowDown", "Please reduce your request rate.")
_EXPIRED: Final = Refusal(403, "ExpiredToken", "The provided token has expired.")


class RefusingStore:
    """A store that can be told to refuse.

    Args:
        address: of the proxy.
    """

    def __init__(self, address: str) -> None:
        self.address = address

    def refuse(
        self, writes: Refusal | None = None, after: int = 0, expired: Iterable[str] = ()
    ) -> None:
        """What is refused from now on.

        Args:
            writes: how writes are; None if they go through.
            after: so many still go through.
            expired: keys that no longer hold.
        """
        told = json.dumps({"writes": writes, "after": after, "expired": [*expired]}).encode()
        request = urllib.request.Request(f"{self.address}{_CONTROL}", told, method="PUT")
        with urllib.request.urlopen(request, timeout=30):
            pass


@contextmanager
def refusing(endpoint: str, folder: Path) -> Generator[RefusingStore]:
    """A proxy until the end of the block.

    Args:
        endpoint: the address of the store behind it.
        folder: for its log.
    """
    with children() as family:
        command = [sys.executable, "-m", "tests.exporters.refusing_store", endpoint]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        proxy = family.start("proxy", command, folder / "proxy.log", environment)
        port = proxy.find(r"port (\d+)", 60)
        yield RefusingStore(f"http://127.0.0.1:{port}")


class _Server(ThreadingHTTPServer):
    """What is refused just now stands here."""

    daemon_threads = True
    request_queue_size = 128
    behind = ""
    writes: Refusal | None = None
    after = 0
    expired: frozenset[str] = frozenset()

    def tell(self, told: bytes) -> None:
        """Take what `RefusingStore.refuse` says."""
        found = json.loads(told)
        self.writes = None if found["writes"] is None else Refusal(*found["writes"])
        self.after, self.expired = found["after"], frozenset(found["expired"])

    def refusal(self, method: str, authorization: str) -> Refusal | None:
        """How a request is refused; None if it is not."""
        key = _KEY.search(authorization)
        if key and key[1] in self.expired:
            return _EXPIRED
        if method not in ("PUT", "POST") or self.writes is None:
            return None
        self.after -= 1
        return self.writes if self.after < 0 else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing."""

    def _answer(self) -> None:
        server, body = self.server, self._body()
        assert isinstance(server, _Server)
        if self.path == _CONTROL:
            server.tell(body)
            return self._send(200, [], b"")
        refusal = server.refusal(self.command, self.headers.get("authorization", ""))
        if refusal is not None:
            said = f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>"
            return self._send(refusal.status, [("content-type", "application/xml")], said.encode())
        connection = HTTPConnection(server.behind, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOPS}
        try:
            connection.request(self.command, self.path, body or None, headers)
            found = connection.getresponse()
            return self._send(found.status, found.getheaders(), found.read())
        finally:
            connection.close()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = list[bytes]()
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _send(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        own = {} if self.command == "HEAD" else {"content-length": str(len(content))}
        for name, value in [*headers, *own.items()]:
            if name in own or name.lower() not in _HOPS | own.keys():
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    proxy = _Server(("127.0.0.1", 0), _Handler)
    proxy.behind = urlsplit(sys.argv[1]).netloc
    print(f"port {proxy.server_port}", flush=True)
    proxy.serve_forever()
