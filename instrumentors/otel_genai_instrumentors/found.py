"""What a client's file finds in a request and in an answer, behind a fence: a fault there costs what would be found."""

from __future__ import annotations

from typing import Any, Final

from otel_genai_cost import attributes as names
from otel_genai_cost.errors import guarded
from otel_genai_instrumentors.attempts import is_refusal
from otel_genai_instrumentors.method import Attributes, Method

__all__ = ["refusal_in", "request_of", "response_of"]

_NONE: Final = type(None)


@guarded("instrumentor.request", None)
def request_of(
    method: Method, instance: Any, kwargs: dict[str, Any], host: str | None
) -> Attributes:
    """The attributes that a client's file finds in a request.

    Args:
        method: the row of what is called.
        instance: what it is called on.
        kwargs: what it is called with.
        host: where the client sends it; None if unknown.
    """
    return _known(method.request(instance, kwargs, host))


@guarded("instrumentor.response", None)
def response_of(method: Method, answer: Any) -> Attributes:
    """The attributes that a client's file finds in a whole answer.

    Args:
        method: the row of what was called.
        answer: what the client made of the reply.
    """
    return _known(method.response(answer))


def _known(found: Attributes) -> Attributes:
    if _NONE not in map(type, found.values()):  # as nearly always of answers
        return found
    return {key: value for key, value in found.items() if value is not None}


def refusal_in(response: Any) -> Attributes:
    """What a reply says that is an error, which its client has not made one of yet; nothing of any other.

    Args:
        response: of HTTP; None if there is none.
    """
    status: Any = getattr(response, "status_code", None)
    if type(status) is not int or not is_refusal(status):
        return {}
    return {names.ERROR_TYPE: str(status), names.HTTP_RESPONSE_STATUS_CODE: status}
