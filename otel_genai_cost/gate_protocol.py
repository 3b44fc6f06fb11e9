"""What is said to a gate, and what it answers, as values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, NamedTuple, cast, get_args
from urllib.parse import SplitResult, urlsplit

from otel_genai_cost.blocks import Block, BlockType
from otel_genai_cost.errors import ConfigurationError

__all__ = [
    "Admitted",
    "Ask",
    "Decision",
    "GateDownError",
    "OnGateDown",
    "Reply",
    "Who",
    "answer_in",
    "gate_url",
    "money",
    "text",
]

Decision = Literal["allow", "warn", "shrink", "downgrade", "defer", "pace"]

OnGateDown = Literal["closed", "open"]
"""What becomes of calls while the gate is down, where it has said nothing of their tenant yet."""

_DECISIONS: Final = frozenset(get_args(Decision))
_TYPES: Final = frozenset(get_args(BlockType))
_REFUSALS: Final = frozenset({402, 429, 503})
_DIGITS_MAX: Final = 40


class GateDownError(Exception):
    """The gate gave no answer that can be used. The message says why; it is never raised into an application."""


class Reply(NamedTuple):
    """What a gate answered: the status, and the fields of the JSON object that came with it."""

    status: int
    fields: Mapping[str, Any]


def gate_url(text: str) -> str:
    """The address of a gate, without a slash at its end; empty for none.

    Raises:
        ConfigurationError: if it is no `http://` or `https://` with a host, or carries a name and password.
    """
    found = _split(text)
    if found is None:
        raise ConfigurationError(
            "not the address of a gate", value=text, remedy="use http://HOST:PORT or https://HOST"
        )
    return text.strip().rstrip("/")


def _split(text: str) -> SplitResult | None:
    try:
        found = urlsplit(text.strip())
        is_fit = not text.strip() or (
            found.scheme in ("http", "https")
            and bool(found.hostname)
            and found.username is None
            and not (found.query or found.fragment)
            and found.port != 0
        )
    except ValueError:
        return None
    return found if is_fit else None


class Who(NamedTuple):
    """Of a call that begins: the id of the observation that it will be, and for whom it is."""

    id: str
    tenant: str | None
    labels: Mapping[str, str]


class Ask(NamedTuple):
    """What a gate is asked. Tokens are the most that there can be; None if nothing bounds them."""

    who: Who
    provider: str | None
    model: str | None
    operation: str
    input_tokens: int | None
    max_tokens: int | None

    def body(self) -> dict[str, Any]:
        """As it is sent. Labels without a value are left out."""
        who = self.who
        return {
            "id": who.id,
            "tenant": who.tenant,
            **who.labels,
            "provider": self.provider,
            "model": self.model,
            "input_tokens": self.input_tokens,
            "max_tokens": self.max_tokens,
            "dispatched": True,
        }


class Admitted(NamedTuple):
    """A call may be made. `max_tokens` is how many tokens of output are paid for, and whether that `is_shrunk`, fewer
    than were asked for; `model` the one to ask instead; `held` what the gate holds for it, None if it holds nothing."""

    decision: Decision
    held: Decimal | None = None
    max_tokens: int | None = None
    model: str | None = None
    retry_after_s: float | None = None
    scope: str | None = None
    is_shrunk: bool = False


def answer_in(reply: Reply, ask: Ask) -> Admitted | Block | None:
    """What the answer to a reserve says; None if that makes no sense.

    Args:
        reply: of the gate.
        ask: what it was asked.
    """
    status, fields = reply
    if status == 200 and fields.get("decision") in _DECISIONS:
        return Admitted(
            fields["decision"],
            money(fields.get("held")),
            _whole(fields.get("max_tokens")),
            text(fields.get("model")),
            _seconds(fields.get("retry_after_s")),
            text(fields.get("scope")) or _scope_of_warning(fields.get("warnings")),
            is_shrunk=fields["decision"] == "shrink" or fields.get("shrunk") is True,
        )
    kind = fields.get("type")
    if status not in _REFUSALS or kind not in _TYPES:
        return None
    return Block(
        cast("BlockType", kind),
        status,
        tenant=ask.who.tenant,
        operation=ask.operation,
        model=ask.model,
        scope=text(fields.get("scope")),
        reset_at=text(fields.get("reset_at")),
        retry_after_s=_seconds(fields.get("retry_after_s")),
    )


def money(value: object) -> Decimal | None:
    """An amount that is not below zero; None for anything else.

    Args:
        value: of a body, as text.
    """
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        found = Decimal(value)
    except InvalidOperation:
        return None
    is_sane = found.is_finite() and found >= 0 and -_DIGITS_MAX < found.adjusted() < _DIGITS_MAX
    return found if is_sane or found == 0 else None


def _whole(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 53 else None


def text(value: object) -> str | None:
    """A text that says something, cut to what is worth showing; None for anything else.

    Args:
        value: of a body.
    """
    return value[:512] if isinstance(value, str) and value else None


def _scope_of_warning(warnings: object) -> str | None:
    """Of the first budget that a call is warned of."""
    found = cast("list[object]", warnings) if isinstance(warnings, list) else []
    first = found[0] if found else None
    return text(cast("dict[str, object]", first).get("scope")) if isinstance(first, dict) else None


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value < 1e9 else None
