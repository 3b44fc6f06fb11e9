"""Export requests in every form that protobuf allows and nobody writes, and valid ones with a few bytes changed; each
follows from a number."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

from tests.collector.requests import NAMES
from tests.replay.otlp import SCOPE, START_NS, chat, protobuf, request, span

_SCOPES: Final = (SCOPE, "openinference.instrumentation.openai", "shop", "")
_TEXTS: Final = ("acme", "chat", "gpt-4o-mini", "openai", "", "x" * 130, "ä")
_TIMES_NS: Final = (0, START_NS, START_NS + 10**9, START_NS + 5 * 10**9, 2**64 - 1)
_DOUBLES: Final = (bytes(8), b"\0\0\0\0\0\0\xf8\x7f", b"\x9a\x99\x99\x99\x99\x99\xb9\x3f")
_WHOLE: Final = (0, 1, 1200, 2**63 - 1, 2**63, 2**64 - 1)
_DEPTH: Final = 3
_LIKELY_BYTES: Final = b"\x00\x01\x02\x08\x0a\x0b\x0c\x12\x1a\x22\x48\x4a\x4b\x4c\x7f\x80\xff"

_VARINT, _FIXED64, _BYTES, _GROUP, _GROUP_END, _FIXED32 = range(6)


def odd_request(number: int) -> bytes:
    """Fields in any order, twice or missing, in longer forms than they need, of the wrong kind, unknown, in groups."""
    return _Odd(Random(number)).request()


def changed_request(number: int) -> bytes:
    """A valid or an odd one with bytes changed, added, left out and moved."""
    draw = Random(number)
    whole = draw.choice((*_VALID, odd_request(number)))
    changed = bytearray(whole or b"\n")
    for _ in range(draw.choice((1, 1, 1, 2, 3, 5))):
        draw.choice(_CHANGES)(draw, changed, draw.randrange(len(changed) + 1))
        if not changed:
            changed += b"\n"
    return bytes(changed)


def _valid() -> tuple[bytes, ...]:
    told = {"service.name": "shop", "tenant.id": "globex"}
    call = chat(tenant__id="acme", gen_ai__response__id="r1")
    page = {"http.route": "/", "yes": True, "half": 0.5, "list": ["a", "b"]}
    lies = {"genai_cost.total": "1", "gen_ai.usage.cost": 0.5, "tenant.id": "x"}
    made = (
        request(span(1, call), span(2, page, parent=1)),
        request(span(3, chat(gen_ai__usage__cost=0.1)), resource=told),
        request(span(4, lies), scope="shop"),
    )
    return tuple(protobuf(one).SerializeToString() for one in made)


_VALID: Final = _valid()


def _set(draw: Random, changed: bytearray, at: int) -> None:
    if at < len(changed):
        changed[at] = draw.choice((draw.randrange(256), draw.choice(_LIKELY_BYTES)))


def _flip(draw: Random, changed: bytearray, at: int) -> None:
    if at < len(changed):
        changed[at] ^= 1 << draw.randrange(8)


def _insert(draw: Random, changed: bytearray, at: int) -> None:
    changed[at:at] = bytes(draw.choices(_LIKELY_BYTES, k=draw.randrange(1, 4)))


def _remove(draw: Random, changed: bytearray, at: int) -> None:
    del changed[at : at + draw.randrange(1, 5)]


def _repeat(draw: Random, changed: bytearray, at: int) -> None:
    start = draw.randrange(len(changed) + 1)
    changed[at:at] = changed[start : start + draw.randrange(1, 40)]


def _cut(draw: Random, changed: bytearray, at: int) -> None:
    del changed[at:]


_CHANGES: Final[tuple[Callable[[Random, bytearray, int], None], ...]] = (
    *(_set, _flip, _insert, _remove, _repeat, _cut),
)


class _Odd:
    """Writes messages by what is drawn."""

    def __init__(self, draw: Random) -> None:
        self._draw = draw

    def request(self) -> bytes:
        written = self._several(1, self._block, 1, 2)
        return written + (self._unknown() if self._happens(0.05) else b"")

    def _happens(self, share: float) -> bool:
        return self._draw.random() < share

    def _varint(self, number: int) -> bytes:
        """Sometimes longer than it has to be."""
        written = bytearray()
        while number > 0x7F:
            written.append(number & 0x7F | 0x80)
            number >>= 7
        written.append(number)
        if self._happens(0.1):
            written[-1] |= 0x80
            written += b"\x80" * self._draw.randrange(3) + b"\0"
        return bytes(written)

    def _bytes(self, number: int, value: bytes) -> bytes:
        return self._varint(number << 3 | _BYTES) + self._varint(len(value)) + value

    def _number(self, number: int, value: int) -> bytes:
        return self._varint(number << 3 | _VARINT) + self._varint(value)

    def _time(self, number: int, times_ns: tuple[int, ...]) -> bytes:
        value = self._draw.choice(times_ns).to_bytes(8, "little")
        return self._varint(number << 3 | _FIXED64) + value

    def _several(self, number: int, make: Callable[[], bytes], least: int, most: int) -> bytes:
        count = self._draw.randint(least, most)
        return b"".join(self._bytes(number, make()) for _ in range(count))

    def _unknown(self) -> bytes:
        """A field that OTLP does not have; a group ends where another one may."""
        begin = self._varint(96 << 3 | _GROUP)
        end = self._varint(96 << 3 | _GROUP_END)
        return self._draw.choice(
            (
                self._bytes(100, b"abc"),
                self._number(99, self._draw.randrange(2**64)),
                self._varint(98 << 3 | _FIXED64) + bytes(8),
                self._varint(97 << 3 | _FIXED32) + bytes(4),
                begin + self._number(5, 1) + end,
                begin + self._bytes(2, b"\x0a") + begin + end + end,
            )
        )

    def _mixed(self, fields: list[bytes]) -> bytes:
        """A message of these fields, seldom as they should be."""
        if self._happens(0.05):
            fields.append(self._unknown())
        if fields and self._happens(0.05):
            fields.append(self._draw.choice(fields))
        if fields and self._happens(0.03):
            fields.pop(self._draw.randrange(len(fields)))
        if self._happens(0.06):
            self._draw.shuffle(fields)
        return b"".join(fields)

    def _text(self) -> bytes:
        broken = b"\xff" if self._happens(0.02) else b""
        return broken + self._draw.choice(_TEXTS).encode()

    def _value(self, depth: int = 0) -> bytes:
        """An AnyValue."""
        inner = b"" if depth == _DEPTH else self._value(depth + 1)
        draw = self._draw
        written = draw.choice(
            (
                self._bytes(1, self._text()),
                self._number(2, draw.choice((0, 1, 2, 2**63))),
                self._number(3, draw.choice(_WHOLE)),
                self._varint(4 << 3 | _FIXED64) + draw.choice(_DOUBLES),
                self._bytes(5, self._bytes(1, inner)),
                self._bytes(6, self._bytes(1, self._bytes(1, b"k") + self._bytes(2, inner))),
                self._bytes(7, self._text()),
                self._unknown(),
                b"",
            )
        )
        return written + (inner if self._happens(0.05) else b"")

    def _pair(self, *names: str) -> bytes:
        name = self._draw.choice(names or NAMES).encode()
        return self._mixed([self._bytes(1, name), self._bytes(2, self._value())])

    def _call(self) -> list[bytes]:
        """Attributes that make a span a call."""
        tokens = self._draw.choice((1200, 0, -5, 2**62))
        attributes = chat(tokens, gen_ai__response__id=self._draw.choice(("r1", "r2")))
        if self._happens(0.5):
            attributes["tenant.id"] = "acme"
        written: list[bytes] = []
        for name, value in attributes.items():
            held = (
                self._number(3, value % 2**64)
                if isinstance(value, int)
                else self._bytes(1, str(value).encode())
            )
            written.append(self._bytes(9, self._bytes(1, name.encode()) + self._bytes(2, held)))
        return written

    def _span(self) -> bytes:
        draw = self._draw
        fields = [
            self._bytes(1, draw.choice((b"\1" * 16, b"\2" * 16, b"", b"\1" * 3, b"\1" * 40))),
            self._bytes(2, bytes((draw.randrange(1, 6),)) * draw.choice((8, 8, 8, 4, 0))),
            self._bytes(5, self._text()),
            self._time(7, _TIMES_NS),
            self._time(8, _TIMES_NS),
        ]
        if self._happens(0.5):
            fields.insert(2, self._bytes(4, bytes((draw.randrange(1, 6),)) * draw.choice((8, 4))))
        if self._happens(0.6):
            fields += self._call()
        fields += [self._bytes(9, self._pair()) for _ in range(draw.randrange(4))]
        if self._happens(0.3):
            code = self._number(3, draw.choice((0, 1, 2, 7, 2**64 - 1)))
            fields.append(self._bytes(15, self._mixed([code, self._bytes(2, b"broke")])))
        if self._happens(0.05):
            fields.append(self._number(draw.choice((1, 7, 9, 15)), 5))
        return self._mixed(fields)

    def _scope(self) -> bytes:
        name = self._draw.choice(_SCOPES).encode()
        return self._mixed([self._bytes(1, name), self._bytes(2, b"1.0")])

    def _part(self) -> bytes:
        fields = [self._bytes(1, self._scope())] if self._happens(0.9) else []
        fields += [self._bytes(2, self._span()) for _ in range(self._draw.randrange(4))]
        return self._mixed([*fields, self._bytes(3, b"https://schema")])

    def _block(self) -> bytes:
        fields: list[bytes] = []
        if self._happens(0.9):
            pairs = self._several(1, lambda: self._pair("service.name", "tenant.id", "ä"), 0, 2)
            fields.append(self._bytes(1, pairs))
        fields += [self._bytes(2, self._part()) for _ in range(self._draw.randrange(3))]
        return self._mixed(fields)
