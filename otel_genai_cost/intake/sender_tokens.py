"""Who sends: a token names a sender, whose segments are in a folder of that name and in no other.

Once a token was given out, who has none is refused. Before, all are one sender, which is for a socket or a loopback
that nobody else can reach.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from otel_genai_cost.intake.receiver import LOCAL
from otel_genai_cost.intake.replica import RefusedError, is_sender_name
from otel_genai_cost.tokens import HeldTokens, TokenFile, TokenUse

__all__ = ["SENDERS_FILE", "SenderTokens", "sender_token_file"]

SENDERS_FILE: Final = "sender-tokens.json"
"""Beside the ledger; only its owner reads it."""

_USE: Final = TokenUse("send", "sender", "genai-cost ledger senders add NAME")


def sender_token_file(path: Path) -> TokenFile:
    """The tokens of senders in a file."""
    return TokenFile(path, _USE)


class SenderTokens:
    """Says whose a request is.

    Args:
        path: the file of tokens.
        clock_us: the time, unix microseconds.

    Raises:
        ConfigurationError: if it is none of tokens.
    """

    def __init__(
        self, path: Path, clock_us: Callable[[], int] = lambda: time.time_ns() // 1000
    ) -> None:
        self._path, self._were_given = path, False
        self._held = HeldTokens(sender_token_file(path), clock_us)

    @property
    def are_given(self) -> bool:
        """Whether one was ever given out, so that all who ask need one. Who takes the file away lets nobody in."""
        self._were_given = self._were_given or self._held.any_given() or self._path.exists()
        return self._were_given

    def sender(self, authorization: str) -> str:
        """Who sends.

        Args:
            authorization: `Bearer …`.

        Raises:
            RefusedError: if it has no token that holds, and needs one.
        """
        if not self.are_given:
            return LOCAL
        token = self._held.held(authorization)
        if token is None:
            raise RefusedError(
                "UNAUTHENTICATED",
                "no token that holds; `genai-cost ledger senders add NAME` on the receiver's machine gives one out",
            )
        if token.holder is None or not is_sender_name(token.holder):
            raise RefusedError("FORBIDDEN", f"no sender's name: {token.holder!r}")
        return token.holder
