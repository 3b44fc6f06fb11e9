"""The port: the state of one key, as whatever runs the settlement keeps it. Text to bytes, and nothing else is asked of
it: a dictionary, a hash of Redis, or the map state of a stream processor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from otel_genai_cost.journal.codec import decode_any, encode

__all__ = ["BufferedState", "MemoryState", "NumberLists", "State", "read_value", "write_value"]


class State(Protocol):
    """What is kept of one key. Who runs the settlement makes its changes one transaction with the entries that came of
    them, and with how far the stream was read."""

    def get(self, key: str) -> bytes | None:
        """What is kept there; None if nothing is."""
        ...

    def expect(self, keys: Iterable[str]) -> None:
        """These are asked for next: a state that is far away reads them at once."""
        ...

    def put(self, key: str, value: bytes) -> None:
        """Keep it."""
        ...

    def delete(self, key: str) -> None:
        """Keep nothing there, whether or not there was anything."""
        ...


class MemoryState:
    """State in memory, that may be written down whole: for keys of few observations, such as traces.

    Args:
        packed: as `packed` made it; None for a key that was never seen.
    """

    def __init__(self, packed: bytes | None = None) -> None:
        kept: Mapping[str, str] = {} if packed is None else decode_any(packed)
        self._kept = {key: value.encode() for key, value in kept.items()}

    def get(self, key: str) -> bytes | None:
        """See `State`."""
        return self._kept.get(key)

    def expect(self, keys: Iterable[str]) -> None:
        """See `State`: nothing is far away."""

    def put(self, key: str, value: bytes) -> None:
        """See `State`."""
        self._kept[key] = value

    def delete(self, key: str) -> None:
        """See `State`."""
        self._kept.pop(key, None)

    def packed(self) -> bytes | None:
        """All of it; None if nothing is left."""
        kept = {key: str(value, "utf-8") for key, value in self._kept.items()}
        return encode(kept) if kept else None


class BufferedState:
    """State that is read once and written in one go: what changed is kept back.

    Args:
        state: where the rest is.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._known: dict[str, bytes | None] = {}
        self._changed: set[str] = set()

    def get(self, key: str) -> bytes | None:
        """See `State`."""
        if key not in self._known:
            self._known[key] = self._state.get(key)
        return self._known[key]

    def expect(self, keys: Iterable[str]) -> None:
        """See `State`."""
        self._state.expect(key for key in keys if key not in self._known)

    def put(self, key: str, value: bytes) -> None:
        """See `State`."""
        self._known[key] = value
        self._changed.add(key)

    def delete(self, key: str) -> None:
        """See `State`."""
        self._known[key] = None
        self._changed.add(key)

    def changes(self) -> dict[str, bytes | None]:
        """What is to be written, in the order of the keys: values, and None for what is to be deleted."""
        return {key: self._known[key] for key in sorted(self._changed)}

    def write(self) -> None:
        """Write all of it."""
        for key, value in self.changes().items():
            if value is None:
                self._state.delete(key)
            else:
                self._state.put(key, value)
        self._changed.clear()


class NumberLists:
    """Lists of numbers in a state, by name.

    Args:
        state: where they are.
        prefix: how their keys begin.
    """

    def __init__(self, state: State, prefix: str) -> None:
        self._state, self._prefix = state, prefix

    def of(self, name: str) -> list[int]:
        """The numbers of a list, in the order they were added; none if there is no such list."""
        found = self._state.get(self._prefix + name)
        return [] if found is None else decode_any(found)

    def expect(self, names: Iterable[str]) -> None:
        """These lists are asked for next."""
        self._state.expect([self._prefix + name for name in names])

    def all_of(self, names: Iterable[str]) -> set[int]:
        """The numbers of several."""
        every = list(names)
        self.expect(every)
        return {n for name in every for n in self.of(name)}

    def add(self, name: str, number: int) -> None:
        """Add a number, unless it is there."""
        numbers = self.of(name)
        if number not in numbers[-1:] and number not in numbers:
            self._state.put(self._prefix + name, encode([*numbers, number]))

    def remove(self, name: str, number: int) -> None:
        """Take a number out; a list without any is none."""
        left = [one for one in self.of(name) if one != number]
        if left:
            self._state.put(self._prefix + name, encode(left))
        else:
            self._state.delete(self._prefix + name)


def read_value(state: State, key: str, otherwise: Any) -> Any:
    """What JSON says there.

    Args:
        state: where.
        key: under which key.
        otherwise: if nothing is kept there.
    """
    found = state.get(key)
    return otherwise if found is None else decode_any(found)


def write_value(state: State, key: str, value: object) -> None:
    """Keep what JSON can say; nothing, if it is empty.

    Args:
        state: where.
        key: under which key.
        value: what.
    """
    if value:
        state.put(key, encode(value))
    else:
        state.delete(key)
