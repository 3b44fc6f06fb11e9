"""A browser, the pages behind their guard, and a provider that people sign in with, on one clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from otel_genai_cost.pages.access.access import SIGNING_IN, Access, cookie_name
from otel_genai_cost.pages.access.guard import Guard, viewer_of
from otel_genai_cost.pages.access.keys import Key
from otel_genai_cost.pages.access.limits import Limits
from otel_genai_cost.pages.access.oidc import Oidc
from otel_genai_cost.pages.access.options import AccessOptions, OidcOptions
from otel_genai_cost.pages.access.rates import Rate
from otel_genai_cost.pages.access.signed import Signer
from otel_genai_cost.pages.access.who import Row
from tests.pages.provider import CLIENT, ISSUER, Provider

URL: Final = "https://cost.example.com"
ROWS: Final = (
    Row("groups", "finance", "finance"),
    Row("realm_access.roles", "cs-emea", "success", ("acme", "globex")),
    Row("https://example.com/tenant", None, "tenant", None, "https://example.com/tenant"),
    Row("email", "ops@example.com", "engineer"),
)
FINANCE: Final = {"groups": ["staff", "finance"], "email": "ada@example.com"}
OPTIONS: Final = AccessOptions(
    public_url=URL, oidc=OidcOptions(ISSUER, CLIENT[0], CLIENT[1]), who=ROWS
)


class World:
    """A browser, the pages and a provider, with one clock."""

    def __init__(self, claims: dict[str, Any], options: AccessOptions = OPTIONS) -> None:
        self.now_s = 1_800_000_000.0
        self.provider = Provider(f"{URL}/sign-in/back", claims, lambda: int(self.now_s))
        signer = Signer(lambda: self.keys, lambda: int(self.now_s * 1_000_000))
        self.keys = [Key("k1", b"k" * 32, 0)]
        assert options.oidc is not None
        oidc = Oidc(
            options.oidc,
            options.who,
            URL,
            signer,
            cookie=cookie_name(options, SIGNING_IN),
            is_secure=options.is_secure,
            client=self.provider.client(),
            monotonic_s=lambda: self.now_s,
        )
        limits = Limits(signing_in=Rate(1_000, 1_000))
        app = Starlette(routes=[Route("/{rest:path}", _seen, methods=["GET", "POST"])])
        guard = Guard(app, Access(options, signer, limits, oidc, lambda: self.now_s))
        self.browser = httpx.AsyncClient(transport=httpx.ASGITransport(app=guard), base_url=URL)

    async def to_provider(self, path: str = "/tenants?by=day") -> dict[str, str]:
        """The question that the provider gets of a browser that wants a page."""
        self.browser.cookies.clear()
        wanted = await self.browser.get(path, headers={"accept": "text/html"})
        assert wanted.status_code == 303
        asked = await self.browser.get(wanted.headers["location"])
        assert asked.status_code == 303, asked.text
        address = urlsplit(asked.headers["location"])
        assert address.netloc == "login.example.com"
        return dict(parse_qsl(address.query))

    async def sign_in(self, path: str = "/tenants?by=day") -> httpx.Response:
        """All of the way there and back."""
        question = await self.to_provider(path)
        return await self.browser.get(self.provider.authorize(question))

    async def seen(self) -> dict[str, Any]:
        """Who the pages take the browser for."""
        found: dict[str, Any] = (await self.browser.get("/")).json()
        return found


async def _seen(request: Request) -> Response:
    return JSONResponse(viewer_of(request)._asdict())


def run(test: Callable[[], Any]) -> None:
    """Until it is over, with no task left."""
    asyncio.run(test())


async def refused(world: World) -> None:
    """Nobody is let in."""
    back = await world.sign_in()
    assert (back.status_code, back.headers.get_list("set-cookie")) == (403, [])
    assert back.text.startswith("You are not signed in: ")
    assert (await world.browser.get("/")).status_code == 401
