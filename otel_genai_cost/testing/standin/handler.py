"""How a stand-in speaks HTTP: reads a request, and sends what it is answered with, or what becomes of that."""

from __future__ import annotations

import email.policy
import json
import time
from collections.abc import Iterable, Mapping
from email.parser import BytesParser
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from otel_genai_cost.testing.standin.local_server import LocalHandler
from otel_genai_cost.testing.standin.script import Answer
from otel_genai_cost.testing.standin.wire import Reply

if TYPE_CHECKING:
    from otel_genai_cost.testing.standin.server import StandIn

__all__ = ["Handler", "Received"]

_BODY_LIMIT_BYTES: Final = 4 * 1024 * 1024


class Received(NamedTuple):
    """A request as it came. Header names are in lower case; `body` is JSON's object or a form's fields, and `content`
    what they were read from."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    method: str = "POST"
    content: bytes = b""


class Handler(LocalHandler):
    """Serves one connection."""

    standin: StandIn

    def do_POST(self) -> None:
        """Answer it, whatever the method."""
        answer, reply = self.standin.reply_to(self._received())
        try:
            self._wait(answer)
            if reply.parts is None or answer.cuts_after == 0:
                self._send(answer, reply)
            else:
                self._stream(answer, reply, reply.parts)
        except _CutOff:
            self.break_off()
        except OSError:  # the client went away; the answer stays on the bill
            self.close_connection = True

    def _received(self) -> Received:
        length = min(int(self.headers.get("content-length") or 0), _BODY_LIMIT_BYTES)
        content = self.rfile.read(length)
        headers = self.lower_headers()
        body = _read(content, headers.get("content-type", ""))
        return Received(self.path, headers, body, self.command, content)

    def _wait(self, answer: Answer) -> None:
        if answer.hangs:
            self.standin.wait_for_release()
            raise _CutOff
        time.sleep(answer.delay_s)

    def _send(self, answer: Answer, reply: Reply) -> None:
        if answer.cuts_after == 0:
            raise _CutOff
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self._head(reply, {"content-length": str(len(body))})
        if answer.cuts_after is not None:
            self.wfile.write(body[: len(body) // 2])
            raise _CutOff
        self.wfile.write(body)

    def _stream(self, answer: Answer, reply: Reply, parts: Iterable[bytes]) -> None:
        """In HTTP chunks, over a connection that may be used again."""
        self._head(reply, {"transfer-encoding": "chunked"})
        for n, part in enumerate(parts):
            if n == answer.cuts_after:
                raise _CutOff
            if n == answer.ends_after:
                break
            if n == answer.stalls_after:
                self.standin.wait_for_release()
                raise _CutOff
            time.sleep(answer.part_delay_s)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def _head(self, reply: Reply, headers: Mapping[str, str]) -> None:
        self.send_response(reply.status)
        for name, value in {"content-type": reply.content_type, **headers, **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()


class _CutOff(Exception):
    """The connection ends here."""


def _read(content: bytes, content_type: str) -> Mapping[str, Any]:
    """A body's fields. What is neither JSON's object nor a form has none."""
    if content_type.startswith("multipart/form-data"):
        return _form(content, content_type)
    try:
        body = json.loads(content or b"{}")
    except ValueError:
        return {}
    return cast("dict[str, Any]", body) if isinstance(body, dict) else {}


def _form(content: bytes, content_type: str) -> dict[str, Any]:
    """The fields of a form; a file is its bytes."""
    head = f"content-type: {content_type}\r\n\r\n".encode()
    message: Any = BytesParser(policy=email.policy.HTTP).parsebytes(head + content)
    fields: dict[str, Any] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        value: bytes = part.get_payload(decode=True)
        fields[str(name)] = value if part.get_filename() else value.decode()
    return fields
