"""What other tools said a call cost: on the spans themselves, in LiteLLM's spend logs, in Langfuse's exports."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.pricing.money import ATTO
from otel_genai_cost.pricing.rate import TariffSource
from otel_genai_cost.reports.compare import Compared, Story, causes_of

__all__ = ["Statement", "against_spans", "against_statements", "read_statements"]

_FILE_LIMIT_BYTES: Final = 1024 * 1024 * 1024
_SKEW_US: Final = 2_000_000
_AMOUNT_LIMIT: Final = 64


class Statement(NamedTuple):
    """One line of another tool's account. What it does not say is None; times are unix microseconds."""

    tool: str
    amount: int
    response_id: str | None = None
    span: tuple[str, str] | None = None
    input_total: int | None = None
    start_us: int | None = None
    end_us: int | None = None


# --- what spans say ---


def against_spans(stories: Iterable[Story], book: TariffSource) -> Iterator[Compared]:
    """Each charge against every tool that left a figure on one of its spans."""
    for story in stories:
        figures: dict[str, list[int]] = {}
        for span in story.spans:
            amount = amount_of(span.reading.foreign_cost)
            if amount is not None:
                figures.setdefault(_tool(span), []).append(amount)
        for tool, found in figures.items():
            yield causes_of(story, tool, found, book)


def _tool(span: Observation) -> str:
    name = span.dialect.split("/", 1)[0]
    return span.scope if name.startswith("semconv") else name


def amount_of(value: object) -> int | None:
    """Atto of a foreign amount, to the nearest; None for what is none."""
    if value is None or isinstance(value, bool) or len(text := str(value)) > _AMOUNT_LIMIT:
        return None
    try:
        amount = Decimal(text)
        return int((amount * ATTO).to_integral_value()) if abs(amount) < ATTO else None
    except (InvalidOperation, ValueError, OverflowError):
        return None


# --- what exports say ---


def against_statements(
    stories: Iterable[Story], statements: Sequence[Statement], tool: str, book: TariffSource
) -> Iterator[Compared]:
    """Compare charges with another tool's account, for the time that the account covers.

    Args:
        stories: charges with their spans.
        statements: lines of the account.
        tool: whose account it is.
        book: as for `causes_of`.

    Yields:
        Each charge, matched by span, by response id, else by input and time; statements that fit no charge come last.
    """
    found = _Index(statements)
    waiting: list[Story] = []
    for story in sorted(stories, key=lambda story: story.charge_id is None):
        if figures := found.take(story):
            yield causes_of(story, tool, figures, book)
        elif story.charge_id is not None:
            waiting.append(story)
    for story in waiting:
        if figures := found.take_of_same_input(story):
            yield causes_of(story, tool, figures, book)
        elif found.covers(story):
            yield causes_of(story, tool, [], book)
    for one in found.left():
        yield Compared(tool, None, one.amount, None, (("only_theirs", one.amount),))


class _Index:
    """Statements, each given out once."""

    def __init__(self, statements: Sequence[Statement]) -> None:
        self._statements = statements
        self._taken: set[int] = set()
        self._by_key: dict[object, list[int]] = {}
        for at, one in enumerate(statements):
            for key in (one.span, one.response_id, ("input", one.input_total)):
                if key is not None:
                    self._by_key.setdefault(key, []).append(at)
        self._first_us = min(
            (one.start_us for one in statements if one.start_us is not None), default=0
        )
        self._last_us = max((one.end_us for one in statements if one.end_us is not None), default=0)

    def take(self, story: Story) -> list[int]:
        keys: list[object] = [(span.trace_id, span.span_id) for span in story.spans]
        keys += [span.reading.response_id for span in story.spans if span.reading.response_id]
        places = {at for key in keys for at in self._by_key.get(key, ())} - self._taken
        self._taken |= places
        return [self._statements[at].amount for at in sorted(places)]

    def take_of_same_input(self, story: Story) -> list[int]:
        """One with the same input at the same time."""
        one = story.richest
        total = one.reading.usage.input_total
        for at in self._by_key.get(("input", total), ()) if total is not None else ():
            statement = self._statements[at]
            if at in self._taken or statement.start_us is None or statement.end_us is None:
                continue
            apart_us = max(one.start_us, statement.start_us) - min(one.end_us, statement.end_us)
            if apart_us <= _SKEW_US:
                self._taken.add(at)
                return [statement.amount]
        return []

    def covers(self, story: Story) -> bool:
        return self._first_us <= story.richest.end_us <= self._last_us + _SKEW_US

    def left(self) -> list[Statement]:
        return [one for at, one in enumerate(self._statements) if at not in self._taken]


