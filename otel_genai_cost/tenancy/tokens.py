"""Tokens: what vouches for a tenant on its way between services.

    1~KEY~AUDIENCE~EXPIRY~SIGNATURE~NAME~NAME…

says which key signed, for whom, until when, and which entries of the baggage beside it are signed with the tenant. The
entries themselves stand in the baggage as they always do, so that services without tokens read them. How a key signs
follows from the key alone, never from a token.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

from otel_genai_cost.errors import MissingExtraError

__all__ = [
    "NO_KEYS",
    "Algorithm",
    "Key",
    "Keys",
    "RefusedToken",
    "Signed",
    "TokenFault",
    "mint",
    "parse_keys",
    "verify",
]

Algorithm: TypeAlias = Literal["hmac-sha256", "ed25519", "ed25519-public"]
"""How a key signs. With `ed25519-public` one verifies and cannot mint."""

TokenFault: TypeAlias = Literal[
    "unsigned_tenant",
    "malformed_token",
    "unknown_key",
    "forged_token",
    "wrong_audience",
    "expired_token",
]
"""Why a token is not believed. `forged_token`: something that it signs is not what was signed."""

_VERSION: Final = "1"
_SECRET_MIN: Final = 32
_TOKEN_MAX: Final = 2_048
_NAMES_MAX: Final = 32
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What baggage carries unchanged, without `~`."""


class Key(NamedTuple):
    """One key. Its secret is shown nowhere."""

    id: str
    algorithm: Algorithm
    secret: bytes

    def __repr__(self) -> str:
        return f"Key({self.id!r}, {self.algorithm!r})"

    @property
    def mints(self) -> bool:
        """Whether it can sign, too."""
        return self.algorithm != "ed25519-public"


class Keys(NamedTuple):
    """Every one of them verifies; the first that can sign mints."""

    known: tuple[Key, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.known)

    @property
    def minting(self) -> Key | None:
        """The key that signs; None if none can."""
        return next((key for key in self.known if key.mints), None)

    def named(self, key_id: str) -> Key | None:
        """The key of this id."""
        return next((key for key in self.known if key.id == key_id), None)


NO_KEYS: Final = Keys()


class Signed(NamedTuple):
    """Baggage that a token vouches for, the tenant first; `expires_s` is 0 for one that does not expire."""

    token: str
    entries: Mapping[str, str]
    expires_s: int = 0


class RefusedToken(Exception):
    """A token that is not believed, and why."""

    def __init__(self, fault: TokenFault) -> None:
        self.fault: TokenFault = fault
        super().__init__(fault)


def parse_keys(text: str) -> Keys:
    """Parse `ID:ALGORITHM:KEY`, between commas or a line each, the key in base64; `#` begins a comment.

    Raises:
        ValueError: with what to write instead. Nothing of a key stands in it.
    """
    lines = (line.partition("#")[0] for line in text.splitlines())
    words = [word.strip() for line in lines for word in line.split(",") if word.strip()]
    keys = tuple(_key(word, place) for place, word in enumerate(words, 1))
    if len({key.id for key in keys}) < len(keys):
        raise ValueError("give each key an id of its own")
    return Keys(keys)


def _key(word: str, place: int) -> Key:
    key_id, _, rest = word.partition(":")
    algorithm, _, text = rest.partition(":")
    if not _WORD.fullmatch(key_id) or algorithm not in get_args(Algorithm):
        raise ValueError(
            f"write key {place} as ID:ALGORITHM:KEY, with an id of A-Za-z0-9_.- and {', '.join(get_args(Algorithm))}"
        )
    key = Key(key_id, algorithm, _secret(text, place))  # type: ignore[arg-type]
    if key.algorithm == "hmac-sha256" and len(key.secret) < _SECRET_MIN:
        raise ValueError(f"make key {place} at least {_SECRET_MIN} random bytes long")
    if key.algorithm != "hmac-sha256":
        _demand_curve_key(key, place)
    return key


def _secret(text: str, place: int) -> bytes:
    try:
        return base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"write key {place} in base64") from None


def _demand_curve_key(key: Key, place: int) -> None:
    if len(key.secret) != 32:
        raise ValueError(f"key {place} is no Ed25519 key: give its 32 raw bytes, in base64")
    try:
        _public(key)
    except MissingExtraError as error:
        raise ValueError(str(error)) from None


