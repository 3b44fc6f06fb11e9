"""What authlib, which has no types, knows of OAuth: an address to ask at, a client's proof, a token's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from authlib.oauth2 import auth as _auth
from authlib.oauth2 import rfc7636 as _pkce
from authlib.oauth2.rfc6749 import parameters as _parameters
from authlib.oidc import core as _core
from authlib.oidc import discovery as _discovery

__all__ = ["TokenRequest", "check_id_token", "question", "token_request", "well_known"]


class TokenRequest(NamedTuple):
    """A request for a token that proves which client makes it."""

    address: str
    headers: Mapping[str, str]
    body: str


def well_known(issuer: str) -> str:
    """Where a provider says what there is to know of it."""
    return str(cast("Any", _discovery).get_well_known_url(issuer, external=True))


def question(address: str, verifier: str, **fields: str) -> str:
    """Where a browser is sent to ask for a code, which is of use to nobody without the verifier.

    Args:
        address: the provider's.
        verifier: which stays with us.
        fields: what else is asked: `client_id`, `redirect_uri`, `scope`, `state`, `nonce`.
    """
    challenge = cast("Any", _pkce).create_s256_code_challenge(verifier)
    asked = cast("Any", _parameters).prepare_grant_uri(
        address,
        response_type="code",
        code_challenge=challenge,
        code_challenge_method="S256",
        **fields,
    )
    return str(asked)


def token_request(
    address: str, client_id: str, secret: str | None, method: str, body: str
) -> TokenRequest:
    """A request for a token.

    Args:
        address: the provider's.
        client_id: what it calls us.
        secret: that it gave us; None for a client that has none.
        method: how the secret is sent, as the provider names it.
        body: what is asked, as a form.
    """
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    client = cast("Any", _auth).ClientAuth(client_id, secret, "none" if secret is None else method)
    found: tuple[str, Mapping[str, str], str] = client.prepare("POST", address, headers, body)
    return TokenRequest(*found)


def check_id_token(
    claims: Mapping[str, Any],
    header: Mapping[str, Any],
    needed: Mapping[str, Any],
    known: Mapping[str, Any],
    now_s: int,
    leeway_s: int,
) -> None:
    """Check what a token says, whose signature is checked.

    Args:
        claims: what it says.
        header: how it is signed.
        needed: what claims have to be.
        known: `nonce`, `client_id` and `access_token` of the request.
        now_s: the time, unix seconds.
        leeway_s: how far the provider's clock may be from ours.

    Raises:
        JoseError: if something is wrong or missing.
    """
    made = cast("Any", _core).CodeIDToken(claims, header, needed, known)
    made.validate(now=now_s, leeway=leeway_s)
