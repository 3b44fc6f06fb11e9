"""Texts that we gave out and nobody can have changed: what is said, for what purpose and until when, signed."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias, cast

from otel_genai_cost.pages.access.keys import Key

__all__ = ["LENGTH_MAX", "Purpose", "Signer"]

Purpose: TypeAlias = Literal["session", "sign-in", "link", "form"]
"""What a text is for: one that was given out for one thing is nothing elsewhere."""

LENGTH_MAX: Final = 3_800
"""Browsers keep cookies of 4,096 bytes, name and attributes included."""


class Signer(NamedTuple):
    """Gives out texts, and reads them.

    Attributes:
        keys: as they are now, the newest first.
        clock_us: the time, unix microseconds.
    """

    keys: Callable[[], Sequence[Key]]
    clock_us: Callable[[], int]

    def sign(self, purpose: Purpose, said: Mapping[str, Any], expires_us: int) -> str:
        """A text that only letters, digits, `-`, `_` and `.` are in.

        Args:
            purpose: what it is for.
            said: what can be written as JSON; everybody who has the text can read it.
            expires_us: until when it holds, unix microseconds.
        """
        key = self.keys()[0]
        content = json.dumps({**said, "until": expires_us}, separators=(",", ":")).encode()
        payload = base64.urlsafe_b64encode(content).rstrip(b"=").decode()
        return f"{key.id}.{payload}.{_signature(key, purpose, payload)}"

    def read(self, purpose: Purpose, text: str) -> Mapping[str, Any] | None:
        """What a text says; None unless we gave it out for that purpose and it still holds.

        Args:
            purpose: what it has to be for.
            text: from anybody.
        """
        key_id, _, rest = text.partition(".")
        payload, _, signature = rest.partition(".")
        if len(text) > LENGTH_MAX or not signature.isascii():
            return None
        key = self._key(key_id) or self._key(key_id)
        if key is None:
            return None
        if not hmac.compare_digest(_signature(key, purpose, payload), signature):
            return None
        padded = payload + "=" * (-len(payload) % 4)
        said = cast("Mapping[str, Any]", json.loads(base64.urlsafe_b64decode(padded)))
        return said if self.clock_us() < said["until"] else None

    def _key(self, key_id: str) -> Key | None:
        """A file that has just changed is read when it looks the same twice: who asks for a new key looks again."""
        return next((one for one in self.keys() if one.id == key_id), None)


def _signature(key: Key, purpose: str, payload: str) -> str:
    """Of the purpose and what is said: neither can be taken for a part of the other."""
    signed = f"{purpose}\n{payload}".encode("utf-8", "surrogateescape")
    digest = hmac.digest(key.secret, signed, "sha256")
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
