"""A provider of OpenID Connect: small, strict with whoever asks, signing with real keys; made to lie where asked."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CLIENT: Final = ("genai-cost", "a client's secret")
ISSUER: Final = "https://login.example.com/realms/team"

Change = Callable[[dict[str, Any], dict[str, Any]], None]


def _same(claims: dict[str, Any], header: dict[str, Any]) -> None:
    """Nothing is changed."""


@dataclass
class Provider:
    """What it knows.

    Attributes:
        back: the only address that it sends browsers to.
        claims: of whoever signs in.
        clock_s: its time.
        algorithm: that it signs with.
        change: is let at the claims and the header of each token before it is signed.
        forged: makes the token's text instead, of claims and header.
        about: is laid over what it says of itself.
        asked: the requests that it got, by path.
    """

    back: str
    claims: Mapping[str, Any]
    clock_s: Callable[[], int]
    algorithm: str = "RS256"
    change: Change = _same
    forged: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
    about: Mapping[str, Any] = field(default_factory=dict[str, Any])
    asked: list[str] = field(default_factory=list[str])
    has_secret: bool = True

    def __post_init__(self) -> None:
        self._codes: dict[str, dict[str, str]] = {}
        self.rotate()

    def rotate(self) -> None:
        """Sign with other keys from now on, and publish those only."""
        self.keys: dict[str, RSAKey | ECKey] = {
            "RS256": RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)}),
            "ES256": ECKey.generate_key("P-256", {"kid": secrets.token_hex(4)}),
        }

    def client(self) -> httpx.AsyncClient:
        """What asks it, and nothing else."""
        app = Starlette(
            routes=[
                Route("/realms/team/.well-known/openid-configuration", self._known),
                Route("/keys", self._published),
                Route("/token", self._token, methods=["POST"]),
            ]
        )
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=app))

    def authorize(self, query: Mapping[str, str]) -> str:
        """Where a browser is sent that came with this question, and signed in.

        Args:
            query: of the address that we sent it to.
        """
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT[0]
        assert query["redirect_uri"] == self.back
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        assert len(query["state"]) >= 32
        assert len(query["nonce"]) >= 32
        code = secrets.token_urlsafe(16)
        self._codes[code] = {"nonce": query["nonce"], "challenge": query["code_challenge"]}
        return f"{self.back}?{urlencode({'code': code, 'state': query['state'], 'iss': ISSUER})}"

    async def _known(self, request: Request) -> Response:
        self.asked.append("known")
        found = {
            "issuer": ISSUER,
            "authorization_endpoint": "https://login.example.com/authorize",
            "token_endpoint": "https://login.example.com/token",
            "jwks_uri": "https://login.example.com/keys",
        }
        return JSONResponse({**found, **self.about})

    async def _published(self, request: Request) -> Response:
        self.asked.append("keys")
        return JSONResponse({"keys": [one.as_dict(private=False) for one in self.keys.values()]})

    async def _token(self, request: Request) -> Response:
        self.asked.append("token")
        fields = await request.form()
        wanted = "Basic " + base64.b64encode(":".join(CLIENT).encode()).decode()
        if self.has_secret and request.headers.get("authorization") != wanted:
            return JSONResponse({"error": "invalid_client"}, 401)
        kept = self._codes.pop(str(fields["code"]), None)
        if kept is None or fields["redirect_uri"] != self.back:
            return JSONResponse({"error": "invalid_grant"}, 400)
        digest = hashlib.sha256(str(fields["code_verifier"]).encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != kept["challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        access = secrets.token_urlsafe(16)
        token = self._signed(kept["nonce"], access)
        return JSONResponse({"access_token": access, "token_type": "Bearer", "id_token": token})

    def _signed(self, nonce: str, access: str) -> str:
        key = self.keys[self.algorithm]
        digest = hashlib.sha256(access.encode()).digest()[:16]
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "sub": "248289761001",
            "aud": CLIENT[0],
            "iat": self.clock_s(),
            "exp": self.clock_s() + 300,
            "nonce": nonce,
            "at_hash": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            **self.claims,
        }
        header: dict[str, Any] = {"alg": self.algorithm, "kid": key.kid}
        self.change(claims, header)
        if self.forged is not None:
            return self.forged(claims, header)
        return jwt.encode(header, claims, key, algorithms=[header["alg"]])
