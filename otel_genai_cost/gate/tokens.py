"""Who may ask: bearer tokens, kept as digests in one file that the service reads again when it changes.

A team's token may speak for every tenant and sees sums. A tenant's spends and sees that tenant's only.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.watch import Watched, replace_file

__all__ = ["TOKENS_FILE", "Bearer", "Token", "Tokens", "add_token", "read_tokens", "revoke_token"]

TOKENS_FILE: Final = "gate-tokens.json"
"""Beside the ledger; only its owner reads it."""

_SCHEME: Final = "bearer "
_LENGTH_MAX: Final = 200


class Bearer(NamedTuple):
    """Who asks: a team's member, or a tenant."""

    tenant: str | None

    @property
    def is_team(self) -> bool:
        """Whether it may see sums, and speak for every tenant."""
        return self.tenant is None

    def may(self, tenant: str | None) -> bool:
        """Whether it may speak for a tenant."""
        return self.is_team or tenant == self.tenant


class Token(NamedTuple):
    """A token as it is kept: its name, whose it is, the digest of its text, and until when it holds."""

    id: str
    bearer: Bearer
    digest: str
    expires_us: int | None


class Tokens:
    """The tokens of a file.

    Args:
        path: the file; without it there is no token.
        clock_us: the time, unix microseconds.

    Raises:
        ConfigurationError: if it is none of tokens.
    """

    def __init__(self, path: Path, clock_us: Callable[[], int]) -> None:
        self._clock_us = clock_us
        self._watched = Watched("the file of tokens", lambda: _by_id(path), [path])

    def refresh(self) -> None:
        """Read the file again if it changed."""
        self._watched.refresh()

    def bearer(self, authorization: str) -> Bearer | None:
        """Whose token a header has.

        Args:
            authorization: `Bearer …`.

        Returns:
            None if it has none that holds.
        """
        if authorization[: len(_SCHEME)].lower() != _SCHEME or len(authorization) > _LENGTH_MAX:
            return None
        given = authorization[len(_SCHEME) :].strip()
        name = given.split("_")[1] if given.count("_") == 2 else ""
        if name not in self._watched.value:
            self.refresh()
            self.refresh()  # a file that looks the same twice is read: it may have just been given out
        token = self._watched.value.get(name)
        if token is None or not compare_digest(token.digest, _digest(given)):
            return None
        is_over = token.expires_us is not None and token.expires_us <= self._clock_us()
        return None if is_over else token.bearer


def add_token(path: Path, tenant: str | None, expires_us: int | None) -> str:
    """Make a token.

    Args:
        path: the file of tokens.
        tenant: whose it is; None for the team's.
        expires_us: until when it holds, unix microseconds; None for ever.

    Returns:
        Its text, which is written nowhere else.

    Raises:
        ConfigurationError: if the file is none of tokens.
    """
    name = secrets.token_hex(6)
    given = f"gate_{name}_{secrets.token_urlsafe(32).replace('_', '-')}"
    token = Token(name, Bearer(tenant), _digest(given), expires_us)
    _write(path, [*read_tokens(path), token])
    return given


def revoke_token(path: Path, name: str) -> bool:
    """Let a token hold no longer; whether there was one of that name.

    Args:
        path: the file of tokens.
        name: what `add_token` put after `gate_`.

    Raises:
        ConfigurationError: if the file is none of tokens.
    """
    known = read_tokens(path)
    left = [token for token in known if token.id != name]
    if len(left) == len(known):
        return False
    _write(path, left)
    return True


def read_tokens(path: Path) -> list[Token]:
    """The tokens of a file, none if it is not there.

    Raises:
        ConfigurationError: if it is none of tokens.
    """
    try:
        found = json.loads(path.read_bytes())
        return [_token(record) for record in cast("list[Mapping[str, Any]]", found["tokens"])]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            "this is no file of tokens",
            value=str(path),
            where=type(error).__name__,
            remedy="put it back from a backup, or delete it and give out new ones: `genai-cost gate tokens add`",
        ) from None


def _by_id(path: Path) -> Mapping[str, Token]:
    return {token.id: token for token in read_tokens(path)}


def _token(record: Mapping[str, Any]) -> Token:
    expires, digest = record["expires"], str(record["sha256"])
    expires_us = None if expires is None else microseconds(expires)
    return Token(str(record["id"]), Bearer(record["tenant"]), digest, expires_us)


def _write(path: Path, tokens: list[Token]) -> None:
    records = [
        {
            "id": token.id,
            "tenant": token.bearer.tenant,
            "sha256": token.digest,
            "expires": None if token.expires_us is None else rfc3339(token.expires_us),
        }
        for token in tokens
    ]
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(path, json.dumps({"tokens": records}, indent=1).encode() + b"\n")
    path.chmod(0o600)


def _digest(given: str) -> str:
    return sha256(given.encode("utf-8", "surrogateescape")).hexdigest()
