"""What a client's file says of a method, so that its calls can be traced: facts, and functions that read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from otel_genai_instrumentors.gated_method import GatedMethod

__all__ = [
    "FAILED",
    "LAST",
    "ONLY_USAGE",
    "PART",
    "READ_AGAIN",
    "Answer",
    "Attributes",
    "Method",
    "Prepared",
    "as_it_is",
]

Attributes = dict[str, Any]

READ_AGAIN: Final = "fetch_response"
"""The operation of reading a response again, which is billed to nobody."""

PART: Final = 0
"""A part of an answer like any other."""

ONLY_USAGE: Final = 1
"""A part with nothing but usage: nobody gets it who did not ask."""

LAST: Final = 2
"""A part after which nothing comes that counts. May go with ONLY_USAGE."""


FAILED: Final = 4
"""A part that ends the answer as an error, whose type is with the attributes."""

_NOTHING_YET: Final[Mapping[str, Any]] = {}


class Prepared(NamedTuple):
    """A call about to be made: its keyword arguments, and whether a part that only we asked for is to be hidden."""

    kwargs: dict[str, Any]
    hides_usage: bool = False


class Answer(NamedTuple):
    """How a client's method answers.

    `response` is the HTTP response, where it can be had. The parts of a stream come from the iterator in `attribute` of
    `stream`, which is the result itself where it is None; `is_read` says that it is no iterator but a body that
    the caller reads, and `below` names the attribute with what the parts are made of, which is closed with the
    stream. Without an attribute, `is_raw` says that the response is the caller's to parse. `head` is known before the
    first part or the body; `is_counted` says that nothing else has to be, for the price.
    """

    response: Any = None
    attribute: str | None = None
    is_raw: bool = False
    stream: Any = None
    below: str | None = None
    is_read: bool = False
    head: Mapping[str, Any] = _NOTHING_YET
    is_counted: bool = False


_AS_RETURNED: Final = Answer()


def as_it_is(_: Any, kwargs: dict[str, Any]) -> Prepared:
    """Nothing more is asked than the caller did."""
    return Prepared(kwargs)


def _as_returned(_: Any) -> Answer:
    return _AS_RETURNED


def _nothing(_: Any) -> None:
    return None


def _no_text(_: Any) -> str | None:
    return None


def _itself(instance: Any) -> object:
    return instance


def _unknown() -> bool:
    return False


def _at_once(_: Mapping[str, Any]) -> bool:
    return False


def _as_given(kwargs: Mapping[str, Any]) -> Any:
    return kwargs


class Method(NamedTuple):
    """What there is to know of one method of a client.

    `request(instance, kwargs, host)` and `response(result)` give attributes; `part(attributes, part)` folds a stream's
    part into them and says what it is: PART, ONLY_USAGE, LAST, FAILED. `server(instance, args, kwargs)` gives host
    and port. `prepare(instance, kwargs)` may ask for more than the caller did; `restore(part)` takes back what that
    changes in parts which are not hidden. `shows_attempts()` says whether `Call.attempts` is kept, without which
    nothing is known of requests that never left. `client(instance)` is what sends: a method that only calls another
    one of it is one call with it. `unpack(part)` makes what `part` and `text` are given; a part that `may_wait` is
    unpacked later: the first and last ones when the answer has come, all when it is left. `body(kwargs)` is what the
    model is given to read, and `text(part)` the text that a part brings: from them it is estimated what was used
    where nobody reports it; a body that is None is nothing to estimate. `uses(kwargs)` is what an answer uses that
    only the request says, such as characters to speak. `is_lazy(kwargs)` says whether a method that is no
    generator returns one, now or when awaited, which sends the request when it is first asked. `parts_in(content)`
    gives the parts of an answer that is read from its bytes, where that need not be one in OpenAI's format. A method
    that `sends_once` sends one as it begins. Without a `gate` no gate is asked before a call.
    """

    operation: str
    request: Callable[[Any, Mapping[str, Any], str | None], Attributes]
    response: Callable[[Any], Attributes]
    part: Callable[[Attributes, Any], int]
    server: Callable[[Any, tuple[Any, ...], Mapping[str, Any]], tuple[str | None, int | None]]
    prepare: Callable[[Any, dict[str, Any]], Prepared] = as_it_is
    answer: Callable[[Any], Answer] = _as_returned
    restore: Callable[[Any], object] = _nothing
    shows_attempts: Callable[[], bool] = _unknown
    client: Callable[[Any], object] = _itself
    unpack: Callable[[Any], Any] | None = None
    may_wait: Callable[[Any], bool] | None = None
    body: Callable[[Mapping[str, Any]], Any] = _as_given
    text: Callable[[Any], str | None] = _no_text
    uses: Callable[[Mapping[str, Any]], Attributes] | None = None
    is_lazy: Callable[[Mapping[str, Any]], bool] = _at_once
    parts_in: Callable[[bytes], Iterable[Any]] | None = None
    sends_once: bool = False
    gate: GatedMethod | None = None
