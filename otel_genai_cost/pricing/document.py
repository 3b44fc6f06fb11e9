"""What a price book is made of: sources, providers and calendars, and for each provider its models, aliases and rows.

A provider's part is read from the lock when it is first asked for, so that a book of thousands of models is ready in
milliseconds and a process holds in memory what it uses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

__all__ = ["HEAD", "KINDS", "PARTS", "SCHEMA", "Document", "Part", "canonical", "price_id"]

SCHEMA: Final = "otel-genai-cost/1"
HEAD: Final = ("calendars", "providers", "sources")
"""Kinds of entries that belong to no provider."""

PARTS: Final = ("aliases", "models", "prices")
KINDS: Final = (*HEAD, *PARTS)

_WORDS_MAX: Final = 3
"""Words of a condition that stand in a row's id; of a longer list the first and how many more."""

Entry = Mapping[str, Any]


class Part(NamedTuple):
    """The entries of one provider."""

    aliases: Sequence[Entry] = ()
    models: Sequence[Entry] = ()
    prices: Sequence[Entry] = ()


class Document:
    """The entries of a book; `read` gives a provider's part, and is asked once."""

    def __init__(self, head: Mapping[str, Any], read: Callable[[str], Part]) -> None:
        self.calendars: Sequence[Entry] = head.get("calendars", ())
        self.providers: Sequence[Entry] = head["providers"]
        self.sources: Sequence[Entry] = head["sources"]
        self.index: Mapping[str, Any] = head.get("index", {})
        self._read = read
        self._parts: dict[str, Part] = {}

    @classmethod
    def of(cls, tables: Mapping[str, Any]) -> Document:
        """The document of lists that are all in memory."""
        grouped: dict[str, dict[str, list[Entry]]] = {}
        for kind in PARTS:
            for entry in tables.get(kind, ()):
                lists = grouped.setdefault(entry["provider"], {})
                lists.setdefault(kind, []).append(entry)
        head = {kind: tables.get(kind, ()) for kind in HEAD}
        return cls(head, lambda provider: Part(**grouped.get(provider, {})))

    @classmethod
    def of_lock(cls, lock: bytes) -> Document:
        """The document of a lock that `canonical` wrote: by its index, nothing else is read yet.

        Raises:
            ValueError, KeyError: if it has no index.
        """
        start = lock.rindex(b'\n"index":') + len(b'\n"index":')
        index = json.loads(lock[start : lock.rindex(b',\n"schema"', start)])
        slices: Mapping[str, Mapping[str, list[int]]] = index["slices"]

        def cut(kind: str, provider: str) -> list[Entry]:
            begin, end = slices[kind].get(provider, (0, 0))
            return cast("list[Entry]", json.loads(b"[" + lock[begin:end] + b"]"))

        head = {kind: cut(kind, "") for kind in HEAD}
        return cls(
            {**head, "index": index},
            lambda provider: Part(*(cut(kind, provider) for kind in PARTS)),
        )

    def part(self, provider: str) -> Part:
        """The entries of a provider, by its id."""
        part = self._parts.get(provider)
        if part is None:
            part = self._parts[provider] = self._read(provider)
        return part

    def parts(self) -> Iterator[tuple[str, Part]]:
        """Every provider's id and entries."""
        return ((entry["id"], self.part(entry["id"])) for entry in self.providers)

    def prices(self) -> Iterator[Entry]:
        """Every row."""
        return (row for _, part in self.parts() for row in part.prices)

    def where(self, keep: Callable[[Entry], bool]) -> Document:
        """The same document with only those rows."""

        def read(provider: str) -> Part:
            part = self.part(provider)
            return part._replace(prices=[row for row in part.prices if keep(row)])

        return Document({kind: getattr(self, kind) for kind in HEAD}, read)


def canonical(tables: Mapping[str, Any]) -> bytes:
    """Sorted keys, entries and lists of words, no spaces, one entry a line so that differences can be read; then an
    index: where in the file each provider's entries are."""
    chunks: list[bytes] = []
    length = 1
    slices: dict[str, dict[str, list[int]]] = {}
    for kind in sorted(KINDS):
        title = f'"{kind}":[\n'.encode()
        body, slices[kind] = _body(kind, tables.get(kind, ()), length + len(title))
        chunk = title + body + b"\n]"
        chunks.append(chunk)
        length += len(chunk) + len(b",\n")
    newest = max((row["recorded_at"] for row in tables["prices"]), default=None)
    index = {"newest": newest, "rows": len(tables["prices"]), "slices": slices}
    chunks += [b'"index":' + _dumps(index).encode(), f'"schema":"{SCHEMA}"'.encode()]
    return b"{" + b",\n".join(chunks) + b"}\n"


def _body(kind: str, entries: Sequence[Entry], start: int) -> tuple[bytes, dict[str, list[int]]]:
    """The lines of one kind, by provider, and where each provider's begin and end."""
    lines = sorted((entry["provider"] if kind in PARTS else "", _line(entry)) for entry in entries)
    slices: dict[str, list[int]] = {}
    for provider, line in lines:
        size = len(line.encode())
        slices.setdefault(provider, [start, start])[1] = start + size
        start += size + len(b",\n")
    return ",\n".join(line for _, line in lines).encode(), slices


def _line(entry: Entry) -> str:
    return _dumps(_ordered(entry))


def _dumps(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _ordered(value: object) -> object:
    """The value with its lists sorted: each is a set to its reader."""
    if isinstance(value, dict):
        return {key: _ordered(part) for key, part in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return sorted(map(_ordered, cast("list[object]", value)), key=_sort_key)
    return value


def _sort_key(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def price_id(row: Mapping[str, Any]) -> str:
    """`provider/model@from#conditions`, and `~recorded` for a correction: unique, and readable on a receipt."""
    conditions: object = row.get("when")
    when = cast("dict[str, object]", conditions) if isinstance(conditions, dict) else {}
    marks = [f"#{_mark(key, when[key])}" for key in sorted(when)]
    base = f"{row.get('provider')}/{row.get('model')}@{row.get('from')}"
    correction = f"~{row.get('recorded_at')}" if row.get("supersedes") else ""
    return base + "".join(marks) + correction


def _mark(key: str, value: object) -> str:
    if value is True:
        return key
    words = cast("list[object]", value) if isinstance(value, list) else [value]
    named = sorted(map(str, words))
    if len(named) > _WORDS_MAX:
        named = [named[0], f"+{len(named) - 1}"]
    return f"{key}={'|'.join(named)}"
