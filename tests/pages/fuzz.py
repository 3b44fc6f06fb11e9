"""Requests of somebody who tries whatever comes to mind, straight at the ASGI application, in an order that repeats."""

from __future__ import annotations

import asyncio
import gzip
import html
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from otel_genai_cost.pages.routes import ROUTES
from otel_genai_cost.pages.viewer import Role
from tests.pages.crowd import COUNT, OWN, Crowd, name_of

__all__ = ["Answer", "Asked", "ask", "requests"]

App = Callable[[Any, Any, Any], Awaitable[None]]

_WORDS: Final = (
    *("tenant", "model", "feature", "side", "by", "sort", "period", "from", "to", "last", "since"),
    *("tz", "as-of", "as_of", "format", "page", "q", "id", "visible", "viewer", "role", "tenants"),
    *("link", "after", "until_seq", "directory", "instead", "selection", "group", "unit", "token"),
)
_FIT: Final = {
    "side": ("cost", "price"),
    "by": ("model", "feature", "day", "tenant", "hour"),
    "format": ("csv", "html"),
    "as-of": ("2026-11-18", "now", "2026-11-20"),
    "tz": ("Europe/Berlin", "UTC", "Asia/Kolkata"),
    "from": ("2026-11-18", "2026-11-19"),
    "sort": ("cost", "calls", "name"),
}
"""What these may be; anything else may be any name."""

_HEADERS: Final = (
    *("x-forwarded-user", "x-forwarded-host", "x-forwarded-for", "x-original-url", "x-rewrite-url"),
    *("x-proxy-secret", "x-tenant", "x-tenant-id", "x-role", "x-http-method-override", "forwarded"),
    *("authorization", "accept", "accept-encoding", "range", "if-none-match", "referer", "origin"),
    *("sec-fetch-site", "x-form-token", "traceparent", "baggage", "content-type", "via"),
)
_METHODS: Final = ("GET",) * 40 + (
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "get",
)
_ODD: Final = (
    "",
    "*",
    "%",
    "null",
    "-",
    "=",
    "unattributed",
    "=unattributed",
    "' OR 1=1 --",
    "') OR TRUE OR ('",
    "\x00",
    "../",
    "0",
    "-1",
    "1e9",
    "9" * 40,
    "‮",
    "A" * 3_000,
    "<script>",
    "${7*7}",
    "{{7*7}}",
    "all",
    "cost",
    "csv",
    "tenant",
    "now",
    "2026-11-18",
    "2026-11-18T00:00:00Z",
    "Europe/Berlin",
    "30d",
    "tenant,feature",
)


class Asked(NamedTuple):
    """A request, as a server has it after it was read."""

    method: str
    target: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def __str__(self) -> str:
        return f"{self.method} {self.target[:300]} {self.headers}"


class Answer(NamedTuple):
    """All that came back, unpacked, with what is written for HTML as it is read."""

    status: int
    text: str


def requests(
    made: Crowd, seed: int, credentials: Sequence[tuple[bytes, bytes] | str], roles: Sequence[Role]
) -> Iterator[Asked]:
    """Requests without an end.

    Args:
        made: whose names and ids are tried.
        seed: of the same ones again.
        credentials: a header, or a link; one of them is in each request, most of the time as it is.
        roles: whose pages are asked for more often than others.
    """
    chance = random.Random(seed)
    values = [*made.foreign, *made.own, *_ODD, *(name_of(n) for n in range(COUNT))]
    paths = [one.path for one in ROUTES] + ["/live", "/static/pages.css", "/own/", "/sign-in", "/"]
    often = [one.path for one in ROUTES if {*one.roles} & {*roles}]
    while True:
        credential = chance.choice(credentials)
        query = _query(chance, values)
        headers = [(b"host", b"cost.example.com")]
        if isinstance(credential, str):
            query.append(("link", _bent(chance, credential)))
        else:
            headers.append((credential[0], _bent(chance, credential[1].decode()).encode()))
        for _ in range(chance.randrange(3)):
            value = _value(chance, values).encode("utf-8", "replace")[:500]
            headers.append((chance.choice(_HEADERS).encode(), value))
        chance.shuffle(query)
        path = _path(chance, chance.choice(often if chance.random() < 0.6 else paths), values)
        joined = "&".join(
            f"{_quoted(chance, key)}={_quoted(chance, value)}" for key, value in query
        )
        body = joined.encode() if chance.random() < 0.2 else b""
        target = f"{path}?{joined}" if joined else path
        yield Asked(chance.choice(_METHODS), target, tuple(headers), body)


