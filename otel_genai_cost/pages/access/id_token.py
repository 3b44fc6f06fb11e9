"""Whether a provider's token says what it says: signed by its keys, for us, for this signing in, and now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from otel_genai_cost.pages.access.oauth import check_id_token

__all__ = ["Expected", "IdTokenError", "UnknownKeyError", "id_claims", "key_set"]

_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512")
"""Those by which whoever can check a token cannot make one. `none` is none of them."""

_LEEWAY_S: Final = 60
"""How far the provider's clock may be from ours."""


class IdTokenError(Exception):
    """A token that proves nothing; the message is a word or two, nothing of the token."""


class UnknownKeyError(IdTokenError):
    """It is signed by a key that the provider did not have when it was last asked."""


class Expected(NamedTuple):
    """What a token has to say.

    Attributes:
        issuer: who gives it out.
        client_id: for whom.
        nonce: for which signing in.
        access_token: that came with it; None if none did.
        now_s: the time, unix seconds.
    """

    issuer: str
    client_id: str
    nonce: str
    access_token: str | None
    now_s: int


def key_set(written: Mapping[str, Any]) -> KeySet:
    """The keys that a provider publishes.

    Args:
        written: its JSON.

    Raises:
        IdTokenError: if there is none in it.
    """
    try:
        return KeySet.import_key_set(cast("Any", written))
    except (JoseError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise IdTokenError(f"the provider's keys cannot be read: {type(error).__name__}") from None


def id_claims(token: str, keys: KeySet, expected: Expected) -> Mapping[str, Any]:
    """What a token says.

    Args:
        token: as the provider gave it.
        keys: the provider's.
        expected: what it has to say.

    Raises:
        UnknownKeyError: if it is signed by another key.
        IdTokenError: if it proves nothing.
    """
    try:
        read = jwt.decode(token, keys, algorithms=_ALGORITHMS)
        check_id_token(
            read.claims, read.header, _needed(expected), _sent(expected), expected.now_s, _LEEWAY_S
        )
    except InvalidKeyIdError:
        raise UnknownKeyError("it is signed by a key that the provider does not have") from None
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise IdTokenError(f"its token cannot be believed: {type(error).__name__}") from None
    return read.claims


def _needed(expected: Expected) -> Mapping[str, Any]:
    values = {"iss": expected.issuer, "aud": expected.client_id, "nonce": expected.nonce}
    given = {name: {"essential": True, "value": value} for name, value in values.items()}
    return {**given, **{name: {"essential": True} for name in ("sub", "exp", "iat")}}


def _sent(expected: Expected) -> Mapping[str, Any]:
    return {
        "nonce": expected.nonce,
        "client_id": expected.client_id,
        "access_token": expected.access_token,
    }
