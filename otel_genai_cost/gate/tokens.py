"""Who may ask the gate. A team's token may speak for every tenant and sees sums; a tenant's spends and sees that
tenant's only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.tokens import HeldTokens, Token, TokenFile, TokenUse

__all__ = ["TOKENS_FILE", "Bearer", "Tokens", "add_token", "read_tokens", "revoke_token"]

TOKENS_FILE: Final = "gate-tokens.json"
"""Beside the ledger; only its owner reads it."""

_USE: Final = TokenUse("gate", "tenant", "genai-cost gate tokens add")


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


class Tokens(HeldTokens):
    """The tokens of a file.

    Args:
        path: the file; without it there is no token.
        clock_us: the time, unix microseconds.

    Raises:
        ConfigurationError: if it is none of tokens.
    """

    def __init__(self, path: Path, clock_us: Callable[[], int]) -> None:
        super().__init__(TokenFile(path, _USE), clock_us)

    def bearer(self, authorization: str) -> Bearer | None:
        """Whose token a header has; None if it has none that holds."""
        token = self.held(authorization)
        return None if token is None else Bearer(token.holder)


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
    return TokenFile(path, _USE).add(tenant, expires_us)


def revoke_token(path: Path, name: str) -> bool:
    """Let a token hold no longer; whether there was one of that name.

    Args:
        path: the file of tokens.
        name: what `add_token` put after `gate_`.

    Raises:
        ConfigurationError: if the file is none of tokens.
    """
    return TokenFile(path, _USE).revoke(name)


def read_tokens(path: Path) -> list[Token]:
    """The tokens of a file, none if it is not there.

    Raises:
        ConfigurationError: if it is none of tokens.
    """
    return TokenFile(path, _USE).read()
