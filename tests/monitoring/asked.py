"""What Grafana makes of a query before a store sees it: the values of variables, and the macros of its plug-ins."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["FOLDER", "Asked", "Period", "board", "queries"]

FOLDER: Final = Path(__file__).resolve().parents[2] / "monitoring" / "grafana"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_VARIABLE: Final = re.compile(r"\$\{(\w+):(\w+)\}")


class Period(NamedTuple):
    """What is looked at, as Grafana has it: a month ends a millisecond before the next."""

    begin: datetime
    end: datetime

    @property
    def begin_ms(self) -> int:
        """Milliseconds since the epoch."""
        return _ms(self.begin)

    @property
    def end_ms(self) -> int:
        """Milliseconds since the epoch."""
        return _ms(self.end)


class Asked(NamedTuple):
    """A panel's query as it stands in the dashboard."""

    title: str
    text: str
    panel: Mapping[str, Any]

    def on(self, period: Period, variables: Mapping[str, str]) -> str:
        """As the store sees it.

        Args:
            period: that is looked at.
            variables: their values.
        """
        text = _VARIABLE.sub(lambda found: _formatted(variables[found[1]], found[2]), self.text)
        for macro, value in (
            ("$__timeFrom()", f"'{_rfc3339(period.begin)}'"),
            ("$__timeTo()", f"'{_rfc3339(period.end)}'"),
            ("$__fromTime_ms", f"fromUnixTimestamp64Milli({period.begin_ms})"),
            ("$__toTime_ms", f"fromUnixTimestamp64Milli({period.end_ms})"),
            ("$__rate_interval", "1m"),
            ("$__range", f"{(period.end_ms - period.begin_ms) // 1000}s"),
        ):
            text = text.replace(macro, value)
        assert "$" not in text, text
        return text


def board(name: str) -> dict[str, Any]:
    """A dashboard as it is kept."""
    found: dict[str, Any] = json.loads((FOLDER / "dashboards" / f"{name}.json").read_text("utf-8"))
    return found


def queries(name: str) -> Iterator[Asked]:
    """Every query of a dashboard, those of its variables among them."""
    found = board(name)
    for panel in found["panels"]:
        for target in panel["targets"]:
            yield Asked(panel["title"], target.get("rawSql") or target["expr"], panel)
    for one in found["templating"]["list"]:
        if one["type"] == "query":
            yield Asked(f"the variable {one['name']}", one["query"], one)


def _formatted(value: str, form: str) -> str:
    if form == "raw":
        return value
    assert form == "sqlstring", form
    return "'" + value.replace("'", "''") + "'"


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


def _ms(instant: datetime) -> int:
    return round((instant - _EPOCH).total_seconds() * 1000)
