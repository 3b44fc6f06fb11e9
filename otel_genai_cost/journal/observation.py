"""The fact everything else is made of: what one span says of one provider response, priced and attributed."""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct
from typing import Final, NamedTuple

from otel_genai_cost.pricing.cost import (
    Cost,
)
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.usage.read import Origin, Reading
from otel_genai_cost.vocabulary import Role

__all__ = ["OUR_CLIENTS", "Observation", "observation_id"]

OUR_CLIENTS: Final = "otel_genai_instrumentors."
"""How the scopes of our own clients begin."""

_DIGEST: Final = blake2b(b"ogc1", digest_size=16)
_LOW: Final = (1 << 64) - 1
_pack: Final = Struct(">QQQQI").pack


def observation_id(trace_id: int, span_id: int, start_us: int, ordinal: int = 0) -> str:
    """The id of an observation: 32 hexadecimal digits, known when the call starts.

    `(trace_id, span_id)` alone is not unique: after a C `fork()` that skips Python's hooks two workers draw identical
    ids, hence the start time.

    Args:
        trace_id: 128 bits.
        span_id: 64 bits.
        start_us: when the span started, in unix microseconds.
        ordinal: which of several responses of one span it is; 0 for the first.
    """
    digest = _DIGEST.copy()
    digest.update(_pack(trace_id >> 64, trace_id & _LOW, span_id, start_us, ordinal))
    return digest.hexdigest()


class Observation(NamedTuple):
    """What one span says of one provider response. Times are unix microseconds, UTC; ids are hex.

    `path` holds the ancestors' span ids, nearest first. `duplicate_of` is the live view's guess; only the ledger
    decides. `call_site` is the place in the application's code (`file:line in function`) of a response that is
    nobody's. `threshold` is that of head sampling, where only spans that it let through were seen (`ot=th`), in hex.
    `words_json` is the part of its record that follows from its call's words, if it is at hand.
    """

    id: str
    trace_id: str
    span_id: str
    ordinal: int
    path: tuple[str, ...]
    start_us: int
    end_us: int
    origin: Origin
    scope: str
    scope_version: str
    dialect: str
    reading: Reading
    cost: Cost
    attribution: Attribution
    sampled: bool = True
    duplicate_of: str | None = None
    call_site: str | None = None
    threshold: str | None = None
    words_json: bytes = b""

    def in_role(self, role: Role) -> Observation:
        """The same observation in another role."""
        return self._replace(reading=self.reading._replace(role=role), words_json=b"")

    @property
    def reporter(self) -> str:
        """Who describes the response: a scope, or the library that a span is about where one scope has all spans. Our
        own clients are one: what two of them see at once are two responses."""
        if self.scope.startswith(OUR_CLIENTS):
            return OUR_CLIENTS
        about = self.reading.reporter
        return self.scope if about is None else f"{self.scope}/{about}"

    # What two observations are compared by: `same_response.Described`.

    @property
    def role(self) -> Role:
        return self.reading.role

    @property
    def is_batch(self) -> bool:
        """Whether it was a part of a batch, whose results may be fetched at any time."""
        return self.reading.context.get("batch") is True

    @property
    def provider(self) -> str | None:
        return self.reading.provider

    @property
    def response_id(self) -> str | None:
        return self.reading.response_id

    @property
    def input_total(self) -> int | None:
        return self.reading.usage.input_total

    @property
    def output_total(self) -> int | None:
        return self.reading.usage.output_total

    @property
    def process(self) -> str:
        return self.origin.process

    @property
    def tenant(self) -> str | None:
        return self.attribution.tenant

    @property
    def error(self) -> str | None:
        return self.reading.error
