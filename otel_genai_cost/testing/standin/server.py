"""The stand-in: one local server for every provider's wire format. It does as scripted, records, and keeps the bill."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from otel_genai_cost.testing.standin.formats import routes_of
from otel_genai_cost.testing.standin.handler import Handler, Received
from otel_genai_cost.testing.standin.local_server import LocalServer
from otel_genai_cost.testing.standin.script import Answer, Script
from otel_genai_cost.testing.standin.wire import Billed, Call, Reply, Route, refusal
from otel_genai_cost.testing.standin.words import Words, tenant_of, text_of

__all__ = ["StandIn"]


class StandIn(LocalServer):
    """Serves, in a thread, while its `with` block is open.

    `script` says what the next requests are answered with. `received` holds every request; `bills` every response that
    a provider would charge for: {"provider", "tenant", "model", "response_id", "usage", "context", "status"}, of which
    provider, model, usage and context are what `genai-cost price --jsonl` takes.

    Args:
        providers: whose wire formats it speaks; all that there are if none is named.
        routes: further routes, which go first.
        bill: a file that gets the bill as JSON Lines too.
        port: where to listen; 0 for a free port.
    """

    def __init__(
        self,
        *providers: str,
        routes: Iterable[Route] = (),
        bill: Path | None = None,
        port: int = 0,
    ) -> None:
        self.script = Script()
        self.received: list[Received] = []
        self.bills: list[dict[str, Any]] = []
        self._routes = (*routes, *routes_of(providers))
        self._words = Words()
        self._kept: dict[str, Any] = {}
        self._numbers = count(1)
        self._bill_file = bill
        self._lock = threading.Lock()
        self._released = threading.Event()
        super().__init__(type("StandInHandler", (Handler,), {"standin": self}), port)

    def base_url(self, provider: str) -> str:
        """The root of one provider's paths, which several providers may share.

        Args:
            provider: as price books name it.
        """
        return f"{super().url}/~{provider}"

    def reset(self) -> None:
        """Forget scripts, requests and bills, and let go of what hangs."""
        self.script.clear()
        with self._lock:
            self.received.clear()
            self.bills.clear()
            self._kept.clear()
        self.release()

    def release(self) -> None:
        """Let go of every request that hangs: its connection is closed without a word."""
        released, self._released = self._released, threading.Event()
        released.set()

    def wait_for_release(self) -> None:
        """Hang."""
        self._released.wait()

    def reply_to(self, request: Received) -> tuple[Answer, Reply]:
        """Record a request, decide what it is answered with, and put that on the bill."""
        with self._lock:
            self.received.append(request)
        target = _target(request.path)
        found = self._route(request.method, target)
        if found is None:
            body = refusal(404, f"no such path {request.method} {target.path}")
            return Answer(status=404), Reply(body, status=404)
        route, named = found
        call = self._call(request, route, named, target)
        if call.answer.status != 200:
            return call.answer, _refused(route, call.answer)
        reply = route.answer(call)
        if call.answer.is_billed:
            self._charge(call, reply.bills)
        return call.answer, reply

    def _route(self, method: str, target: _Target) -> tuple[Route, dict[str, str]] | None:
        for route in self._routes:
            if route.method == method and target.provider in (None, route.provider):
                named = route.named(target.path)
                if named is not None:
                    return route, named
        return None

    def _call(
        self, request: Received, route: Route, named: Mapping[str, str], target: _Target
    ) -> Call:
        text = text_of(request.body)
        model = str(named.get("model") or request.body.get("model"))
        scripted = self.script.take(model, f"{request.path} {text}")
        return Call(
            provider=route.provider,
            path=target.path,
            named=named,
            query=target.query,
            headers=request.headers,
            body=request.body,
            text=text,
            answer=scripted or self._words.answer(text),
            number=next(self._numbers),
            port=self.port,
            kept=self._kept,
        )

    def _charge(self, call: Call, bills: tuple[Billed, ...]) -> None:
        lines = [
            {
                "provider": call.provider,
                "tenant": call.answer.tenant
                or billed.tenant
                or tenant_of(call.text)
                or _user_of(call),
                "model": billed.model,
                "response_id": billed.response_id,
                "usage": billed.usage.bill(),
                "context": dict(billed.context),
                "status": 200,
            }
            for billed in bills
        ]
        with self._lock:
            self.bills += lines
            if self._bill_file is not None:
                with self._bill_file.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(line) + "\n" for line in lines)

    def __exit__(self, *error: Any) -> None:
        self.release()
        super().__exit__(*error)


class _Target(NamedTuple):
    """Where a request goes; `provider` is None where its path names none."""

    provider: str | None
    path: str
    query: Mapping[str, str]


def _target(url: str) -> _Target:
    split = urlsplit(url)
    query = dict(parse_qsl(split.query, keep_blank_values=True))
    path = unquote(split.path) if split.path.startswith("/%7E") else split.path
    if not path.startswith("/~"):
        return _Target(None, path, query)
    provider, _, rest = path.removeprefix("/~").partition("/")
    return _Target(provider, f"/{rest}", query)


def _refused(route: Route, answer: Answer) -> Reply:
    wait_s = answer.retry_after_s
    headers = (
        {}
        if wait_s is None
        else {"retry-after": f"{wait_s:g}", "retry-after-ms": f"{wait_s * 1000:g}"}
    )
    body = route.refuse(answer.status, answer.message)
    return Reply(body, status=answer.status, headers=headers)


def _user_of(call: Call) -> Any:
    """Whom a request is for, as OpenAI's and Anthropic's bodies say it."""
    return call.body.get("user") or call.part("metadata").get("user_id")
