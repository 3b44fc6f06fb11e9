"""`price`: what would this usage cost?"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from otel_genai_cost.cli.home import JsonOption
from otel_genai_cost.cli.output import print_json
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.pricing.book import Book, Refusal
from otel_genai_cost.pricing.cost import Cost, unpriced
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.reports.words import REASONS
from otel_genai_cost.usage.leaves import Usage, partition

__all__ = ["register"]

_LINE_LIMIT: Final = 1024 * 1024
_PARTS: Final[Mapping[str, str]] = {
    "cache_read_tokens": "cache_read",
    "cache_write_5m_tokens": "cache_write_5m",
    "cache_write_1h_tokens": "cache_write_1h",
    "cache_write_tokens": "cache_write",
    "input_audio_tokens": "input_audio",
    "input_image_tokens": "input_image",
    "input_video_tokens": "input_video",
    "cached_audio_tokens": "cache_read_audio",
    "reasoning_tokens": "reasoning",
    "output_audio_tokens": "output_audio",
    "output_image_tokens": "output_image",
    "web_searches": "web_searches",
    "images": "images",
    "characters": "characters",
    "pages": "pages",
    "requests": "requests",
}
"""A key of `usage` and its leaf."""

_KNOWN: Final = frozenset({*_PARTS, "input_tokens", "output_tokens", "seconds"})


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="price")(_price)


def _price(
    provider: Annotated[str, typer.Option(help="Provider, by any name OpenTelemetry uses.")] = "",
    model: Annotated[str, typer.Option(help="Model, as the provider names it.")] = "",
    input_tokens: Annotated[
        int | None, typer.Option(help="All input tokens, cached ones included.")
    ] = None,
    output_tokens: Annotated[
        int | None, typer.Option(help="All output tokens, reasoning included.")
    ] = None,
    cache_read_tokens: Annotated[int | None, typer.Option(help="Part of the input.")] = None,
    cache_write_5m_tokens: Annotated[int | None, typer.Option(help="Part of the input.")] = None,
    cache_write_1h_tokens: Annotated[int | None, typer.Option(help="Part of the input.")] = None,
    input_audio_tokens: Annotated[int | None, typer.Option(help="Part of the input.")] = None,
    reasoning_tokens: Annotated[int | None, typer.Option(help="Part of the output.")] = None,
    output_audio_tokens: Annotated[int | None, typer.Option(help="Part of the output.")] = None,
    service_tier: Annotated[str, typer.Option(help="The tier that served the call.")] = "",
    batch: Annotated[bool, typer.Option(help="A batch call.")] = False,
    at: Annotated[str, typer.Option(help="When the call ended, RFC 3339; default: now.")] = "",
    book: Annotated[
        Path | None, typer.Option(help="Price book; default: the configured one.")
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Read calls from stdin, one JSON object a line.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """What would this usage cost?"""
    prices = load_book(book or load_settings().settings.book)
    if jsonl:
        for asked in _lines():
            print_json([_answer(prices, asked)])
        return
    usage = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cache_read_tokens": cache_read_tokens,
        "cache_write_5m_tokens": cache_write_5m_tokens,
        "cache_write_1h_tokens": cache_write_1h_tokens,
        "input_audio_tokens": input_audio_tokens,
        "reasoning_tokens": reasoning_tokens,
        "output_audio_tokens": output_audio_tokens,
    }
    context = {"service_tier": service_tier or None, "batch": batch or None}
    asked = {
        "provider": provider,
        "model": model,
        "usage": usage,
        "at": at or None,
        "context": context,
    }
    answer = _answer(prices, asked)
    if as_json:
        print_json([answer])
        return
    for line in _text(answer):
        typer.echo(line)


def _lines() -> Iterator[Mapping[str, Any]]:
    """Calls from stdin; a line that is no JSON object ends it, by number."""
    for number, line in enumerate(sys.stdin, start=1):
        if not line.strip():
            continue
        try:
            asked: object = json.loads(line, parse_float=Decimal)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict):
            raise ConfigurationError(
                f"line {number} is no JSON object",
                value=line[:80].strip(),
                remedy="write one object a line",
            )
        yield cast("Mapping[str, Any]", asked)


def _answer(book: Book, asked: Mapping[str, Any]) -> dict[str, Any]:
    """One call's answer, whatever it asks."""
    provider, model = _name(asked.get("provider")), _name(asked.get("model"))
    usage = _usage(asked.get("usage"))
    context = asked.get("context")
    conditions = cast("Mapping[str, Any]", context) if isinstance(context, dict) else {}
    at_us = _at(asked.get("at"))
    if at_us is None:
        cost = unpriced("invalid_time", book.digest)
    else:
        cost = price(book, provider, model, usage, at_us, conditions)
    return _record(book, asked, cost)


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _at(value: object) -> int | None:
    if value is None:
        return time.time_ns() // 1000
    if not isinstance(value, str):
        return None
    try:
        return microseconds(value)
    except ValueError:
        return None


