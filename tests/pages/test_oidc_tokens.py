"""Every token of a provider that nobody must be let in by."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any, Final

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.pages.oidc_world import FINANCE, World, refused, run
from tests.pages.provider import CLIENT


def _written(header: dict[str, Any], claims: dict[str, Any]) -> bytes:
    texts = [json.dumps(one).encode() for one in (header, claims)]
    return b".".join(base64.urlsafe_b64encode(text).rstrip(b"=") for text in texts)


def _unsigned(claims: dict[str, Any], header: dict[str, Any]) -> str:
    return _written({**header, "alg": "none"}, claims).decode() + "."


def _with_public_key_as_secret(world: World) -> Callable[[dict[str, Any], dict[str, Any]], str]:
    def forged(claims: dict[str, Any], header: dict[str, Any]) -> str:
        written = _written({**header, "alg": "HS256"}, claims)
        public = world.provider.keys["RS256"].as_pem(private=False)
        signature = base64.urlsafe_b64encode(hmac.digest(public, written, "sha256")).rstrip(b"=")
        return (written + b"." + signature).decode()

    return forged


def _by_another(claims: dict[str, Any], header: dict[str, Any]) -> str:
    """Signed by a key of the same name that is not the provider's."""
    return jwt.encode(header, claims, RSAKey.generate_key(2048), algorithms=["RS256"])


def _with_own_key(claims: dict[str, Any], header: dict[str, Any]) -> str:
    """Signed by the key that the token itself brings."""
    key = RSAKey.generate_key(2048)
    header = {"alg": "RS256", "jwk": key.as_dict(private=False)}
    return jwt.encode(header, claims, key, algorithms=["RS256"])


_CHANGED: Final[dict[str, Callable[[dict[str, Any]], object]]] = {
    "another issuer": lambda c: c.update(iss="https://login.example.com/realms/other"),
    "no issuer": lambda c: c.pop("iss"),
    "for another client": lambda c: c.update(aud="another"),
    "for others and no party": lambda c: c.update(aud=["another"]),
    "for us and by another party": lambda c: c.update(aud=[CLIENT[0], "x"], azp="x"),
    "for nobody": lambda c: c.pop("aud"),
    "another nonce": lambda c: c.update(nonce="x" * 43),
    "no nonce": lambda c: c.pop("nonce"),
    "expired": lambda c: c.update(exp=c["iat"] - 61),
    "no end": lambda c: c.pop("exp"),
    "an end that is no time": lambda c: c.update(exp="tomorrow"),
    "from the future": lambda c: c.update(iat=c["iat"] + 3_600, nbf=c["iat"] + 3_600),
    "not yet": lambda c: c.update(nbf=c["iat"] + 3_600),
    "nobody": lambda c: c.pop("sub"),
    "of another access token": lambda c: c.update(at_hash="x" * 22),
}


@pytest.mark.parametrize("what", _CHANGED)
def test_what_a_token_must_not_say(what: str) -> None:
    async def test() -> None:
        world = World(FINANCE)
        world.provider.change = lambda claims, header: (_CHANGED[what](claims), None)[1]
        await refused(world)

    run(test)


@pytest.mark.parametrize("forge", ["none", "hs256", "another key", "its own key", "no token"])
def test_what_a_token_must_not_be(forge: str) -> None:
    async def test() -> None:
        world = World(FINANCE)
        world.provider.forged = {
            "none": _unsigned,
            "hs256": _with_public_key_as_secret(world),
            "another key": _by_another,
            "its own key": _with_own_key,
            "no token": lambda claims, header: "….",
        }[forge]
        await refused(world)

    run(test)
