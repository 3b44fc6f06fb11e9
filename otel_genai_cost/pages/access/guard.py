"""Around the pages: who asks is known, and may ask so, before a page is looked for; and what every answer says."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, cast
from urllib.parse import parse_qs, quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pages.access.access import (
    SIGN_IN,
    SIGN_OUT,
    SIGNING_IN,
    Access,
    SignedIn,
    SigningIn,
    cookie_name,
)
from otel_genai_cost.pages.access.headers import NAMES, security_headers
from otel_genai_cost.pages.access.hosts import is_answered, is_own_origin
from otel_genai_cost.pages.access.proxy import has_secret, viewer_of_proxy
from otel_genai_cost.pages.access.rates import address_key
from otel_genai_cost.pages.access.sessions import Session, Sessions, viewer_of_link
from otel_genai_cost.pages.viewer import LOCAL, Viewer

__all__ = [
    "HEALTH",
    "LINK",
    "Guard",
    "form_token",
    "viewer_of",
]

LINK: Final = "link"
"""The parameter of a query that has a signed link."""

HEALTH: Final = "/healthz"
_STATIC: Final = "/static/"
_SAFE: Final = frozenset({"GET", "HEAD"})
_UNSAFE: Final = frozenset({"POST"})
_FORM_MAX: Final = 16_384
_FORM_FIELD: Final = "token"
_FORM_HEADER: Final = "x-form-token"
_LOCAL_ID: Final = "local"


class _Asking(NamedTuple):
    """Who asks, by what: a session, a link, a proxy, or being on this machine."""

    viewer: Viewer
    id: str
    session: Session | None = None
    by_link: bool = False
    body: bytes = b""


def viewer_of(request: Request) -> Viewer:
    """Who asks for a page.

    Args:
        request: that a guard let through.

    Raises:
        KeyError: if none did: then nobody may see anything.
    """
    return cast("Viewer", request.scope["state"]["viewer"])


def form_token(request: Request) -> str:
    """What a form has to send in its hidden field `token`.

    Args:
        request: that a guard let through.

    Raises:
        KeyError: if none did.
    """
    return cast("str", request.scope["state"]["form_token"])


class Guard:
    """The pages, for those who may see them.

    Args:
        app: the pages, which find the viewer by `viewer_of`.
        access: who may.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._options, self._signer = app, access.options, access.signer
        self._limits, self._signing_in = access.limits, access.signing_in
        self._monotonic_s = access.monotonic_s
        self._sessions = Sessions(access.signer, access.options.session_s)
        self._cookie = cookie_name(access.options)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the pages answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope, receive)
        found = await self._answer(request)
        if isinstance(found, _Asking):
            framed = self._options.embed if found.by_link else ()
            headers = security_headers(framed, is_static=scope["path"].startswith(_STATIC))
            state = scope.setdefault("state", {})
            state["viewer"], state["form_token"] = found.viewer, self._form_token(found)
            if request.method in _UNSAFE:
                receive = _again(found.body, receive)
            await self._app(scope, receive, _with(headers, send))
        else:
            await found(scope, receive, _with(security_headers(), send))

    async def _answer(self, request: Request) -> _Asking | Response:
        """Who asks, or why they are not let through."""
        path, method = request.scope["path"], request.method  # not what a Host header makes of it
        if path == HEALTH and method in _SAFE:
            return PlainTextResponse("ok\n")
        if not is_answered(request.headers.getlist("host"), self._options.hosts):
            return _refused(421, "this is not a host of these pages")
        if method not in _SAFE | _UNSAFE:
            return _refused(405, "not a method of these pages", {"allow": "GET, HEAD, POST"})
        address = address_key(request.client.host if request.client else "")
        if self._options.oidc is not None:  # a proxy has one address for everybody
            wait_s = self._limits.address.take(address, self._monotonic_s())
            if wait_s:
                return _later(wait_s)
        if self._signing_in is not None and path.startswith(SIGN_IN) and method == "GET":
            return await self._sign_in(request, self._signing_in, address)
        if path.startswith(_STATIC) and method in _SAFE:
            return _Asking(Viewer("tenant", ()), "")
        found = self._known(request, address)
        return found if isinstance(found, Response) else await self._allowed(request, found)

    async def _allowed(self, request: Request, asking: _Asking) -> _Asking | Response:
        """Somebody who is known: unless they ask too often, or somebody else lets them."""
        if asking.viewer is not LOCAL:
            wait_s = self._limits.viewer.take(asking.id, self._monotonic_s())
            if wait_s:
                return _later(wait_s)
        if request.method in _UNSAFE:
            body = await _body(request)
            if body is None:
                return _refused(413, f"a form has at most {_FORM_MAX} bytes")
            asking = asking._replace(body=body)
            refusal = self._forged(request, asking)
            if refusal is not None:
                return refusal
            if request.scope["path"] == SIGN_OUT:
                return self._signed_out(asking)
        return asking

    def _known(self, request: Request, address: str) -> _Asking | Response:
        """Who asks: a link says the least, and holds before whatever else is known."""
        links = request.query_params.getlist(LINK)
        if links:
            found = viewer_of_link(self._signer, links[0]) if len(links) == 1 else None
            if found is None:
                return self._failed(
                    f"link {address}", 403, "this link holds no longer: ask for another"
                )
            return _Asking(*found, by_link=True)
        if self._options.proxy is not None:
            return self._by_proxy(request, address)
        if self._options.oidc is None:
            return _Asking(LOCAL, _LOCAL_ID)
        session = self._sessions.of(request.cookies.get(self._cookie, ""))
        if session is not None:
            return _Asking(session.viewer, session.id, session)
        return self._unknown(request)

    def _by_proxy(self, request: Request, address: str) -> _Asking | Response:
        proxy, headers = self._options.proxy, _all_headers(request)
        wait_s = self._limits.failures.wait_s(f"proxy {address}", self._monotonic_s())
        if wait_s:
            return _later(wait_s)
        if proxy is None or not has_secret(proxy, headers):
            return self._failed(f"proxy {address}", 401, "ask by the proxy that knows who you are")
        viewer = viewer_of_proxy(proxy, self._options.who, headers)
        if viewer is None:
            return _refused(403, "nobody has said what you may see here")
        return _Asking(viewer, f"{viewer.role} {viewer.name}")

    def _unknown(self, request: Request) -> Response:
        """A browser is sent to sign in and comes back to where it was; anything else is refused."""
        wants_page = "text/html" in request.headers.get("accept", "")
        if request.method == "GET" and wants_page and self._signing_in is not None:
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(
                f"{SIGN_IN}?to={quote(request.scope['path'] + query, safe='')}", 303
            )
        return _refused(401, f"sign in first, at {SIGN_IN}")

    async def _sign_in(self, request: Request, provider: SigningIn, address: str) -> Response:
        wait_s = self._limits.signing_in.take(address, self._monotonic_s())
        if wait_s:
            return _later(wait_s)
        if request.scope["path"] == SIGN_IN:
            return await provider.begin(request)
        if request.scope["path"] != f"{SIGN_IN}/back":
            return _refused(404, "there is nothing here")
        found = await provider.end(request)
        return found if isinstance(found, Response) else self._signed_in(found)

    def _signed_in(self, found: SignedIn) -> Response:
        try:
            text, _ = self._sessions.begin(found.viewer)
        except ConfigurationError as error:
            return _refused(403, str(error))
        answer = RedirectResponse(found.to, 303)
        answer.set_cookie(
            self._cookie,
            text,
            max_age=self._options.session_s,
            path="/",
            secure=self._options.is_secure,
            httponly=True,
            samesite="lax",  # an address that somebody was sent opens signed in
        )
        self._drop(answer, cookie_name(self._options, SIGNING_IN))
        return answer

    def _drop(self, answer: Response, cookie: str) -> None:
        secure = self._options.is_secure
        answer.delete_cookie(cookie, path="/", secure=secure, httponly=True, samesite="lax")

    def _failed(self, who: str, status: int, text: str) -> Response:
        """Broken links and wrong secrets are counted apart: those who follow links come by the proxy, too, which must
        not have to wait for them."""
        wait_s = self._limits.failures.take(who, self._monotonic_s())
        return _later(wait_s) if wait_s else _refused(status, text)

    def _forged(self, request: Request, asking: _Asking) -> Response | None:
        """A refusal of what another site lets a browser send; None of what a form of ours sends."""
        refusal = _refused(
            403, "this form is too old, or not one of these pages: load the page again"
        )
        origin = request.headers.get("origin")
        host, public_url = request.headers.get("host", ""), self._options.public_url
        if origin is not None and not is_own_origin(origin, host, public_url):
            return refusal
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return refusal
        given = request.headers.get(_FORM_HEADER) or _form_field(asking.body)
        wanted = self._form_token(asking)
        same = hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())
        return None if same else refusal

    def _form_token(self, asking: _Asking) -> str:
        key = self._signer.keys()[0]
        said = f"form\n{asking.id}".encode("utf-8", "surrogateescape")
        return hmac.digest(key.secret, said, "sha256").hex()

    def _signed_out(self, asking: _Asking) -> Response:
        if asking.session is not None:
            self._sessions.end(asking.session)
        gone = PlainTextResponse("You are signed out.\n")
        self._drop(gone, self._cookie)
        gone.headers["clear-site-data"] = '"cache", "storage"'
        return gone


def _refused(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{text}\n", status, headers)


def _later(wait_s: float) -> Response:
    return _refused(429, "too many requests: wait", {"retry-after": str(int(wait_s) + 1)})


def _with(headers: Sequence[tuple[str, str]], send: Send) -> Send:
    """Sends answers with these headers in place of their own of the same names."""
    own = [(name.encode(), value.encode()) for name, value in headers]
    names = {name.encode() for name in NAMES}

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [one for one in message.get("headers", ()) if one[0].lower() not in names]
            message = {**message, "headers": [*kept, *own]}
        await send(message)

    return sent


def _again(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read once more."""
    left = [body]

    async def received() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return received


async def _body(request: Request) -> bytes | None:
    """All of it; None if it is too long, or does not come whole."""
    found = b""
    try:
        async for part in request.stream():
            found += part
            if len(found) > _FORM_MAX:
                return None
    except ClientDisconnect:
        return None
    return found


def _form_field(body: bytes) -> str:
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=100)
    return fields.get(_FORM_FIELD, [""])[0]


def _all_headers(request: Request) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        found.setdefault(name, []).append(value)
    return found
