"""ClickHouse's engine behind its HTTP interface, as far as a client needs it that writes. No package has ClickHouse's
server, but `chdb` has its engine: the statements and the rows that a client sends are that engine's to understand.

Run by a Python that has chdb:

    python -m tests.collector.clickhouse_server PORT FOLDER
"""

from __future__ import annotations

import re
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit

_HELLO = "SELECT displayName(), version(), revision(), timezone()"
_INSERT = re.compile(r"(INSERT\s+INTO\s.+\))\s*FORMAT\s+(\w+)\s*", re.DOTALL | re.IGNORECASE)
_BLOCK = b"\x01\x00\x02\xff\xff\xff\xff\x00"
"""What precedes a block in answers to a client of a newer revision."""


class _Interface(BaseHTTPRequestHandler):
    """A statement comes as `query` in the address, with rows in the body, or as the body."""

    protocol_version = "HTTP/1.1"
    session: Any
    at_once = threading.Lock()

    def do_POST(self) -> None:
        body = self._body()
        query = parse_qs(urlsplit(self.path).query).get("query", [""])[0]
        with self.at_once:
            try:
                done = self._inserted(query, body) if query else self._asked(body.decode())
            except RuntimeError as error:  # the engine's
                return self._answer(500, str(error).encode())
        return self._answer(200, done)

    def _asked(self, statement: str) -> bytes:
        if statement != _HELLO:
            answer: bytes = self.session.query(statement, "Native").bytes()
            return answer
        version = self.session.query("SELECT version()", "TSV").bytes().strip()
        # By revision 0, what the engine writes is what the client reads.
        values = (b"chdb", version, b"\x00\x00\x00\x00", b"UTC")
        kinds = (b"String", b"String", b"UInt32", b"String")
        columns = (
            _text(b"c") + _text(kind) + b"\x00" + (_text(value) if kind == b"String" else value)
            for kind, value in zip(kinds, values, strict=True)
        )
        return _BLOCK + b"\x04\x01" + b"".join(columns)

    def _inserted(self, query: str, rows: bytes) -> bytes:
        found = _INSERT.fullmatch(query)
        if found is None:
            raise RuntimeError(f"no INSERT: {query}")
        with tempfile.NamedTemporaryFile() as file:
            file.write(rows)
            file.flush()
            self.session.query(f"{found[1]} SELECT * FROM file('{file.name}', {found[2]})")
        return b""

    def _body(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        parts: list[bytes] = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _text(raw: bytes) -> bytes:
    return bytes([len(raw)]) + raw


def main(port: str, folder: str) -> None:
    _Interface.session = import_module("chdb.session").Session(folder)
    ThreadingHTTPServer(("127.0.0.1", int(port)), _Interface).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
