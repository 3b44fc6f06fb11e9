"""The SDK's objects that its exporters take: log records and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from otel_genai_cost import attributes as names
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.pricing.money import ATTO
from otel_genai_exporters.otlp.event import EVENT_NAME, attributes_of
from otel_genai_exporters.otlp.series import Shown
from otel_genai_exporters.otlp.sums import MEASURES, MONEY, Key, Sums

__all__ = ["METRICS", "SCOPE", "log_record", "metrics_data", "resource_of"]

SCOPE: Final = InstrumentationScope("otel_genai_exporters.otlp")
_SERVICE: Final = "genai-cost"


@cache
def resource_of(ledger_id: str) -> Resource:
    """The ledger as a resource, with what `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` say. Its id stands for the
    instance, so that series go on where another process ships: the SDK makes up another one for each process."""
    own = Resource(
        {
            "service.name": _SERVICE,
            "service.instance.id": ledger_id,
            names.LEDGER_ID: ledger_id,
        }
    )
    return Resource.create({}).merge(own).merge(OTELResourceDetector().detect())


def log_record(ledger_id: str, entry: Entry, body: str) -> Any:
    """An entry as the log exporters take it. Nothing is cut by limits on attributes: half an amount is another.

    Args:
        ledger_id: Whose it is.
        entry: It.
        body: The same as text.
    """
    record = LogRecord(
        timestamp=entry.occurred_us * 1000,
        observed_timestamp=entry.booked_us * 1000,
        severity_number=SeverityNumber.INFO,
        severity_text="INFO",
        body=body,
        attributes=attributes_of(entry),
        event_name=EVENT_NAME,
    )
    return ReadableLogRecord(record, resource_of(ledger_id), SCOPE)


class _Metric(NamedTuple):
    """A metric, and the measures that are its points, each with a type of token if it has any."""

    name: str
    unit: str
    meaning: str
    measures: Mapping[str, str | None]


METRICS: Final = (
    _Metric("cost", "{currency}", "what calls cost", {"cost": None}),
    _Metric("price", "{currency}", "what customers pay for calls", {"price": None}),
    _Metric(
        "tokens", "{token}", "tokens of calls", {"input_tokens": "input", "output_tokens": "output"}
    ),
    _Metric("calls", "{call}", "charges", {"calls": None}),
    _Metric("unpriced", "{call}", "charges whose cost is not known", {"unpriced": None}),
)
"""Each is `genai_cost.ledger.NAME`, with `genai_cost.ledger.NAME.credited` for what was taken back."""

_OTHER: Final = "other"
_SERIES_A_REQUEST: Final = 400
"""Of twelve points each: a megabyte."""


def metrics_data(shown: Shown, now_ns: int) -> Iterator[tuple[MetricsData, int]]:
    """Sums as the metric exporters take them, in requests that servers take, and of how many points each is.

    Args:
        shown: The sums.
        now_ns: Of when they are, unix nanoseconds.
    """
    series = [*_attributed(shown)]
    times = shown.begin_us * 1000, now_ns
    for first in range(0, len(series), _SERIES_A_REQUEST):
        part = series[first : first + _SERIES_A_REQUEST]
        metrics = [
            _summed(one, is_credit, [*_points(one, is_credit, part, times)])
            for one in METRICS
            for is_credit in (False, True)
        ]
        count = sum(len(metric.data.data_points) for metric in metrics)
        scope = ScopeMetrics(SCOPE, metrics, "")
        yield MetricsData([ResourceMetrics(resource_of(shown.ledger_id), [scope], "")]), count


def _points(
    one: _Metric,
    is_credit: bool,
    series: Sequence[tuple[dict[str, Any], Sums]],
    times: tuple[int, int],
) -> Iterator[NumberDataPoint]:
    for attributes, sums in series:
        for measure, kind in one.measures.items():
            typed = {} if kind is None else {names.GEN_AI_TOKEN_TYPE: kind}
            yield NumberDataPoint({**attributes, **typed}, *times, _value(measure, sums, is_credit))


def _attributed(shown: Shown) -> Iterator[tuple[dict[str, Any], Sums]]:
    for key, sums in shown.own.items():
        yield _attributes(key), sums
    for currency, sums in shown.other.items():
        # a tenant may be called so, too, but has no overflow
        yield {**_attributes(Key(_OTHER, _OTHER, _OTHER, currency)), names.OVERFLOW: True}, sums


def _attributes(key: Key) -> dict[str, Any]:
    found = {
        names.TENANT_ID: key.tenant,
        names.GEN_AI_PROVIDER_NAME: key.provider,
        names.ENTRY_MODEL: key.model,
        names.COST_CURRENCY: key.currency,
    }
    return {name: value for name, value in found.items() if value is not None}


def _value(measure: str, sums: Sums, is_credit: bool) -> int | float:
    """Money becomes a double here, and nowhere before."""
    value = (sums.credited if is_credit else sums.added)[MEASURES.index(measure)]
    return value / ATTO if measure in MONEY else value


def _summed(one: _Metric, is_credit: bool, points: Sequence[NumberDataPoint]) -> Metric:
    return Metric(
        name=f"genai_cost.ledger.{one.name}" + (".credited" if is_credit else ""),
        description=f"{one.meaning}, taken back by corrections" if is_credit else one.meaning,
        unit=one.unit,
        data=Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=True),
    )
