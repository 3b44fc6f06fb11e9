"""What a client's file says of a method so that a gate can stand before its calls: how its status error is made, and
where its request says how much may be written and by which model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.blocks import Block
from otel_genai_cost.usage.asked import lowered

__all__ = [
    "ITSELF",
    "GatedMethod",
    "Place",
    "Refusal",
    "Refused",
    "in_argument",
    "refusal_of",
    "usual_limit",
    "with_model",
]


class Refused(NamedTuple):
    """A block as a reply of a provider would be: what a client makes its status error of."""

    block: Block

    @property
    def headers(self) -> dict[str, str]:
        """None of the clients is to try again by itself."""
        wait_s = self.block.retry_after_s
        after = {} if wait_s is None else {"retry-after": str(max(1, round(wait_s)))}
        return {"x-should-retry": "false", "content-type": "application/json", **after}

    @property
    def body(self) -> dict[str, Any]:
        """In the shape that the providers' own errors have in common."""
        block = self.block
        error: dict[str, Any] = {
            "type": block.type,
            "code": block.type,
            "message": block.message,
            "scope": block.scope,
            "reset_at": block.reset_at,
        }
        return {"type": "error", "error": error}

    @property
    def text(self) -> str:
        """The body as JSON."""
        return json.dumps(self.body)

    def response(self, library: Any) -> Any:
        """An HTTP response.

        Args:
            library: httpx, or one that took its place.
        """
        request = library.Request("POST", "http://gate.invalid/")
        return library.Response(
            self.block.status, headers=self.headers, content=self.text.encode(), request=request
        )


Refusal = Callable[[Any, Mapping[str, Any], Refused], BaseException]
"""Makes a client's status error, of what its method is called on and with."""


class Place(NamedTuple):
    """Where a request's body is in the arguments of a method: how it is read, and put back."""

    read: Callable[[Mapping[str, Any]], Any]
    put: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]


def _as_given(kwargs: Mapping[str, Any]) -> Any:
    return kwargs


def _instead(_: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    return body


ITSELF: Final = Place(_as_given, _instead)
"""The arguments are the body."""


def in_argument(name: str) -> Place:
    """The body is an argument.

    Args:
        name: of the argument.
    """

    def read(kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(name)

    def put(kwargs: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        return {**kwargs, name: body}

    return Place(read, put)


def usual_limit(_: Mapping[str, Any], __: str | None) -> str:
    """Where most requests say how many tokens may be written.

    Args:
        _: what the method is called with.
        __: who is asked.
    """
    return "max_tokens"


def _in_body(place: Place, kwargs: dict[str, Any], model: str) -> dict[str, Any] | None:
    body = place.read(kwargs)
    if not isinstance(body, Mapping) or "model" not in body:
        return None
    return place.put(kwargs, {**cast("Mapping[str, Any]", body), "model": model})


_NO_LEAST: Final[Mapping[str, int]] = {}


class GatedMethod(NamedTuple):
    """What there is to know.

    `refusal` makes the client's error. The body is at `place`. `limit(kwargs, provider)` says where in it stands how
    many tokens may be written, as a path of keys between dots; None where that is not known, or an answer is not
    measured in tokens. Fewer than `least_of` a limit the provider does not take. `model(place, kwargs, model)` gives
    arguments that ask another model; None if that cannot be. `last(first, part)` gives the parts that end a stream
    which is cut off after this one.
    """

    refusal: Refusal
    place: Place = ITSELF
    limit: Callable[[Mapping[str, Any], str | None], str | None] | None = usual_limit
    least_of: Mapping[str, int] = _NO_LEAST
    model: Callable[[Place, dict[str, Any], str], dict[str, Any] | None] = _in_body
    last: Callable[[Any, Any], tuple[Any, ...]] | None = None

    def with_limit(
        self, kwargs: dict[str, Any], tokens: int, provider: str | None
    ) -> dict[str, Any] | None:
        """The arguments with no more than so many tokens to be written; None if that cannot be said.

        Args:
            kwargs: what the method is called with.
            tokens: in all answers together.
            provider: who is asked.
        """
        body = self.place.read(kwargs)
        limit = None if self.limit is None else self.limit(kwargs, provider)
        if limit is None or not isinstance(body, Mapping):
            return None
        given = cast("Mapping[str, Any]", body)
        changed = lowered(given, limit.split("."), tokens, self.least_of.get(limit, 1))
        return None if changed is None else self.place.put(kwargs, changed)


def with_model(name: str) -> Callable[[Place, dict[str, Any], str], dict[str, Any]]:
    """Asking another model where an argument names it that is not in the body.

    Args:
        name: of the argument.
    """

    def ask(_: Place, kwargs: dict[str, Any], model: str) -> dict[str, Any]:
        return {**kwargs, name: model}

    return ask


def refusal_of(find: Callable[[Refused], BaseException]) -> Refusal:
    """A maker of errors that needs nothing of the call.

    Args:
        find: makes it of the refusal alone.
    """

    def refusal(_: Any, __: Mapping[str, Any], refused: Refused) -> BaseException:
        return find(refused)

    return refusal