def read_statements(path: Path, tool: str) -> list[Statement]:
    """What another tool said of calls.

    Args:
        path: its export: JSON, JSON Lines or CSV.
        tool: `litellm` or `langfuse`.

    Raises:
        ConfigurationError: if the file cannot be read, or has no cost in it.
    """
    read = {"litellm": _litellm, "langfuse": _langfuse}[tool]
    try:
        if path.stat().st_size > _FILE_LIMIT_BYTES:
            raise ValueError(f"more than {_FILE_LIMIT_BYTES:,} bytes")
        rows = list(_rows(path))
    except (OSError, ValueError, csv.Error, RecursionError) as error:
        raise ConfigurationError(
            f"cannot read the export of {tool}",
            value=str(path),
            where=str(error),
            remedy="export it as JSON, JSON Lines or CSV",
        ) from None
    found = [one for row in rows if (one := read(row)) is not None]
    if rows and not found:
        raise ConfigurationError(
            f"no cost in this export of {tool}",
            value=str(path),
            where=f"columns: {', '.join(map(str, list(rows[0])[:12]))}",
            remedy="export LiteLLM_SpendLogs" if tool == "litellm" else "export observations",
        )
    return found


def _rows(path: Path) -> Iterator[Mapping[str, Any]]:
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".csv":
        yield from csv.DictReader(text.splitlines())
        return
    rows: Any
    if text.lstrip()[:1] == "[":
        rows = json.loads(text)
    else:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        if len(rows) == 1 and isinstance(data := _object(rows[0]).get("data"), list):
            rows = cast("list[object]", data)  # a page of the API
    yield from (cast("Mapping[str, Any]", row) for row in rows if isinstance(row, dict))


def _litellm(row: Mapping[str, Any]) -> Statement | None:
    """A row of LiteLLM_SpendLogs; `request_id` is the response's id as the caller saw it."""
    amount = amount_of(row.get("spend"))
    if amount is None:
        return None
    return Statement(
        tool="litellm",
        amount=amount,
        response_id=_text(row.get("request_id")),
        span=None,
        input_total=_count(row.get("prompt_tokens")),
        start_us=_time_us(row.get("startTime")),
        end_us=_time_us(row.get("endTime")),
    )


def _langfuse(row: Mapping[str, Any]) -> Statement | None:
    """An observation, as the API, the page or the blob export spells it; its ids are those of the span."""

    def get(*keys: str) -> Any:
        return next((row[key] for key in keys if row.get(key) not in (None, "")), None)

    amount = amount_of(
        get("totalCost", "total_cost", "calculatedTotalCost", "calculated_total_cost")
    )
    if amount is None:
        details = _object(get("costDetails", "cost_details"))
        amount = amount_of(details.get("total"))
    if amount is None:
        return None
    trace_id, span_id = _text(get("traceId", "trace_id")), _text(get("id"))
    return Statement(
        tool="langfuse",
        amount=amount,
        response_id=None,
        span=(trace_id, span_id) if trace_id and span_id else None,
        input_total=None,
        start_us=_time_us(get("startTime", "start_time")),
        end_us=_time_us(get("endTime", "end_time")),
    )


def _object(value: object) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: object) -> int | None:
    return int(value) if isinstance(value, (int, str)) and str(value).isdecimal() else None


def _time_us(value: object) -> int | None:
    """Databases write their times with a space, and in UTC without saying so."""
    if not isinstance(value, str) or not value:
        return None
    try:
        instant = datetime.fromisoformat(value.replace("Z", "+00:00").replace(" ", "T", 1))
    except ValueError:
        return None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=timezone.utc)
    return round(Decimal(repr(instant.timestamp())) * 1_000_000)
