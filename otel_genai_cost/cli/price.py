"""`price`: what would this usage cost?"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final, cast

import typer

from otel_genai_cost.cli.home import book_of
from otel_genai_cost.cli.output import JsonOption, print_json, say
from otel_genai_cost.cli.usage_json import PARTS
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import Cost, bounds_record, unpriced
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import format_money
from otel_genai_cost.pricing.rate import price
from otel_genai_cost.reports.words import REASONS
from otel_genai_cost.usage.leaves import QUANTITY_LIMIT, Usage, partition

__all__ = ["register"]

_LINE_LIMIT: Final = 1024 * 1024
_DIGITS_LIMIT: Final = 4_000
"""A whole number of more digits stays text: Python refuses to read it, and no count is that large."""

_KNOWN: Final = ("input_tokens", "output_tokens", *PARTS, "seconds")
_CONTEXT: Final = (
    "batch",
    "service_tier",
    "speed",
    "inference_geo",
    "region",
    "deployment_type",
    "deployment_model",
    "search_context_size",
    "resolution",
)

_InputPart = Annotated[int | None, typer.Option(help="Part of the input.")]
_OutputPart = Annotated[int | None, typer.Option(help="Part of the output.")]
_Count = Annotated[int | None, typer.Option(help="How many.")]
_Condition = Annotated[str | None, typer.Option(help="Condition of the price.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="price")(_price)


def _price(
    given: typer.Context,
    provider: Annotated[str, typer.Option(help="Provider, by any name OpenTelemetry uses.")] = "",
    model: Annotated[str, typer.Option(help="Model, as the provider names it.")] = "",
    input_tokens: Annotated[
        int | None, typer.Option(help="All input tokens, cached ones included.")
    ] = None,
    output_tokens: Annotated[
        int | None, typer.Option(help="All output tokens, reasoning included.")
    ] = None,
    cache_read_tokens: _InputPart = None,
    cache_write_5m_tokens: _InputPart = None,
    cache_write_1h_tokens: _InputPart = None,
    cache_write_12h_tokens: _InputPart = None,
    cache_write_tokens: _InputPart = None,
    input_audio_tokens: _InputPart = None,
    input_image_tokens: _InputPart = None,
    input_video_tokens: _InputPart = None,
    cached_audio_tokens: _InputPart = None,
    reasoning_tokens: _OutputPart = None,
    output_audio_tokens: _OutputPart = None,
    output_image_tokens: _OutputPart = None,
    web_searches: _Count = None,
    images: _Count = None,
    characters: _Count = None,
    pages: _Count = None,
    requests: _Count = None,
    citation_tokens: _Count = None,
    seconds: Annotated[float | None, typer.Option(help="Length of audio or video.")] = None,
    batch: Annotated[bool, typer.Option("--batch", help="A batch call.")] = False,
    service_tier: Annotated[str | None, typer.Option(help="The tier that served the call.")] = None,
    speed: _Condition = None,
    inference_geo: _Condition = None,
    region: _Condition = None,
    deployment_type: _Condition = None,
    search_context_size: _Condition = None,
    resolution: _Condition = None,
    deployment_model: _Condition = None,
    at: Annotated[
        str | None, typer.Option(help="When the call ended, RFC 3339; default: now.")
    ] = None,
    book: Annotated[
        Path | None, typer.Option(help="Price book; default: the configured one.")
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Read calls from stdin, one JSON object a line.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """What would this usage cost?"""
    prices = book_of(book)
    if jsonl:
        _answer_all(prices)
    else:
        _show(_answer(prices, _flags(given.params)), as_json)


def _answer_all(book: Book) -> None:
    """Answer the calls on stdin, in their order."""
    for asked in _calls():
        print_json([_answer(book, asked)])
        sys.stdout.flush()  # whoever asks line by line waits for the answer


def _show(answer: Mapping[str, Any], as_json: bool) -> None:
    """Show the answer to one call; exit code 1 if it has no price."""
    if as_json:
        print_json([answer])
    else:
        say("\n".join(_text(answer)))
    if answer["status"] != "priced":
        raise typer.Exit(1)


def _flags(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """One call, as a line of --jsonl would ask it."""
    usage = {key: given[key] for key in _KNOWN}
    context = {key: given[key] for key in _CONTEXT}
    return {
        **{key: given[key] for key in ("provider", "model", "at")},
        "usage": usage,
        "context": context,
    }


def _calls() -> Iterator[Mapping[str, Any]]:
    """Calls from stdin; a line that is no JSON object ends it, by number."""
    number = 0
    while line := sys.stdin.buffer.readline(_LINE_LIMIT + 1):
        number += 1
        if line.isspace():
            continue
        try:
            asked: object = json.loads(line, parse_int=_integer)
        except (ValueError, RecursionError):
            asked = None
        if not isinstance(asked, dict) or len(line) > _LINE_LIMIT:
            raise ConfigurationError(
                f"line {number} is no JSON object of at most {_LINE_LIMIT:,} bytes",
                value=line[:80].decode(errors="replace").strip(),
                remedy="write one object a line",
            )
        yield cast("Mapping[str, Any]", asked)


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits) <= _DIGITS_LIMIT else digits


def _answer(book: Book, asked: Mapping[str, Any]) -> dict[str, Any]:
    """One call's answer, whatever it asks."""
    context: object = asked.get("context")
    at_us = _at(asked.get("at"))
    if at_us is None:
        cost = unpriced("invalid_time", book.digest)
    elif not isinstance(context, (dict, type(None))):
        cost = unpriced("unpriced_tier", book.digest)
    else:
        provider, model = _name(asked.get("provider")), _name(asked.get("model"))
        conditions = cast("Mapping[str, Any]", context or {})
        cost = price(book, provider, model, _usage(asked.get("usage")), at_us, conditions)
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
    given = {k: v for k, v in cast("Mapping[str, Any]", asked).items() if v is not None}
    if _unknown_keys(given):
        return Usage(quality="inconsistent")
    parts = {leaf: given[key] for key, leaf in PARTS.items() if key in given}
    if "seconds" in given:
        parts["media_ms"] = _milliseconds(given["seconds"])
    return partition(given.get("input_tokens"), given.get("output_tokens"), parts)


