"""What the odd provider answers in other providers' wire formats: what the stand-in's routes make of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from otel_genai_cost.testing.standin.formats import routes_of
from otel_genai_cost.testing.standin.script import Answer, Usage
from otel_genai_cost.testing.standin.wire import Call, Reply, Route
from tests.transparency.answers import Tokens

__all__ = ["refusal_of", "reply_to"]

_IDS: Final = 900_000
_SPOKEN: Final = ("openai", "azure.ai.openai")
"""Whose format the odd provider speaks itself; what it does not know there is not found."""


def reply_to(
    path: str,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    tokens: Tokens,
    seed: int,
    provider: str = "",
) -> Reply | None:
    """The reply to a request; None if no provider has such a path.

    Args:
        path: with its query.
        body: what was sent.
        headers: by name in lower case.
        tokens: what is billed.
        seed: makes the answer's id, the same in each run.
        provider: whose path it is; empty where the path says it.
    """
    split = urlsplit(path)
    plain = unquote(split.path)
    found = _route_of(plain, provider)
    if found is None:
        return None
    route, named = found
    usage = Usage(input_tokens=tokens.input, output_tokens=tokens.output)
    return route.answer(
        Call(
            provider=route.provider,
            path=plain,
            named=named,
            query=dict(parse_qsl(split.query)),
            headers=headers,
            body=body,
            text="hello",
            answer=Answer(usage=usage),
            number=seed % _IDS,
            port=1,
            kept={},
        )
    )


def refusal_of(path: str, status: int, message: str, provider: str) -> Mapping[str, Any]:
    """How a provider words an error.

    Args:
        path: with its query.
        status: of HTTP.
        message: what is wrong.
        provider: whose path it is; empty for OpenAI's words.
    """
    found = _route_of(unquote(urlsplit(path).path), provider) if provider else None
    return {"error": {"message": message}} if found is None else found[0].refuse(status, message)


def _route_of(path: str, provider: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a path, and what the path names."""
    for route in routes_of((provider,) if provider else ()):
        is_one = route.method == "POST" and route.provider not in _SPOKEN
        named = route.named(path) if is_one else None
        if named is not None:
            return route, named
    return None
