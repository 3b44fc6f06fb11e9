"""What every stand-in of a billing system does: it listens, fails as scripted, and counts each id once."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast
from urllib.parse import parse_qsl, urlsplit

from otel_genai_cost.testing.standin.local_server import LocalHandler, LocalServer

__all__ = ["DAY_US", "Answer", "BillingStandIn", "Fault", "Request", "Usage", "is_batch", "now_us"]

DAY_US: Final = 86_400_000_000
_BODY_MAX_BYTES: Final = 8 * 1024 * 1024
_DECIMAL: Final = re.compile(r'"\\u0000([^"]+)"')


def now_us() -> int:
    """Unix microseconds."""
    return time.time_ns() // 1000


class Fault(NamedTuple):
    """What goes wrong with a request.

    Attributes:
        status: that it is answered with; 0 breaks the connection off.
        after: whether it was accepted all the same.
        retry_after_s: what the answer asks for.
        part: whether only every other event of it was accepted.
    """

    status: int = 500
    after: bool = False
    retry_after_s: int | None = None
    part: bool = False


class Request(NamedTuple):
    """A request as it came; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        """Its body; decimals are exact."""
        return json.loads(self.content or b"null", parse_float=Decimal)


class Answer(NamedTuple):
    """What a request is answered with."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}


class Usage(NamedTuple):
    """What counts: whose, by which meter, how much, when (unix microseconds), and when it came."""

    customer: str
    meter: str
    quantity: Decimal
    at_us: int
    received_us: int


class BillingStandIn(LocalServer):
    """Serves, in a thread, while its `with` block is open.

    `faults` holds what goes wrong next, a fault a request; `fault` decides for each request where that is empty.
    `received` counts requests that bring something.

    Args:
        clock_us: the time, unix microseconds.
        key: that requests have to bring; empty for any.
        port: where to listen; 0 for a free port.
    """

    remembers_us: int | None = None
    """For how long an id that comes twice counts once; None for ever."""

    def __init__(
        self,
        clock_us: Callable[[], int] = now_us,
        key: str = "",
        port: int = 0,
    ) -> None:
        self.clock_us, self.key = clock_us, key
        self.faults: deque[Fault | None] = deque()
        self.fault: Callable[[Request], Fault | None] = lambda request: None
        self.refuse_customer = ""
        """A customer that is not known here."""
        self.received = 0
        self.doubled = 0
        """Usage that counts a second time, since its id came back after it was forgotten."""
        self._usage: dict[str, list[Usage]] = {}
        self._lock = threading.RLock()
        self._is_part, self._skips = False, False
        super().__init__(type("BillingHandler", (_Handler,), {"standin": self}), port)

    def quantity(self, customer: str, meter: str, from_us: int, to_us: int) -> Decimal:
        """What a customer used, as the vendor would bill it.

        Args:
            customer: as the vendor names it.
            meter: the name of its events.
            from_us: unix microseconds.
            to_us: the first instant that no longer counts.
        """
        with self._lock:
            return sum(
                (
                    one.quantity
                    for counted in self._usage.values()
                    for one in counted
                    if (one.customer, one.meter) == (customer, meter)
                    and from_us <= one.at_us < to_us
                ),
                Decimal(0),
            )

    def usage(self) -> dict[str, list[Usage]]:
        """What counts, by id; more than one of an id where it was counted twice."""
        with self._lock:
            return {one: list(counted) for one, counted in self._usage.items()}

    def answer(self, request: Request) -> Answer:
        """Answer a request as the vendor does. A vendor's file has this."""
        raise NotImplementedError

    def refusal(self, status: int, message: str) -> Answer:
        """How the vendor words an error. A vendor's file may have this."""
        return Answer({"message": message}, status)

    def is_allowed(self, request: Request) -> bool:
        """Whether a request brings the key."""
        return not self.key or self.key in request.headers.get("authorization", "")

    def knows(self, one: str) -> Usage | None:
        """What came under an id and is remembered."""
        counted = self._usage.get(one)
        if not counted:
            return None
        last = counted[-1]
        forgets_us = self.remembers_us
        is_old = forgets_us is not None and self.clock_us() - last.received_us > forgets_us
        return None if is_old else last

    def count(self, one: str, usage: Usage) -> bool:
        """Count usage once for an id, as long as that is remembered; whether it counts."""
        with self._lock:
            self._skips = self._is_part and not self._skips
            if self._skips or self.knows(one) is not None:
                return False
            counted = self._usage.setdefault(one, [])
            self.doubled += bool(counted)
            counted.append(usage)
            return True

    def forget(self, one: str) -> None:
        """Usage of an id does not count any more."""
        with self._lock:
            self._usage.pop(one, None)

    def reply_to(self, request: Request) -> tuple[Answer | None, Fault | None]:
        """The answer to a request, and what goes wrong with it."""
        with self._lock:
            self.received += request.method != "GET"
            fault = self.faults.popleft() if self.faults else self.fault(request)
            if fault is not None and not (fault.after or fault.part):
                return None, fault
            if not self.is_allowed(request):
                return self.refusal(401, "unknown key"), None
            self._is_part = fault is not None and fault.part
            return self.answer(request), fault


class _Handler(LocalHandler):
    """Serves one connection."""

    standin: BillingStandIn

    def do_POST(self) -> None:
        """Answer it, whatever the method; one that did not come whole counts for nothing."""
        request = self._request()
        if request is None:
            self.close_connection = True
            return
        answer, fault = self.standin.reply_to(request)
        try:
            if fault is not None:
                self._fail(fault)
            elif answer is not None:
                self._send(answer)
        except OSError:  # the client went away
            self.close_connection = True

    def handle(self) -> None:
        """Serve until the client goes, however it does."""
        with suppress(ConnectionError):
            super().handle()

    def _request(self) -> Request | None:
        length = min(int(self.headers.get("content-length") or 0), _BODY_MAX_BYTES)
        split = urlsplit(self.path)
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        content = self.rfile.read(length)
        if len(content) < length:
            return None
        return Request(self.command, split.path, query, self.lower_headers(), content)

    def _fail(self, fault: Fault) -> None:
        if not fault.status:
            self.break_off()
            return
        wait = fault.retry_after_s
        headers = {} if wait is None else {"retry-after": str(wait)}
        refusal = self.standin.refusal(fault.status, "as scripted")
        self._send(refusal._replace(headers=headers))

    def _send(self, answer: Answer) -> None:
        body = b"" if answer.body is None else _document(answer.body)
        self.send_response(answer.status)
        for name, value in {"content-type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def is_batch(events: object, most: int) -> bool:
    """Whether a body is a list of 1 to `most`."""
    return isinstance(events, list) and 1 <= len(cast("list[object]", events)) <= most


def _document(body: Any) -> bytes:
    """A body as JSON; of decimals every digit."""
    text = json.dumps(body, default=lambda value: f"\0{value:f}")
    return _DECIMAL.sub(r"\1", text).encode()