def _unknown_keys(asked: object) -> list[str]:
    if not isinstance(asked, dict):
        return []
    return sorted(cast("dict[str, Any]", asked).keys() - set(_KNOWN))


def _milliseconds(seconds: object) -> int:
    """Whole milliseconds, half to even, or -1, which is refused."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        return -1
    if not 0 <= seconds < QUANTITY_LIMIT:
        return -1
    return round(Decimal(repr(seconds)) * 1000)


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
    if cost.bounds is not None:
        record.update(quality="estimated", bounds=bounds_record(cost.bounds))
    if message := _message(book, asked, cost.reason):
        record["message"] = message
    return record


def _message(book: Book, asked: Mapping[str, Any], reason: str | None) -> str | None:
    """What a person can do about a refusal, where there is more to say than its reason."""
    if reason == "invalid_usage" and (unknown := _unknown_keys(asked.get("usage"))):
        return f"unknown in usage: {', '.join(unknown)[:200]}; known: {', '.join(_KNOWN)}"
    if reason in ("unknown_model", "unknown_provider"):
        return _nearest(book, _name(asked.get("provider")), _name(asked.get("model")))
    return None


@lru_cache(maxsize=1_024)
def _nearest(book: Book, provider: str | None, model: str | None) -> str:
    near = book.suggest(provider, model)
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
        if "bounds" in answer:
            low, high = answer["bounds"].values()
            yield f"estimated: {low} to {high}; the total takes the provider's default"
        return
    if "lines_total" in answer:
        yield f"at least {answer['lines_total']} {answer['currency']}"
    reason = answer["reason"]
    yield f"{answer['status']}: {reason}; {REASONS.get(reason, '')}"
    if "message" in answer:
        yield answer["message"]
