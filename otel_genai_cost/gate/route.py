"""What the service answers: each path is one value, from which it is served and described alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from otel_genai_cost.gate.body import Fields
from otel_genai_cost.gate.tokens import Bearer

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from otel_genai_cost.gate.gate import Gate

__all__ = ["NO_FIELDS", "NO_HEADERS", "Answer", "Asking", "Raw", "Route", "refused"]

NO_FIELDS: Final[Fields] = MappingProxyType({})
NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Answer(NamedTuple):
    """A status, a JSON body, and headers."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = NO_HEADERS


class Asking(NamedTuple):
    """A request whose bearer is known and whose body and query are checked.

    Attributes:
        bearer: who asks.
        values: of the body.
        query: of the query.
        path: the parameters of the path.
    """

    bearer: Bearer
    values: Mapping[str, Any]
    query: Mapping[str, Any]
    path: Mapping[str, str]


Handler = Callable[["Gate", Asking], Awaitable[Answer]]

Raw = Callable[["Gate", "Request"], Awaitable["Response"]]
"""Answers what the service doesn't look into: a proxy's question, or a stream of events."""


class Route(NamedTuple):
    """A path of the service.

    Attributes:
        method: of HTTP.
        path: with parameters in braces.
        about: what it does, one sentence.
        handler: answers it; or `raw` does, which looks at the bearer itself.
        fields: of the body.
        query: of the query; values come as text.
        answers: what each status means.
        is_team_only: whether a tenant may not ask it.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    about: str
    handler: Handler | None = None
    raw: Raw | None = None
    fields: Fields = NO_FIELDS
    query: Fields = NO_FIELDS
    answers: Mapping[int, str] = MappingProxyType({200: "done"})
    is_team_only: bool = False


def refused(status: int, kind: str, headers: Mapping[str, str] = NO_HEADERS, **more: Any) -> Answer:
    """An answer that says no.

    Args:
        status: of HTTP.
        kind: `type` of the body.
        headers: of the answer.
        more: of the body.
    """
    return Answer(status, {"type": kind, **more}, headers)
