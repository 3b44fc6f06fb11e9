"""What one span says of one provider response: the input and the output of every dialect."""

from __future__ import annotations

from collections.abc import Callable, KeysView, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

from otel_genai_cost.usage.leaves import NO_USAGE, Usage
from otel_genai_cost.vocabulary import Role

__all__ = [
    "NOTHING",
    "PROVIDERS_OWN",
    "UNFINISHED",
    "Attributes",
    "Dialect",
    "Facts",
    "Known",
    "Origin",
    "Reading",
    "SpanView",
    "SpanWords",
    "Words",
]

NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
"""No entries; recognised by identity where that is faster."""


UNFINISHED: Final = "unfinished"
"""The error of a call whose answer was left, or cut off, before its end."""

Attributes = Mapping[str, Any]
"""A span's attributes; the values are foreign and may be of any type."""


class Origin(NamedTuple):
    """Where a span came from: the OpenTelemetry resource, as far as money needs it.

    `process` is `service.instance.id`, else a digest of the resource. `cell` is that of its process: those that may
    tell of one response share one. It is no part of any id.
    """

    service: str | None = None
    environment: str | None = None
    host: str | None = None
    pod: str | None = None
    process: str = ""
    cell: str = ""


class SpanWords(Protocol):
    """A span as far as words go: its name, whether it failed, and attributes, all of them or those with words."""

    @property
    def name(self) -> str: ...
    @property
    def attributes(self) -> Attributes: ...
    @property
    def is_error(self) -> bool: ...


class SpanView(SpanWords, Protocol):
    """An ended span, whether of the SDK, on the wire or recorded. Times are unix nanoseconds."""

    @property
    def scope_name(self) -> str: ...
    @property
    def scope_version(self) -> str: ...
    @property
    def trace_id(self) -> int: ...
    @property
    def span_id(self) -> int: ...
    @property
    def path(self) -> tuple[int, ...]:
        """Span ids of the ancestors, nearest first, as far as seen, at most 64."""
        ...

    @property
    def start_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def sampled(self) -> bool: ...
    @property
    def threshold(self) -> str | None:
        """That of head sampling, where only spans that it let through are seen."""
        ...

    @property
    def origin(self) -> Origin: ...


class Reading(NamedTuple):
    """What a dialect read off a span: one provider response, or a wrapper that repeats one.

    `role` is `response`, `poll` (reads a stored response again), `aggregate` (repeats or sums what is below it)
    or `context` (no usage, but a tenant or labels). `context` holds price conditions (`service_tier`, `batch`,
    `speed`, `inference_geo`, `region`, `deployment_type`, `deployment_model`). `labels` and `tenant` are those the
    span itself carries. `provider_cost` is a decimal string the provider returned, `foreign_cost` one that some
    other library computed. `doubts` say why usage is no plain report. `reporter` is the library that the span is about,
    where a tracer gives one scope to the spans of all. `model_asked` is the model that the application asked for, where
    a library fell back from it to `model_requested`.
    """

    role: Role
    operation: str | None = None
    provider: str | None = None
    model_requested: str | None = None
    model_returned: str | None = None
    response_id: str | None = None
    usage: Usage = NO_USAGE
    context: Mapping[str, Any] = NOTHING
    error: str | None = None
    attempts: int = 1
    account: str | None = None
    tenant: str | None = None
    labels: Mapping[str, str] = NOTHING
    provider_cost: str | None = None
    foreign_cost: str | None = None
    raw: Mapping[str, Any] | None = None
    doubts: tuple[str, ...] = ()
    reporter: str | None = None
    model_asked: str | None = None


class Facts(NamedTuple):
    """What is known of an instrumentation's numbers, from the table of scopes.

    `cache_outside`: its input leaves cache reads and writes out. `lost`: leaves that it never reports. `zero_lost`:
    leaves of which it says 0 where it does not know. `unproven`: nobody has compared its numbers with a provider's.
    `reasoning_outside`, `reasoning_inside`: its output leaves reasoning out, or includes it although the provider's own
    does not. `ends_with_a_reason`: a stream without a finish reason was left, and what it counted until then is less
    than the bill.
    """

    cache_outside: bool = False
    lost: tuple[str, ...] = ()
    zero_lost: tuple[str, ...] = ()
    unproven: bool = False
    ends_with_a_reason: bool = False
    reasoning_outside: bool = False
    reasoning_inside: bool = False


PROVIDERS_OWN: Final = Facts()
"""Of a provider's own usage object: nothing is lost, and zero is zero."""


class Known(NamedTuple):
    """The facts of an instrumentation, and of the providers for which they differ."""

    default: Facts = Facts()
    by_provider: Mapping[str, Facts] = NOTHING

    def of(self, provider: str | None) -> Facts:
        """The facts that hold for a provider's calls."""
        return self.by_provider.get(provider, self.default) if provider else self.default


class Words(NamedTuple):
    """What a span's words say in its dialect, whatever it counts: `call`, a reading without anything that only this
    call has. `read` makes the reading of a span with these words from its attributes."""

    call: Reading
    read: Callable[[Attributes], Reading | None]


class Dialect(NamedTuple):
    """How the spans of one instrumentation are read. `label` is `name/version`, as observations carry it.

    `words` reads what does not change between calls that are alike, from a span's name and outcome, the values of the
    attributes in `conventions.WORDS`, and the names of all; None where that cannot be separated from what is counted.
    `recognised` is False for the fall-back.
    """

    label: str
    read: Callable[[SpanView], Reading | None]
    words: Callable[[SpanWords, KeysView[str]], Words | None]
    recognised: bool = True
