"""Requests that a library sends by a `post(url, data, json, …)` of its own, to whatever provider."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.described import described
from otel_genai_cost.usage.wire_answers import WireAnswer, answers_in, text_of_any
from otel_genai_instrumentors.method import LAST, PART, Answer, Attributes, Method

__all__ = ["body_of", "part_of_any", "sent"]


def body_of(kwargs: Mapping[str, Any]) -> Any:
    """What is sent, as an object where it is JSON; None where it is neither."""
    body: Any = kwargs.get("json") or kwargs.get("data")
    if not isinstance(body, (str, bytes)):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return None


def part_of_any(found: Attributes, answer: WireAnswer) -> int:
    """Read an answer that `answers_in` gave."""
    found.update(described(answer.said))
    if answer.reasons:
        found[names.GEN_AI_RESPONSE_FINISH_REASONS] = answer.reasons
    return LAST if answer.is_ended else PART


def sent(
    operation: str, request: Callable[[Any, Mapping[str, Any], str | None], Attributes]
) -> Method:
    """The facts of such a function, of which each call is one request, and each answer an HTTP response.

    Args:
        operation: what the request is for.
        request: gives its attributes.
    """
    return Method(
        operation,
        request,
        _nothing,
        part_of_any,
        _server,
        answer=_raw,
        shows_attempts=lambda: True,
        body=body_of,
        text=text_of_any,
        parts_in=answers_in,
        sends_once=True,
    )


def _server(
    _: Any, __: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[str | None, int | None]:
    url = urlsplit(str(kwargs.get("url")))
    return url.hostname, url.port


def _nothing(_: Any) -> Attributes:
    return {}


def _raw(response: Any) -> Answer:
    return Answer(response, is_raw=True)
