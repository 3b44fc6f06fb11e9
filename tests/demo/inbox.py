"""Where the demo's team gets its notices: an HTTP receiver of signed webhooks, which writes down what it is sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from standardwebhooks import Webhook

__all__ = ["SECRET", "receiving_notices"]

SECRET = "whsec_" + "ZGVtbyBkZW1vIGRlbW8gZGVtbyBkZW1v"


class _Handler(BaseHTTPRequestHandler):
    """Takes a notice whose signature is right; anything else is refused."""

    inbox: Path

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        said = Webhook(SECRET).verify(
            body, {name.lower(): value for name, value in self.headers.items()}
        )
        with self.inbox.open("a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 -- the base's name
        """Nothing: the inbox says it all."""


@contextmanager
def receiving_notices(inbox: Path) -> Generator[str]:
    """Serve on a free port of this host while the block runs; gives the URL.

    Args:
        inbox: gets a line of JSON a notice.
    """
    handler = type("Handler", (_Handler,), {"inbox": inbox})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/notices"
        finally:
            server.shutdown()
            thread.join()
