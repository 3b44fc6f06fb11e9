"""A receiver of journals in a process of its own: it keeps what comes on its disk before it says so, and may be killed.

    python -m tests.forwarding.receiver FOLDER ADDRESS [CERTIFICATE KEY CA]

What stands in `FOLDER/answer` is answered instead, while it is there: a reason, `silence`, or `nothing` (taken, and
then no answer). It prints its port.
"""

from __future__ import annotations

import gzip
import os
import socketserver
import ssl
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

from otel_genai_cost.forwarding import wire
from otel_genai_cost.forwarding.refusals import refusal_body
from otel_genai_cost.forwarding.wire import BookFile, BookOffer, Lines, Part, Refusal

__all__: list[str] = []

_lock = Lock()


def _take(folder: Path, parts: tuple[Part, ...]) -> Refusal | None:
    for part in parts:
        if isinstance(part, BookFile):
            _keep(folder / f"{part.digest}.json", 0, part.content)
        elif isinstance(part, BookOffer):
            if not (folder / f"{part.digest}.json").exists():
                return Refusal("UNKNOWN_BOOK", "it is not here", {wire.WANTED: "now"})
        elif (refusal := _append(folder, part)) is not None:
            return refusal
    return None


def _append(folder: Path, lines: Lines) -> Refusal | None:
    path = folder / f"{lines.segment}.jsonl"
    have = path.read_bytes() if path.exists() else b""
    said = {"segment": lines.segment, "have": str(len(have))}
    if lines.offset > len(have):
        return Refusal("HOLE", "bytes before these have not come", said)
    known = have[lines.offset : lines.offset + len(lines.content)]
    if known != lines.content[: len(known)]:
        return Refusal("DIFFERENT", "other bytes are there", said)
    _keep(path, len(have), lines.content[len(known) :])
    if lines.finished:
        path.with_suffix(".finished").touch()
    return None


def _keep(path: Path, offset: int, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, content, offset)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    folder: Path

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        request = wire.request_in(gzip.decompress(body))
        answer = self.folder / "answer"
        instead = answer.read_text().strip() if answer.exists() else ""
        if instead == "silence":
            time.sleep(60)
        if instead in wire.REFUSAL_REASONS:
            self._refuse(Refusal(instead, "as it was told"))
            return
        token = (self.folder / "token").read_text() if (self.folder / "token").exists() else ""
        if token and self.headers.get("authorization") != f"Bearer {token}":
            self._refuse(Refusal("UNAUTHENTICATED", "no such token"))
            return
        with _lock:
            refusal = _take(self.folder, request.parts)
        if instead == "nothing":
            self.close_connection = True
        elif refusal is not None:
            self._refuse(refusal)
        else:
            self._say(200, b"{}")

    def _refuse(self, refusal: Refusal) -> None:
        assert refusal.reason is not None
        self._say(wire.STATUS_OF[refusal.reason], refusal_body(refusal))

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        for name, value in ((wire.LEDGER, "ledger"), (wire.EPOCH, "1")):
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- its caller's word
        pass


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True

    def get_request(self) -> Any:
        connection, _ = super().get_request()
        return connection, ("local", 0)


def main(folder: str, address: str, certificate: str = "", key: str = "", ca: str = "") -> None:
    _Handler.folder = Path(folder)
    server: Any
    if address.startswith("/"):
        server = _UnixServer(address, _Handler)
        port = 0
    else:
        server = ThreadingHTTPServer(("127.0.0.1", int(address)), _Handler)
        port = server.server_port
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca or None)
        context.load_cert_chain(certificate, key)
        context.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
        server.socket = context.wrap_socket(server.socket, server_side=True)
    print(port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
