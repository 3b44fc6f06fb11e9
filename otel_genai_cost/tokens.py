"""Bearer tokens, kept as digests in one file that a service reads again when it changes: who may ask, and as whom."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.watch import Watched
from otel_genai_cost.whole_files import alone_in, replace_file

__all__ = ["HeldTokens", "Token", "TokenFile", "TokenUse"]

_SCHEME: Final = "bearer "
_LENGTH_MAX: Final = 200
_LOOK_EVERY_S: Final = 1.0


class TokenUse(NamedTuple):
    """What tokens are for.

    Attributes:
        prefix: what their text begins with.
        key: what their holder is called in the file.
        add_command: gives out another.
    """

    prefix: str
    key: str
    add_command: str


class Token(NamedTuple):
    """A token as it is kept: its name, who holds it, the digest of its text, and until when it holds."""

    id: str
    holder: str | None
    digest: str
    expires_us: int | None


class TokenFile(NamedTuple):
    """A file of tokens; without it there is no token."""

    path: Path
    use: TokenUse

    def read(self) -> list[Token]:
        """The tokens that were given out.

        Raises:
            ConfigurationError: if the file is none of tokens.
        """
        try:
            found = json.loads(self.path.read_bytes())
            return [
                self._token(record) for record in cast("list[Mapping[str, Any]]", found["tokens"])
            ]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                "this is no file of tokens",
                value=str(self.path),
                where=type(error).__name__,
                remedy="put it back from a backup, or delete it and give out new ones: "
                f"`{self.use.add_command}`",
            ) from None

    def add(self, holder: str | None, expires_us: int | None) -> str:
        """Make a token.

        Args:
            holder: whose it is.
            expires_us: until when it holds, unix microseconds; None for ever.

        Returns:
            Its text, which is written nowhere else.

        Raises:
            ConfigurationError: if the file is none of tokens.
        """
        name = secrets.token_hex(6)
        given = f"{self.use.prefix}_{name}_{secrets.token_urlsafe(32).replace('_', '-')}"
        with alone_in(self.path.parent):
            self._write([*self.read(), Token(name, holder, _digest(given), expires_us)])
        return given

    def revoke(self, name: str) -> bool:
        """Let a token hold no longer; whether there was one of that name.

        Args:
            name: what `add` put between the prefix and the secret.

        Raises:
            ConfigurationError: if the file is none of tokens.
        """
        if not self.path.exists():
            return False
        with alone_in(self.path.parent):
            known = self.read()
            left = [token for token in known if token.id != name]
            if len(left) < len(known):
                self._write(left)
        return len(left) < len(known)

    def _token(self, record: Mapping[str, Any]) -> Token:
        expires, digest = record["expires"], str(record["sha256"])
        expires_us = None if expires is None else microseconds(expires)
        return Token(str(record["id"]), record[self.use.key], digest, expires_us)

    def _write(self, tokens: list[Token]) -> None:
        records = [
            {
                "id": token.id,
                self.use.key: token.holder,
                "sha256": token.digest,
                "expires": None if token.expires_us is None else rfc3339(token.expires_us),
            }
            for token in tokens
        ]
        replace_file(self.path, json.dumps({"tokens": records}, indent=1).encode() + b"\n")
        self.path.chmod(0o600)


class HeldTokens:
    """The tokens of a file, as a service looks them up. It is read again when it changed, a second after that at the
    latest: a token that was revoked holds no longer.

    Args:
        file: of tokens.
        clock_us: the time, unix microseconds.

    Raises:
        ConfigurationError: if it is none of tokens.
    """

    def __init__(self, file: TokenFile, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._looked_s = time.monotonic()
        self._watched = Watched(
            "the file of tokens",
            lambda: {token.id: token for token in file.read()},
            [file.path],
            at_once=True,
        )

    def any_given(self) -> bool:
        """Whether any was given out, as far as is known."""
        return bool(self._watched.value)

    def held(self, authorization: str) -> Token | None:
        """The token that a header has.

        Args:
            authorization: `Bearer …`.

        Returns:
            None if it has none that holds.
        """
        if authorization[: len(_SCHEME)].lower() != _SCHEME or len(authorization) > _LENGTH_MAX:
            return None
        given = authorization[len(_SCHEME) :].strip()
        name = given.split("_")[1] if given.count("_") == 2 else ""
        token = self._tokens(name).get(name)
        if token is None or not compare_digest(token.digest, _digest(given)):
            return None
        is_over = token.expires_us is not None and token.expires_us <= self._clock_us()
        return None if is_over else token

    def _tokens(self, name: str) -> Mapping[str, Token]:
        """All of them; one that is not known may have just been given out."""
        now_s = time.monotonic()
        if name not in self._watched.value or now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            self._watched.refresh()
        return self._watched.value


def _digest(given: str) -> str:
    return sha256(given.encode("utf-8", "surrogateescape")).hexdigest()
