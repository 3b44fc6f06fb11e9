"""How metering itself is doing, as OpenTelemetry metrics.

Observable, so that a hook never touches an instrument; what the parent counted is zeroed in a forked child, because a
reader would export it twice. Never `gen_ai.client.*`: instrumentations record those already.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from otel_genai_cost import admission, errors
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.pricing.watch import reloads
from otel_genai_cost.tenancy.refusals import refusals

__all__ = ["register"]

_Callback = Callable[[CallbackOptions], Iterable[Observation]]
_Counts = Callable[[], Mapping[str, int]]


class Counted(Protocol):
    """What has counts to report; they are read whenever somebody reads the metrics.

    Attributes:
        counts: Of observations, by outcome.
        unattributed: Of calls that are nobody's, by why.
        spend: Atto, by currency and by whose it is.
    """

    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def unattributed(self) -> Mapping[str, int]: ...
    @property
    def spend(self) -> Mapping[tuple[str, str], int]: ...


class Shipped(Protocol):
    """What is sent elsewhere.

    Attributes:
        is_sent: Whether anything is.
        unshipped_s: For how many seconds the oldest call has waited.
        unshipped_usd: What the calls that wait cost, in atto dollars.
    """

    @property
    def is_sent(self) -> bool: ...
    @property
    def unshipped_s(self) -> float: ...
    @property
    def unshipped_usd(self) -> int: ...


class _Registered(NamedTuple):
    counted: Counted
    journal: Journal
    shipped: Shipped


_registered: list[_Registered] = []
"""Processors' counts and their journals: reported as sums, since an instrument exists once in a process."""


def register(counted: Counted, journal: Journal, shipped: Shipped) -> None:
    """Report a processor and its journal on the global meter.

    Args:
        counted: The processor.
        journal: Where it writes.
        shipped: How far that is sent.
    """
    _registered.append(_Registered(counted, journal, shipped))
    if len(_registered) == 1:
        _create_instruments()


def _create_instruments() -> None:
    meter = metrics.get_meter("otel_genai_cost")
    _create_of_the_journal(meter)
    meter.create_observable_counter(
        "genai_cost.observations",
        [_by("outcome", lambda: _total(one.counted.counts for one in _registered))],
        unit="{observation}",
        description="LLM calls metered, by priced, duplicate, or the reason they are not priced",
    )
    meter.create_observable_counter(
        "genai_cost.unattributed",
        [_by("reason", lambda: _total(one.counted.unattributed for one in _registered))],
        unit="{observation}",
        description="LLM calls without a tenant that are not the platform's own, by why",
    )
    meter.create_observable_counter(
        "genai_cost.spend",
        [_spend],
        unit="1",
        description="what LLM calls that have a price cost, by currency and by whose it is: tenant, system, or why it "
        "is nobody's",
    )
    meter.create_observable_gauge(
        "genai_cost.attributed_share",
        [_attributed_share],
        unit="1",
        description="of what LLM calls of this process cost, the share that a tenant's name is on, by currency",
    )
    meter.create_observable_counter(
        "genai_cost.failures",
        [_by("entry", lambda: errors.failures)],
        unit="{failure}",
        description="errors of this library that were kept from the application, by entry",
    )
    meter.create_observable_counter(
        "genai_cost.tenant_refusals",
        [_by("reason", lambda: refusals)],
        unit="{value}",
        description="tenants that were not believed, by reason",
    )
    meter.create_observable_counter(
        "genai_cost.gate_answers",
        [_by("answer", lambda: admission.counts)],
        unit="{answer}",
        description="what the gate said of LLM calls, by decision or type of refusal; down: it could not be asked, of "
        "which open and lease were made all the same; extended, cut: streams that outgrew what was held for them",
    )
    meter.create_observable_counter(
        "genai_cost.reloads",
        [_by("outcome", lambda: reloads)],
        unit="{reload}",
        description="price files that changed, by loaded, or failed: the prices read before stay in use",
    )


def _create_of_the_journal(meter: metrics.Meter) -> None:
    meter.create_observable_gauge(
        "genai_cost.not_journalled",
        [_by("state", _not_journalled)],
        unit="{observation}",
        description="observations that no journal folder took",
    )
    meter.create_observable_counter(
        "genai_cost.segments_replaced",
        [_by("fate", _replaced)],
        unit="{segment}",
        description="journal segments that somebody else moved, removed or truncated while they were written",
    )
    meter.create_observable_gauge(
        "genai_cost.unshipped_seconds",
        [lambda options: _unshipped(lambda sent: max(one.unshipped_s for one in sent))],
        unit="s",
        description="how long the oldest LLM call has waited to be acknowledged where the journal is sent",
    )
    meter.create_observable_gauge(
        "genai_cost.unshipped_usd",
        [lambda options: _unshipped(lambda sent: sum(one.unshipped_usd for one in sent) / ATTO)],
        unit="{USD}",
        description="what LLM calls cost that are not acknowledged yet where the journal is sent",
    )


def _total(counts: Iterable[Mapping[Any, int]]) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for each in counts:
        total.update(dict(each))
    return total


def _spent() -> Mapping[tuple[str, str], int]:
    return _total(one.counted.spend for one in _registered)


def _spend(options: CallbackOptions) -> Iterable[Observation]:
    """Money leaves as a float here and nowhere before: a metric has no other number."""
    return [
        Observation(amount / ATTO, {"attribution": whose, "currency": currency})
        for (currency, whose), amount in _spent().items()
    ]


def _attributed_share(options: CallbackOptions) -> Iterable[Observation]:
    """Of each currency in which anything was spent."""
    whole, tenants = Counter[str](), Counter[str]()
    for (currency, whose), amount in _spent().items():
        whole[currency] += amount
        tenants[currency] += amount if whose == "tenant" else 0
    return [Observation(tenants[one] / whole[one], {"currency": one}) for one in whole]


def _unshipped(of: Callable[[Sequence[Shipped]], float]) -> Iterable[Observation]:
    """Of what is sent; nothing where nothing is."""
    sent = [one.shipped for one in _registered if one.shipped.is_sent]
    return [Observation(of(sent))] if sent else []


def _not_journalled() -> Mapping[str, int]:
    """Observations that are in no journal: still in memory or lost, and lost alone."""
    journals = [one.journal for one in _registered]
    return {
        "waiting_or_lost": sum(journal.not_journalled for journal in journals),
        "lost": sum(journal.dropped for journal in journals),
    }


def _replaced() -> Mapping[str, int]:
    """Segments of all journals that somebody else touched while they were written, by what became of them."""
    return _total(one.journal.replaced for one in _registered)


def _by(attribute: str, counts: _Counts) -> _Callback:
    """What an instrument calls: one measurement for each of the counts, with its key as the attribute."""

    def observe(options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(count, {attribute: key}) for key, count in dict(counts()).items()]

    return observe
