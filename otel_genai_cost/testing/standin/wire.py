"""What a provider's wire format is made of: routes, whose functions turn a call into a reply.

A format's file has `ROUTES`. Its functions are pure but for what they keep in `Call.kept`: they read the request's body
and the scripted answer, and say what is sent and billed. Refusals, delays and broken connections are not theirs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple, cast
from urllib.parse import unquote

from otel_genai_cost.testing.standin.script import Answer, Usage
from otel_genai_cost.testing.standin.words import output_limit_of, usage_of

__all__ = ["EVENTS", "Billed", "Call", "Reply", "Route", "event", "events", "refusal"]

EVENTS: Final = "text/event-stream"
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})
_WORDS: Final = ("A ", "stand-in's ", "answer.")
_CREATED: Final = 1_790_000_000


@dataclass(frozen=True)
class Call:
    """A request, and what it is to be answered with.

    Args:
        provider: Whose wire format it came in, as price books name providers.
        path: Of the request, without its query and the provider's prefix.
        named: The named groups of the route's path, percent-decoded.
        query: The parameters after the path.
        headers: By their names in lower case.
        body: JSON's object, or the fields of a form, a file's being its bytes.
        text: What a model is given to read.
        answer: What is scripted.
        number: Of the answer, which no other answer of the stand-in has.
        port: The stand-in's.
        kept: What formats remember between calls: stored responses, batches, files.
    """

    provider: str
    path: str
    named: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    text: str
    answer: Answer
    number: int
    port: int
    kept: dict[str, Any]
    created: int = _CREATED

    @property
    def model(self) -> str:
        """The model that the request asks for."""
        return str(self.named.get("model") or self.body.get("model"))

    @property
    def usage(self) -> Usage:
        """What is reported and billed."""
        return self.answer.usage or usage_of(self.text, self.model, output_limit_of(self.body))

    @property
    def words(self) -> tuple[str, ...]:
        """The answer's text, cut into the parts of a stream."""
        text = self.answer.text
        return _WORDS if text is None else tuple(re.findall(r"\S+\s*|\s+", text))

    @property
    def said(self) -> str:
        """The answer's text."""
        return "".join(self.words)

    def with_answer(self, answer: Answer) -> Call:
        """The same request, to be answered otherwise."""
        return replace(self, answer=answer)

    def part(self, name: str) -> Mapping[str, Any]:
        """An object in the request's body; empty if there is none."""
        found: Any = self.body.get(name)
        return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else _NONE

    def condition(self, name: str, default: Any = None) -> Any:
        """A condition under which it is served: the scripted one, else what the request asks for, else the default."""
        return self.answer.context.get(name) or self.body.get(name) or default

    def returned(self, aliases: Mapping[str, str] = _NONE) -> str:
        """The model that answers. An alias answers as what it stands for."""
        return self.answer.model or aliases.get(self.model, self.model)

    def new_id(self, prefix: str, n: int = 0) -> str:
        """A response id that no other answer has, nor another `n` of this one."""
        return f"{prefix}standin{self.port}x{self.number:06d}" + (f"n{n}" if n else "")

    def billed(
        self, response_id: str | None, model: str, usage: Usage | None = None, **context: Any
    ) -> Billed:
        """What the bill says of it: of the scripted usage and conditions, if no others are given.

        Args:
            response_id: None where the answer names none.
            model: the one that answered.
            usage: what is billed; None for `usage`.
            context: further conditions of the price; None where there is none.
        """
        known = {**context, **self.answer.context}
        return Billed(
            response_id,
            model,
            usage or self.usage,
            {name: value for name, value in known.items() if value is not None},
        )


class Billed(NamedTuple):
    """A response that a provider charges for; `tenant` where its own text names one, as in a batch."""

    response_id: str | None
    model: str
    usage: Usage
    context: Mapping[str, Any] = _NONE
    tenant: str | None = None


class Reply(NamedTuple):
    """What is sent. `parts` make it a stream, each one part as it stands on the wire; else `body` is it, JSON unless it
    is bytes. `bills` are the responses that it brings or makes, which are billed before anything is sent."""

    body: Mapping[str, Any] | list[Any] | bytes | None = None
    parts: Iterable[bytes] | None = None
    bills: tuple[Billed, ...] = ()
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = _NONE


def refusal(status: int, message: str) -> Mapping[str, Any]:
    """An error as OpenAI's API words it, and who follows it."""
    kinds = {429: "rate_limit_error", 500: "server_error", 529: "overloaded_error"}
    kind = kinds.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "code": None}}


class Route(NamedTuple):
    """Requests of one kind.

    Args:
        provider: whose they are; the prefix `/~<provider>` reaches them where several providers have the same path.
        path: a regular expression of the whole path. Its named groups are `Call.named`.
        answer: makes the reply.
        method: of HTTP.
        refuse: the body of a reply with another status, from the status and a message.
    """

    provider: str
    path: str
    answer: Callable[[Call], Reply]
    method: str = "POST"
    refuse: Callable[[int, str], Mapping[str, Any]] = refusal

    def named(self, path: str) -> dict[str, str] | None:
        """The named groups of a path that is the route's; None if it is not."""
        found = re.fullmatch(self.path, path)
        if found is None:
            return None
        return {name: unquote(value) for name, value in found.groupdict().items() if value}


def event(data: Any, name: str | None = None) -> bytes:
    """One server-sent event. Data that is no text is sent as JSON."""
    written = data if isinstance(data, str) else json.dumps(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {written}\n\n".encode()


def events(parts: Iterable[Mapping[str, Any]], end: str | None = None) -> Iterator[bytes]:
    """Server-sent events of JSON, and a last one that says that it is the end."""
    for part in parts:
        yield event(part)
    if end is not None:
        yield event(end)
