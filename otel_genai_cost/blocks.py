"""A call that a gate refused: what is known of it, and how an application answers something useful instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple

__all__ = ["Block", "BlockType", "block_of", "graceful", "hook", "mark", "on_block"]

BlockType = Literal[
    "budget_exceeded", "too_large", "hold_pressure", "deferred", "paced", "gate_unavailable"
]

_MARK: Final = "_genai_cost_block"
_CAUSES_MAX: Final = 16
_MESSAGES: Final[dict[str, str]] = {
    "budget_exceeded": "the budget is used up",
    "too_large": "this request may cost more than is left of the budget",
    "hold_pressure": "the rest of the budget is held by calls that are running",
    "deferred": "calls of this kind wait until the budget has room",
    "paced": "the budget is being used faster than it lasts",
    "gate_unavailable": "it cannot be asked whether the budget has room",
}


class Block(NamedTuple):
    """Why a call was not made. It names no sums: these are the team's.

    Attributes:
        type: `budget_exceeded`, `too_large`, `hold_pressure`, `deferred`, `paced` or `gate_unavailable`.
        status: The HTTP status of the client's error: 402, or 429 and 503 for what passes.
        tenant: Whom the call was for; None if it is nobody's.
        operation: What was called, such as `chat`.
        model: Which model was asked for; None if unknown.
        scope: Whose budget it is, such as `tenant=acme`; None if unknown.
        reset_at: When it has room again, as RFC 3339; None if that is not known.
        retry_after_s: After how many seconds it is worth asking again; None if it is not.
    """

    type: BlockType
    status: int
    tenant: str | None = None
    operation: str = ""
    model: str | None = None
    scope: str | None = None
    reset_at: str | None = None
    retry_after_s: float | None = None

    @property
    def message(self) -> str:
        """One sentence for whoever made the request, without any sum."""
        until = f" until {self.reset_at}" if self.reset_at else ""
        return f"{_MESSAGES[self.type]}{until}"


def mark(error: BaseException, block: Block) -> None:
    """Note on a client's error that it is a block.

    Args:
        error: about to be raised.
        block: what it says.
    """
    setattr(error, _MARK, block)


def block_of(error: BaseException | None) -> Block | None:
    """The block that an error is, or was made of by a framework that wraps errors; None for any other error.

    Args:
        error: as it was caught.
    """
    for each in _with_causes(error):
        found = getattr(each, _MARK, None)
        if isinstance(found, Block):
            return found
    return None


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(_CAUSES_MAX):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


class graceful:
    """A block of code in which a call that the gate refuses ends the block instead of raising.

    ```python
    with otel_genai_cost.graceful() as outcome:
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages).choices[0].message.content
    if outcome.block:
        answer = f"We can't answer that now: {outcome.block.message}."
    ```

    It is the same for every client, sync, async and streamed. Any other error goes through. A stream that is cut off
    half-way raises nothing: what arrived is there, and `outcome.block` stays None.

    Attributes:
        block: What was refused, once the block of code has ended; None if nothing was.
    """

    def __init__(self) -> None:
        self.block: Block | None = None

    def __enter__(self) -> graceful:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self.block = block_of(error) if isinstance(error, Exception) else None
        return self.block is not None


Hook = Callable[[Block], Any]


class _Hooks:
    hook: Hook | None = None


def on_block(hook: Hook | None) -> None:
    """Let the application answer in the place of a call that the gate refuses, whoever makes it, such as a framework.

    Args:
        hook: is called with the `Block` where the client's method was called. What it returns is what that method
            returns; from None on, the client's error is raised as without a hook. In an async call it may be a
            coroutine function. An error in it is raised to the caller. None takes the hook away.

    ```python
    def answer(block):
        if block.operation == "chat":
            return ChatCompletion.model_validate({...})

    otel_genai_cost.on_block(answer)
    ```
    """
    _Hooks.hook = hook


def hook() -> Hook | None:
    """The application's hook; None without one."""
    return _Hooks.hook