def mint(
    key: Key, entries: Mapping[str, str], *, tenant_key: str, audience: str, expires_s: int = 0
) -> Signed:
    """Sign baggage.

    Args:
        key: One that can sign.
        entries: The tenant, if there is one, and what is to be believed with it.
        tenant_key: The tenant's name among them; always signed, by its absence too.
        audience: Whom the token is for: no more than 64 of `A-Za-z0-9_.-`.
        expires_s: Until when, in unix seconds; 0 for always.
    """
    names = [name for name in entries if name != tenant_key and _WORD.fullmatch(name)][:_NAMES_MAX]
    kept = {name: entries[name] for name in (tenant_key, *names) if name in entries}
    head = (_VERSION, key.id, audience, str(expires_s or ""))
    signature = _signer(key)(_message(head, kept, tenant_key, names))
    text = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    return Signed("~".join((*head, text, *names)), kept, expires_s)


def verify(
    token: str,
    entries: Mapping[str, str],
    keys: Keys,
    *,
    tenant_key: str,
    audience: str,
    now_s: float,
) -> Signed:
    """What a token vouches for.

    Args:
        token: As it came.
        entries: The baggage that came with it.
        keys: The keys that are believed.
        tenant_key: The tenant's name in baggage.
        audience: Who we are.
        now_s: The time, in unix seconds.

    Raises:
        RefusedToken: if anything in it is not as it was signed, or it is not for us, or not for now.
    """
    version, key_id, to, expiry, text, *names = _fields(token)
    key = keys.named(key_id)
    if key is None:
        raise RefusedToken("unknown_key")
    if not all(name in entries for name in names):
        raise RefusedToken("forged_token")
    kept = {name: entries[name] for name in (tenant_key, *names) if name in entries}
    message = _message((version, key_id, to, expiry), kept, tenant_key, names)
    if not _verifier(key)(message, _signature(text)):
        raise RefusedToken("forged_token")
    if to != audience:
        raise RefusedToken("wrong_audience")
    expires_s = int(expiry or 0)
    if expires_s and expires_s <= now_s:
        raise RefusedToken("expired_token")
    return Signed(token, kept, expires_s)


def _fields(token: str) -> list[str]:
    """The parts of a token that is formed like one."""
    fields = token.split("~") if len(token) <= _TOKEN_MAX else []
    if not 5 <= len(fields) <= 5 + _NAMES_MAX or fields[0] != _VERSION:
        raise RefusedToken("malformed_token")
    if not re.fullmatch(r"[0-9]{0,12}", fields[3]):
        raise RefusedToken("malformed_token")
    return fields


def _signature(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise RefusedToken("malformed_token") from None


def _message(
    head: tuple[str, str, str, str], kept: Mapping[str, str], tenant_key: str, names: list[str]
) -> bytes:
    """What is signed. JSON, so that no two differ and read the same."""
    pairs = [[name, kept[name]] for name in names]
    words = ["genai-cost-token", *head, kept.get(tenant_key, ""), pairs]
    return json.dumps(words, separators=(",", ":")).encode()


def _signer(key: Key) -> Callable[[bytes], bytes]:
    if key.algorithm == "hmac-sha256":
        return functools.partial(_digest, key.secret)
    return _private(key).sign  # type: ignore[no-any-return]


def _verifier(key: Key) -> Callable[[bytes, bytes], bool]:
    if key.algorithm == "hmac-sha256":
        return lambda message, found: hmac.compare_digest(_digest(key.secret, message), found)
    return functools.partial(_is_signed, _public(key))


def _digest(secret: bytes, message: bytes) -> bytes:
    return hmac.digest(secret, message, hashlib.sha256)


def _is_signed(public: Any, message: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


@functools.lru_cache(maxsize=32)
def _private(key: Key) -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise MissingExtraError("an Ed25519 key", "cryptography", "tokens") from None
    return Ed25519PrivateKey.from_private_bytes(key.secret)


@functools.lru_cache(maxsize=32)
def _public(key: Key) -> Any:
    if key.algorithm == "ed25519":
        return _private(key).public_key()
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise MissingExtraError("an Ed25519 key", "cryptography", "tokens") from None
    return Ed25519PublicKey.from_public_bytes(key.secret)
