"""Signing in with a provider of OpenID Connect: a question of ours, its answer with a code, and a token for that."""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx
from joserfc.jwk import KeySet
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from otel_genai_cost.pages.access.access import SIGN_IN, SignedIn
from otel_genai_cost.pages.access.hosts import private_url
from otel_genai_cost.pages.access.id_token import (
    Expected,
    IdTokenError,
    UnknownKeyError,
    id_claims,
    key_set,
)
from otel_genai_cost.pages.access.oauth import question, token_request, well_known
from otel_genai_cost.pages.access.options import OidcOptions
from otel_genai_cost.pages.access.signed import Signer
from otel_genai_cost.pages.access.spent import Spent
from otel_genai_cost.pages.access.who import Row, viewer_by

__all__ = ["Oidc"]

_logger = logging.getLogger("otel_genai_cost")

_ANSWER_MAX: Final = 1 << 20
_TIMEOUT_S: Final = 10.0
_KNOWN_S: Final = 3_600.0
"""How long what a provider says of itself is believed without asking again."""

_KEYS_AGAIN_S: Final = 30.0
"""How soon keys are asked for again because of a token with another one: tokens cost their makers nothing."""

_SIGNING_IN_US: Final = 600_000_000
_TO_MAX: Final = 1_500
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Oidc:
    """A provider that people sign in with.

    Args:
        options: which, and what it knows us by.
        rows: what makes somebody what.
        public_url: where browsers find us.
        signer: signs what a browser keeps while it is there.
        cookie: what that is called.
        is_secure: whether it goes by TLS only.
        client: asks the provider; None for one of its own.
        monotonic_s: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        options: OidcOptions,
        rows: Sequence[Row],
        public_url: str,
        signer: Signer,
        *,
        cookie: str,
        is_secure: bool,
        client: httpx.AsyncClient | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options, self._rows, self._signer = options, rows, signer
        self._back = f"{public_url}{SIGN_IN}/back"
        self._cookie, self._is_secure = cookie, is_secure
        self._client = client or httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False)
        self._monotonic_s = monotonic_s
        self._about: Mapping[str, Any] | None = None
        self._about_until_s = 0.0
        self._keys: KeySet | None = None
        self._keys_since_s = 0.0
        self._came_back = Spent()

    async def begin(self, request: Request) -> Response:
        """Send a browser to the provider, with a question that only its answer fits.

        Args:
            request: says where to go afterwards.
        """
        try:
            about = await self._known()
        except (httpx.HTTPError, IdTokenError) as error:
            return _unanswered(error)
        asked = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        address = question(
            about["authorization_endpoint"],
            asked["verifier"],
            client_id=self._options.client_id,
            redirect_uri=self._back,
            scope=" ".join(self._options.scopes),
            state=asked["state"],
            nonce=asked["nonce"],
        )
        said = {**asked, "to": _own_address(request.query_params.get("to", "/"))}
        until_us = self._signer.clock_us() + _SIGNING_IN_US
        answer = RedirectResponse(address, 303)
        answer.set_cookie(
            self._cookie,
            self._signer.sign("sign-in", said, until_us),
            max_age=_SIGNING_IN_US // 1_000_000,
            path="/",
            secure=self._is_secure,
            httponly=True,
            samesite="lax",  # the provider, another site, sends the browser back
        )
        return answer

    async def end(self, request: Request) -> SignedIn | Response:
        """Who comes back from the provider, or why nobody does.

        Args:
            request: as the provider let the browser make it.
        """
        given = request.query_params
        asked = self._signer.read("sign-in", request.cookies.get(self._cookie, ""))
        if asked is None:
            return _failed("it took too long, or began in another browser")
        if not hmac.compare_digest(given.get("state", "").encode(), asked["state"].encode()):
            return _failed("the answer is to another question")
        if given.get("iss", self._options.issuer) != self._options.issuer:
            return _failed("another provider answers")
        if "error" in given or not given.get("code"):
            return _failed("the provider refused it")
        if asked["state"] in self._came_back:
            return _failed("this answer was given before")
        self._came_back.add(asked["state"], asked["until"], self._signer.clock_us())
        try:
            claims = await self._claims(given["code"], asked)
        except httpx.HTTPError as error:
            return _unanswered(error)
        except IdTokenError as error:
            _logger.warning("signing in failed: %s", error)
            return _failed(str(error))
        viewer = viewer_by(self._rows, claims, self._options.name)
        if viewer is None:
            return PlainTextResponse("Nobody has said what you may see here.\n", 403)
        return SignedIn(viewer, asked["to"])

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()

    async def _claims(self, code: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the provider says of who has this code.

        Raises:
            httpx.HTTPError: if it does not answer.
            IdTokenError: if it says nothing that can be believed.
        """
        about = await self._known()
        given = await self._exchanged(about, code, asked["verifier"])
        token, access = given.get("id_token"), given.get("access_token")
        if not isinstance(token, str):
            raise IdTokenError("the provider gave no token of who you are")
        expected = Expected(
            self._options.issuer,
            self._options.client_id,
            asked["nonce"],
            access if isinstance(access, str) else None,
            self._signer.clock_us() // 1_000_000,
        )
        try:
            return id_claims(token, await self._key_set(about), expected)
        except UnknownKeyError:
            if self._monotonic_s() - self._keys_since_s < _KEYS_AGAIN_S:
                raise
            self._keys = None  # the provider may have changed them
            return id_claims(token, await self._key_set(about), expected)

    async def _exchanged(
        self, about: Mapping[str, Any], code: str, verifier: str
    ) -> Mapping[str, Any]:
        fields = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
        }
        secret = self._options.client_secret
        methods = about.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        asking = token_request(
            about["token_endpoint"],
            self._options.client_id,
            secret,
            method,
            str(httpx.QueryParams(fields)),
        )
        return await self._asked("POST", *asking)

    async def _known(self) -> Mapping[str, Any]:
        """What the provider says of itself.

        Raises:
            httpx.HTTPError: if it does not answer.
            IdTokenError: if it is another one, or sends us where nothing is secret.
        """
        if self._about is not None and self._monotonic_s() < self._about_until_s:
            return self._about
        found = await self._asked("GET", well_known(self._options.issuer))
        if found.get("issuer") != self._options.issuer:
            raise IdTokenError("the provider calls itself something else than `issuer`")
        for name in _ENDPOINTS:
            if private_url(found.get(name)) is None:
                raise IdTokenError(f"the provider's {name} is no https address")
        self._about, self._about_until_s = found, self._monotonic_s() + _KNOWN_S
        return found

    async def _key_set(self, about: Mapping[str, Any]) -> KeySet:
        if self._keys is None or self._monotonic_s() - self._keys_since_s > _KNOWN_S:
            self._keys = key_set(await self._asked("GET", about["jwks_uri"]))
            self._keys_since_s = self._monotonic_s()
        return self._keys

    async def _asked(
        self, method: str, uri: str, headers: Mapping[str, str] | None = None, body: str = ""
    ) -> Mapping[str, Any]:
        """The JSON object that the provider answers with.

        Raises:
            httpx.HTTPError: if it does not.
            IdTokenError: if it is none, or longer than anything that a provider says.
        """
        content = b""
        asking = self._client.stream(method, uri, headers=headers, content=body)
        async with asking as answer:
            async for part in answer.aiter_bytes():
                content += part
                if len(content) > _ANSWER_MAX:
                    raise IdTokenError("the provider's answer is too long")
        if answer.status_code != 200:
            raise IdTokenError(f"the provider refused it ({answer.status_code})")
        try:
            found = json.loads(content)
        except (ValueError, RecursionError):
            raise IdTokenError("the provider's answer is no JSON") from None
        if not isinstance(found, dict):
            raise IdTokenError("the provider's answer is no JSON object")
        return cast("dict[str, Any]", found)


def _own_address(to: str) -> str:
    """An address of these pages: whatever leads elsewhere is the first page."""
    parts = urlsplit(to)
    is_own = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    is_fit = is_own and len(to) <= _TO_MAX and "\\" not in to and not (parts.netloc or parts.scheme)
    return to if is_fit and not to.startswith(SIGN_IN) else "/"


def _failed(why: str) -> Response:
    return PlainTextResponse(f"You are not signed in: {why}. Try again at {SIGN_IN}.\n", 403)


def _unanswered(error: Exception) -> Response:
    _logger.warning("the provider of identity cannot be asked: %s: %s", type(error).__name__, error)
    return PlainTextResponse("The provider of identity does not answer; try again.\n", 502)
