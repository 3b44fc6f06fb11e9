"""Around the pages: who is let through, and what nobody gets by making a request look like something else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pages.access.access import Access
from otel_genai_cost.pages.access.guard import Guard, form_token, viewer_of
from otel_genai_cost.pages.access.limits import Limits
from otel_genai_cost.pages.access.options import (
    LOCAL_ACCESS,
    AccessOptions,
    OidcOptions,
    ProxyOptions,
)
from otel_genai_cost.pages.access.rates import Rate
from otel_genai_cost.pages.access.sessions import Session, Sessions, link_text, viewer_of_link
from otel_genai_cost.pages.access.who import Row
from otel_genai_cost.pages.viewer import Viewer
from tests.pages.signing import NOW_US, signer_of

_SECRET: Final = "a secret of some length"
_PROXY: Final = ProxyOptions(
    _SECRET, "x-secret", {"user": "x-user", "groups": "x-groups", "tenant": "x-tenant"}
)
_ROWS: Final = (
    Row("groups", "finance", "finance"),
    Row("tenant", None, "tenant", None, "tenant"),
)
_BEHIND: Final = AccessOptions(public_url="https://cost.example.com", proxy=_PROXY, who=_ROWS)


async def _seen(request: Request) -> Response:
    body = (await request.body()).decode()
    viewer = viewer_of(request)
    headers = {"x-frame-options": "ALLOWALL", "cache-control": "public"}
    said = {"viewer": viewer._asdict(), "token": form_token(request), "body": body}
    return JSONResponse(said, headers=headers)


class _World:
    def __init__(self, options: AccessOptions, limits: Limits | None = None) -> None:
        self.now_us, self.signer = NOW_US, signer_of(lambda: self.now_us)
        app = Starlette(routes=[Route("/{rest:path}", _seen, methods=["GET", "POST"])])
        monotonic_s = lambda: self.now_us / 1_000_000  # noqa: E731
        access = Access(options, self.signer, limits or Limits(), monotonic_s=monotonic_s)
        self.guard = Guard(app, access)
        self.base = options.public_url or "http://127.0.0.1:8000"

    def ask(self, path: str = "/", method: str = "GET", **options: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.guard, client=("192.0.2.7", 4000))
            async with httpx.AsyncClient(transport=transport, base_url=self.base) as client:
                return await client.request(method, path, **options)

        return asyncio.run(asked())


def _by_proxy(**more: str) -> dict[str, str]:
    return {"x-secret": _SECRET, "x-user": "ada", "x-groups": "staff, finance", **more}


# --- on this machine ---


def test_on_this_machine_everything_is_seen() -> None:
    found = _World(LOCAL_ACCESS).ask()
    assert found.json()["viewer"] == {"role": "finance", "tenants": None, "name": ""}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("LOCALHOST:1", 200),
        ("evil.example:8000", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("localhost:8000:9", 421),
        ("localhost:x", 421),
        (" localhost", 421),
        ("", 421),
        ("[::1", 421),
    ],
)
def test_names_that_others_point_here_are_not_answered(host: str, status: int) -> None:
    assert _World(LOCAL_ACCESS).ask(headers={"host": host}).status_code == status


@pytest.mark.parametrize("hosts", [[], [b"localhost", b"localhost"], [b"localhost", b"evil"]])
def test_one_host(hosts: list[bytes]) -> None:
    sent = _raw(_World(LOCAL_ACCESS).guard, [(b"host", one) for one in hosts])
    assert sent[0]["status"] == 421


def _raw(guard: Guard, headers: Sequence[tuple[bytes, bytes]]) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def asked() -> None:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": list(headers),
            "client": ("192.0.2.7", 1),
            "scheme": "http",
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        await guard(scope, receive, send)

    asyncio.run(asked())
    return sent


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "X"])
def test_methods(method: str) -> None:
    assert _World(LOCAL_ACCESS).ask(method=method).status_code == 405


def test_every_answer_says_what_browsers_keep_to() -> None:
    """Whatever the page itself says of these, and refusals too."""
    for found in (_World(LOCAL_ACCESS).ask(), _World(LOCAL_ACCESS).ask(headers={"host": "x"})):
        policy = found.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert found.headers.get_list("x-frame-options") == ["DENY"]
        assert found.headers.get_list("cache-control") == ["no-store"]
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["referrer-policy"] == "no-referrer"


def test_health_says_nothing() -> None:
    found = _World(_BEHIND).ask("/healthz", headers={"host": "10.0.0.7"})
    assert (found.status_code, found.text) == (200, "ok\n")


def test_web_sockets_are_closed() -> None:
    sent: list[Any] = []

    async def asked() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        await _World(LOCAL_ACCESS).guard({"type": "websocket", "headers": []}, receive, send)

    asyncio.run(asked())
    assert sent == [{"type": "websocket.close", "code": 1008}]


# --- forms ---


@pytest.mark.parametrize(
    ("headers", "with_token", "status"),
    [
        ({}, True, 200),
        ({"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-origin"}, True, 200),
        ({}, False, 403),
        ({"origin": "http://evil.example"}, True, 403),
        ({"origin": "null"}, True, 403),
        ({"origin": "http://127.0.0.1:8001"}, True, 403),
        ({"sec-fetch-site": "cross-site"}, True, 403),
        ({"sec-fetch-site": "same-site"}, True, 403),
    ],
)
@pytest.mark.parametrize("place", ["form", "header"])
def test_no_other_site_posts(
    headers: dict[str, str], with_token: bool, status: int, place: str
) -> None:
    world = _World(LOCAL_ACCESS)
    token = world.ask().json()["token"] if with_token else "x"
    if place == "header":
        found = world.ask(method="POST", headers={**headers, "x-form-token": token})
    else:
        found = world.ask(method="POST", headers=headers, data={"token": token, "a": "b"})
    assert found.status_code == status
    if status == 200 and place == "form":
        assert found.json()["body"] == f"token={token}&a=b"  # the page reads it, too


def test_a_form_of_a_megabyte_is_refused() -> None:
    assert _World(LOCAL_ACCESS).ask(method="POST", content=b"x" * 1_000_000).status_code == 413


def test_a_token_is_one_viewers() -> None:
    world = _World(_BEHIND)
    token = world.ask(headers=_by_proxy()).json()["token"]
    for more, status in (({}, 200), ({"x-user": "bob"}, 403)):
        headers = _by_proxy(**more) | {"x-form-token": token}
        assert world.ask(method="POST", headers=headers).status_code == status


# --- a proxy ---


def test_a_proxy_says_who() -> None:
    world = _World(_BEHIND)
    assert world.ask(headers=_by_proxy()).json()["viewer"] == {
        "role": "finance",
        "tenants": None,
        "name": "ada",
    }
    mine = world.ask(headers=_by_proxy(**{"x-groups": "", "x-tenant": "acme, globex"}))
    assert mine.json()["viewer"]["tenants"] == ["acme", "globex"]
    assert mine.json()["viewer"]["role"] == "tenant"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-user": "ada", "x-groups": "finance"}, 401),
        ({"x-secret": "", "x-groups": "finance"}, 401),
        ({"x-secret": _SECRET[:-1], "x-groups": "finance"}, 401),
        ({"x-secret": f"{_SECRET}, x", "x-groups": "finance"}, 401),
        ({"x-secret": _SECRET}, 403),
        ({"x-secret": _SECRET, "x-groups": "staff"}, 403),
        ({"x-secret": _SECRET, "x-tenant": "acme, x y"}, 403),
        ({"x-secret": _SECRET, "x-tenant": "unattributed"}, 403),
    ],
)
def test_who_is_not_the_proxy_or_nobody_to_us(headers: dict[str, str], status: int) -> None:
    assert _World(_BEHIND).ask(headers=headers).status_code == status


@pytest.mark.parametrize("name", [b"x-secret", b"x-groups", b"x-user"])
def test_a_header_that_comes_twice_is_a_callers(name: bytes) -> None:
    once = [(b"host", b"cost.example.com")]
    once += [(k.encode(), v.encode()) for k, v in _by_proxy().items()]
    guard = _World(_BEHIND).guard
    assert _raw(guard, once)[0]["status"] == 200
    twice = [*once, (name, dict(once)[name])]
    assert _raw(guard, twice)[0]["status"] in (401, 403)


# --- links ---


def test_a_link_shows_one_tenant_for_a_while() -> None:
    world = _World(LOCAL_ACCESS._replace(embed=("https://app.example.com",)))
    link = link_text(world.signer, "acme", 900)
    found = world.ask(f"/own?link={link}")
    assert found.json()["viewer"]["tenants"] == ["acme"]
    assert found.json()["viewer"]["role"] == "tenant"
    policy = found.headers["content-security-policy"]
    assert policy.endswith("frame-ancestors https://app.example.com")
    assert "x-frame-options" not in found.headers
    assert "set-cookie" not in found.headers
    world.now_us += 899_000_000
    assert world.ask(f"/own?link={link}").status_code == 200
    world.now_us += 1_000_000
    assert world.ask(f"/own?link={link}").status_code == 403


def test_a_link_holds_before_what_else_is_known() -> None:
    """Finance that follows it sees what the tenant sees; a broken one shows nothing rather than everything."""
    world = _World(_BEHIND)
    link = link_text(world.signer, "acme", 900)
    seen = world.ask(f"/?link={link}", headers=_by_proxy()).json()["viewer"]
    assert (seen["role"], seen["tenants"]) == ("tenant", ["acme"])
    for broken in (f"{link}x", "", f"{link}&link={link}"):
        assert world.ask(f"/?link={broken}", headers=_by_proxy()).status_code == 403


def test_what_was_given_out_for_one_thing_is_nothing_elsewhere() -> None:
    world = _World(LOCAL_ACCESS)
    sessions = Sessions(world.signer, 3_600)
    cookie, session = sessions.begin(Viewer("finance", None, "ada"))
    assert sessions.of(cookie) == session
    assert viewer_of_link(world.signer, cookie) is None
    assert sessions.of(link_text(world.signer, "acme", 60)) is None


@given(place=st.integers(0, 400), sign=st.sampled_from("Aa0-_.=+/ \n\x00é"))
def test_no_sign_of_a_text_can_be_changed(place: int, sign: str) -> None:
    signer = signer_of(lambda: NOW_US)
    text = link_text(signer, "acme", 60)
    place %= len(text)
    changed = text[:place] + sign + text[place + 1 :]
    assert changed == text or viewer_of_link(signer, changed) is None
    assert viewer_of_link(signer, text[:place]) is None
    assert viewer_of_link(signer, text[:place] + sign + text[place:]) is None


def test_sessions_that_ended_are_kept_in_mind_until_they_would_have() -> None:
    now_us = [NOW_US]
    sessions = Sessions(signer_of(lambda: now_us[0]), 3_600)
    cookie, session = sessions.begin(Viewer("success", ("acme",), "ada"))
    sessions.end(session)
    assert sessions.of(cookie) is None
    for _ in range(10_050):
        sessions.end(Session(str(now_us[0]), session.viewer, now_us[0] + 1))
        now_us[0] += 1
    assert len(sessions._ended) <= 10_000


def test_more_tenants_than_a_cookie_holds() -> None:
    sessions = Sessions(signer_of(lambda: NOW_US), 3_600)
    with pytest.raises(ConfigurationError, match="more tenants than a session can name"):
        sessions.begin(Viewer("success", tuple(f"tenant-{n:04}" for n in range(300)), "ada"))


def test_who_guesses_waits() -> None:
    """Links that hold are let through all the same; a secret is not even compared any more."""
    world = _World(_BEHIND)
    good = link_text(world.signer, "acme", 900)
    codes = [world.ask("/?link=x").status_code for _ in range(12)]
    assert codes == [403] * 10 + [429] * 2
    assert int(world.ask("/?link=x").headers["retry-after"]) >= 1
    assert world.ask(f"/?link={good}").status_code == 200
    assert world.ask(headers=_by_proxy()).status_code == 200  # whose address those links came from
    codes = [world.ask(headers={"x-secret": "guess"}).status_code for _ in range(12)]
    assert codes == [401] * 10 + [429] * 2
    assert world.ask(headers=_by_proxy()).status_code == 429
    world.now_us += 40_000_000
    assert world.ask(headers=_by_proxy()).status_code == 200


def test_what_is_the_same_for_everybody_is_kept_by_caches_and_no_refusal_is() -> None:
    world = _World(_BEHIND)
    assert "public" in world.ask("/static/x.css").headers["cache-control"]
    refused = world.ask("/static/x.css", headers={"host": "evil.example"})
    assert refused.headers["cache-control"] == "no-store"
    assert world.ask("/static/%2e%2e/own").json()["viewer"]["tenants"] == []


@pytest.mark.parametrize("host", ["127.0.0.1/static", "127.0.0.1/healthz?", "127.0.0.1#"])
def test_a_host_is_no_path(host: str) -> None:
    assert _World(_BEHIND).ask("/own", headers={"host": host}).status_code == 421


def test_one_viewer_that_asks_too_much() -> None:
    slow = Limits(address=Rate(4, 1), viewer=Rate(2, 1))
    world = _World(_BEHIND, slow)
    assert [world.ask(headers=_by_proxy()).status_code for _ in range(3)] == [200, 200, 429]
    assert world.ask(headers=_by_proxy(**{"x-user": "bob"})).status_code == 200
    assert [world.ask(headers=_by_proxy(**{"x-user": who})).status_code for who in "cdef"] == [
        200
    ] * 4


def test_an_address_that_asks_too_much() -> None:
    """Whoever comes by a proxy has its address, and is told apart by name."""
    direct = AccessOptions(
        public_url="https://cost.example.com", oidc=OidcOptions("https://x", "y"), who=_ROWS
    )
    world = _World(direct, Limits(address=Rate(2, 1)))
    assert [world.ask().status_code for _ in range(3)] == [401, 401, 429]
    world.now_us += 1_000_000
    assert world.ask().status_code == 401
