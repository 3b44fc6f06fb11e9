"""Requests that a library sends by a `post(url, data, json, …)` of its own, to whatever provider."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from otel_genai_instrumentors.method import Answer, Attributes, Method
from otel_genai_instrumentors.wire_answers import answers_in, part_of_any, text_of_any

__all__ = ["body_of", "sent"]


def body_of(kwargs: Mapping[str, Any]) -> Any:
    """What is sent, as an object where it is JSON; None where it is neither."""
    body: Any = kwargs.get("json") or kwargs.get("data")
    if not isinstance(body, (str, bytes)):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return None


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