def _usage(asked: object) -> Usage:
    """The leaves of totals and parts; what is no whole number >= 0 makes all of it invalid."""
    if asked is None:
        return partition(None, None, {})
    if not isinstance(asked, dict):
        return Usage(quality="inconsistent")
    told = {str(k): v for k, v in cast("Mapping[Any, Any]", asked).items() if v is not None}
    if told.keys() - _KNOWN:
        return Usage(quality="inconsistent")
    parts = {leaf: told[key] for key, leaf in _PARTS.items() if key in told}
    if "seconds" in told:
        parts["media_ms"] = _milliseconds(told["seconds"])
    return partition(told.get("input_tokens"), told.get("output_tokens"), parts)


def _milliseconds(seconds: object) -> Any:
    """Whole milliseconds, or a value that is refused."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, Decimal)):
        return -1
    ms = Decimal(seconds) * 1000
    return int(ms) if ms.is_finite() and ms == ms.to_integral_value() else -1


def _record(book: Book, asked: Mapping[str, Any], cost: Cost) -> dict[str, Any]:
    lines = [
        {
            "leaf": line.leaf,
            "quantity": line.quantity,
            "unit_price": line.rate.unit_price,
            "per": line.rate.per,
            "amount": format_money(line.amount),
        }
        for line in cost.lines
    ]
    record: dict[str, Any] = {
        "id": asked.get("id"),
        "status": cost.status,
        "reason": cost.reason,
        "total": cost.total_text,
        "currency": cost.currency,
        "lines": lines,
        "model_resolved": cost.model_resolved,
        "price_id": cost.price_id,
        "book": cost.book,
    }
    if cost.status == "partial":
        record["lines_total"] = format_money(cost.lines_total)
    if cost.reason in ("unknown_model", "unknown_provider"):
        record["message"] = _message(book, asked)
    return record


def _message(book: Book, asked: Mapping[str, Any]) -> str:
    provider, model = _name(asked.get("provider")), _name(asked.get("model"))
    refused = book.tariff(provider, model)
    near = book.suggest(provider, model) if isinstance(refused, Refusal) else ()
    return f"similar names, not used: {', '.join(near)}" if near else "no similar name"


def _text(answer: Mapping[str, Any]) -> Iterator[str]:
    """The answer as a receipt."""
    for line in answer["lines"]:
        yield (
            f"{line['leaf']:<16} {line['quantity']:>12,}  x  {line['unit_price']} per {line['per']:,}"
            f"  =  {line['amount']}"
        )
    if answer["total"] is not None:
        yield f"total {answer['total']} {answer['currency']}   ({answer['price_id']})"
        return
    if "lines_total" in answer:
        yield f"at least {answer['lines_total']} {answer['currency']}"
    reason = answer["reason"]
    yield f"{answer['status']}: {reason}; {REASONS.get(reason, '')}"
    if "message" in answer:
        yield answer["message"]