def _query(chance: random.Random, values: Sequence[str]) -> list[tuple[str, str]]:
    """Three times in four what a page may be asked, of anybody; else anything."""
    if chance.random() < 0.25:
        return [(chance.choice(_WORDS), _value(chance, values)) for _ in range(chance.randrange(6))]
    names = chance.sample((*_FIT, *("tenant", "feature", "model", "q", "id", "after")), 2)
    query = [(name, chance.choice(_FIT.get(name, values))) for name in names]
    return query if any(name == "from" for name, _ in query) else [*query, ("period", "all")]


def _value(chance: random.Random, values: Sequence[str]) -> str:
    found = chance.choice(values)
    if chance.random() < 0.15:
        found = chance.choice(
            (found.upper(), f"={found}", f"{OWN},{found}", f" {found}", found[:8])
        )
    return found


def _bent(chance: random.Random, text: str) -> str:
    """Mostly as it is."""
    if chance.random() < 0.9:
        return text
    at = chance.randrange(len(text))
    other = chance.choice("Aa0-_.=; ")
    return chance.choice((text[:at], text[:at] + other + text[at + 1 :], text + other, ""))


def _path(chance: random.Random, path: str, values: Sequence[str]) -> str:
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + quote(_value(chance, values), safe="") + rest.partition("}")[2]
    odd = chance.random()
    if odd < 0.06:
        return path + quote(chance.choice(values), safe="")
    if odd < 0.12:
        bent = (
            f"/{path}",
            f"{path}/",
            f"{path}%2f..",
            f"/%2e%2e{path}",
            path.upper(),
            f"/static/..{path}",
        )
        return chance.choice(bent)
    return path


def _quoted(chance: random.Random, text: str) -> str:
    once = quote(text, safe="")
    odd = chance.random()
    if odd < 0.08:
        return quote(once, safe="")
    return text.replace("&", "%26").replace("#", "%23") if odd < 0.12 and text.isascii() else once


async def ask(app: App, asked: Asked) -> Answer:
    """What the application answers.

    Args:
        app: it.
        asked: the request.
    """
    path, _, query = asked.target.partition("?")
    is_endless = path.strip("/") == "live"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "https",
        "path": unquote_to_bytes(path).decode("utf-8", "replace"),
        "raw_path": path.encode("utf-8", "replace"),
        "query_string": query.encode("utf-8", "replace"),
        "root_path": "",
        "headers": list(asked.headers),
        "client": ("192.0.2.7", 4000),
        "server": ("192.0.2.1", 443),
    }
    sent: list[Any] = []
    waiting = [{"type": "http.request", "body": asked.body, "more_body": False}]

    async def receive() -> Any:
        if waiting:
            return waiting.pop()
        if is_endless:
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()
        raise AssertionError("nobody goes before the answer is there")

    async def send(message: Any) -> None:
        sent.append(message)

    await asyncio.wait_for(app(scope, receive, send), 60)
    return _answer(sent)


def _answer(sent: Sequence[Any]) -> Answer:
    head = sent[0]
    body = b"".join(one.get("body", b"") for one in sent[1:])
    headers = dict(head["headers"])
    if headers.get(b"content-encoding") == b"gzip" and body:
        body = gzip.decompress(body)
    lines = b"\n".join(name + b": " + value for name, value in head["headers"])
    return Answer(
        head["status"], html.unescape((lines + b"\n\n" + body).decode("utf-8", "replace"))
    )
