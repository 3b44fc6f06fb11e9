"""The sink of sums: cost, tokens and calls by tenant and model, as cumulative metrics for dashboards.

They are what the ledger's entries come to since its begin, so that a restart loses nothing and adds nothing. They are
sent every minute (`OTEL_METRIC_EXPORT_INTERVAL`) though nobody called: a series that falls silent expires in stores.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.errors import ConfigurationError, GenAICostError
from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.ledger.sink import Mark
from otel_genai_cost.settings import environment
from otel_genai_exporters.otlp.clients import Client, client_of, endpoint_of
from otel_genai_exporters.otlp.series import Series

__all__ = ["OtlpMetricsSink"]

_logger = logging.getLogger("otel_genai_cost")

_INTERVAL: Final = "OTEL_METRIC_EXPORT_INTERVAL"
_OWN_MAX: Final = 200


class OtlpMetricsSink:
    """Sums as metrics, to the receiver that `OTEL_EXPORTER_OTLP_*` name.

    Args:
        path: The file that holds the sums and the position.
        series_max: How many tenants' models are a series of their own.
        clock_s: The time, in seconds from anywhere.

    Raises:
        ConfigurationError: if one of the variables cannot be used.
        MissingExtraError: without `opentelemetry-exporter-otlp`.
    """

    def __init__(
        self,
        path: Path,
        series_max: int = _OWN_MAX,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._series, self._clock_s = Series(path, series_max), clock_s
        self._every_s, self._next_s = _interval_s(), 0.0
        self._client: Client | None = client_of("METRICS")

    @property
    def endpoint(self) -> str:
        return endpoint_of("METRICS")

    def mark(self) -> Mark | None:
        return self._series.mark()

    def append(self, ledger_id: str, entries: Sequence[Entry]) -> None:
        self._series.add(ledger_id, entries)

    def publish(self) -> None:
        """Send the sums, if they are due."""
        from otel_genai_exporters.otlp.records import metrics_data

        now_s = self._clock_s()
        shown = None if self._client is None or now_s < self._next_s else self._series.shown()
        if shown is None or self._client is None:
            return
        for data, count in metrics_data(shown, time.time_ns()):
            self._send(self._client, data, count)
        self._next_s = now_s + self._every_s

    @staticmethod
    def _send(client: Client, data: Any, count: int) -> None:
        """What is not taken is sent again: sums of later hold those of now."""
        answer, endpoint = client.send(data, count), endpoint_of("METRICS")
        why = answer.message or "without a reason"
        if answer.state == "failed":
            raise GenAICostError(f"{endpoint} did not take metrics: {why}")
        if answer.state == "rejected":
            raise GenAICostError(f"{endpoint} rejects {answer.rejected} of {count} points: {why}")
        if answer.message:
            _logger.warning("%s took all, and says: %s", endpoint, answer.message)

    def reset(self) -> None:
        self._series.reset()

    def close(self) -> None:
        """Close the connection; a second time nothing."""
        client, self._client = self._client, None
        if client is not None:
            client.close()


def _interval_s() -> float:
    text = environment().get(_INTERVAL, "").strip()
    if not text:
        return 60.0
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 10**9):
        raise ConfigurationError(
            f"{_INTERVAL} is no interval", value=text, remedy="use milliseconds"
        )
    return int(text) / 1000
