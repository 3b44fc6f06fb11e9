"""The port: what sends a message by a channel of some kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias, cast

from otel_genai_cost.alerts.render import Message
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.limits.notice import Audience
from otel_genai_cost.plug_ins import plug_in

__all__ = [
    "ATTEMPT_S",
    "GROUP",
    "Outcome",
    "Sender",
    "SenderType",
    "Sent",
    "sender_type",
    "written_secret",
]

GROUP: Final = "otel_genai_cost.channels"

ATTEMPT_S: Final = 15.0
"""The longest that a receiver may take, name look-up and connection included."""

Outcome: TypeAlias = Literal["delivered", "failed", "gone"]
"""`failed`: it is tried again. `gone`: the receiver wants nothing any more."""


class Sent(NamedTuple):
    """What came of sending: an error is one line for people, and `retry_after_s` what the receiver asked for."""

    outcome: Outcome
    error: str = ""
    retry_after_s: int | None = None


class Sender(Protocol):
    """Sends by one channel. It may raise anything, and take any time: the caller waits for so long only."""

    async def send(self, message: Message) -> Sent:
        """Send a message, once."""
        ...

    async def close(self) -> None:
        """Let go of whatever it holds."""
        ...


class SenderType(Protocol):
    """A kind of channel, as the entry point gives it."""

    def __call__(self, settings: Mapping[str, Any], audience: Audience) -> Sender:
        """The sender of a channel with such settings."""
        ...

    @staticmethod
    def problems(settings: Mapping[str, Any], audience: Audience) -> list[str]:
        """What is wrong with the settings of a channel, each with what to write instead."""
        ...


def sender_type(kind: str) -> SenderType:
    """The kind of channel of that name.

    Raises:
        ConfigurationError: if there is none.
        MissingExtraError: if its library is not installed.
    """
    return cast("SenderType", plug_in(GROUP, kind, "kind of channel"))


def written_secret(text: str) -> str:
    """A secret as it stands in a channel's settings, or the first line of the file that it names as `file:PATH`.

    Raises:
        ConfigurationError: if the file cannot be read.
    """
    if not text.startswith("file:"):
        return text
    path = Path(text.removeprefix("file:"))
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "a channel's secret cannot be read",
            value=str(path),
            where=type(error).__name__,
            remedy="make the file readable for this user",
        ) from None
