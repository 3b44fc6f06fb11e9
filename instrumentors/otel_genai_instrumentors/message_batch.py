"""Messages that were read at once, each in its own tenant's name while the application is at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, SupportsIndex, overload

from otel_genai_cost.tenancy.rolling import enter, steps

__all__ = ["MessageBatch"]


class MessageBatch(list[Any]):
    """The list that the library gave, and in all that applications see of it still a list; copies are lists.

    A message is at work while a loop is at it, once it was popped, and if it is the only one, once it was indexed: of
    several, an index says little about what is worked on. Until the same reader's next.

    Args:
        messages: What was read.
        reader: Who read them.
        carrier: Of a message, what carries the envelope.
    """

    def __init__(
        self, messages: Iterable[Any], reader: object, carrier: Callable[[Any], object]
    ) -> None:
        super().__init__(messages)
        self._reader, self._carrier = reader, carrier
        self._through: list[Any] | None = None

    def read_through(self, other: list[Any]) -> MessageBatch:
        """The same messages, taken out of another's list that does more when it is read.

        Args:
            other: has the same messages.
        """
        self._through = other
        return self

    def __iter__(self) -> Iterator[Any]:
        messages = super().__iter__() if self._through is None else iter(self._through)
        return steps(messages, self._carrier, self._reader)

    @overload
    def __getitem__(self, at: SupportsIndex, /) -> Any: ...
    @overload
    def __getitem__(self, at: slice, /) -> list[Any]: ...
    def __getitem__(self, at: Any, /) -> Any:
        if isinstance(at, slice):
            part = super().__getitem__(at)  # pyright: ignore[reportUnknownArgumentType]
            return MessageBatch(part, self._reader, self._carrier)
        found = super().__getitem__(at) if self._through is None else self._through[at]
        return self._read(found) if len(self) == 1 else found

    def pop(self, at: SupportsIndex = -1, /) -> Any:
        """As of any list."""
        found = super().pop(at)
        if self._through is not None:
            self._through.pop(at)
        return self._read(found)

    def _read(self, message: Any) -> Any:
        enter(self._reader, self._carrier(message))
        return message

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> tuple[Any, ...]:
        return list, (list(super().__iter__()),)
