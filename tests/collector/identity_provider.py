"""An identity provider, as far as the collector knows one: a file of public keys, and tokens that are signed by one."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

__all__ = ["ISSUER", "IdentityProvider"]

ISSUER: Final = "https://idp.example"
_KEY_ID: Final = "k1"


class IdentityProvider:
    """Signs what it is asked to."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def publish(self, file: Path) -> None:
        """Write its key set."""
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": _KEY_ID}
        key |= {"n": _number(numbers.n), "e": _number(numbers.e)}
        file.write_text(json.dumps({"keys": [key]}), encoding="utf-8")

    def header(self, *, audience: str, lifetime_s: int = 3600, **claims: object) -> dict[str, str]:
        """The header that a sender with these claims passes."""
        now_s = int(time.time())
        body = {"iss": ISSUER, "aud": audience, "iat": now_s, "exp": now_s + lifetime_s}
        parts = ({"alg": "RS256", "kid": _KEY_ID}, {**body, "sub": "somebody", **claims})
        signed = ".".join(_text(json.dumps(part).encode()) for part in parts)
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return {"authorization": f"Bearer {signed}.{_text(signature)}"}


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
