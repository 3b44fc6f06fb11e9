"""What upstream's instrumentation of SQS does not promise: its list of messages, which makes each message's span
current and copies ours, and how it ends such a span, whatever is current by then.

    Boto3SQSInstrumentor._wrap_receive_message      makes a span current around what asks for the next messages
    Boto3SQSInstrumentor.ContextableList            what it makes of the messages that were received
    Boto3SQSInstrumentor._safe_end_processing_span  called when a message is deleted, in the middle of its work
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, cast

import wrapt
from opentelemetry import context

from otel_genai_cost.tenancy.rolling import is_current
from otel_genai_instrumentors.message_batch import MessageBatch
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, ends, makes

__all__ = ["BOTO3SQS"]

_RECEIVE: Final = "receive_message"
_UPSTREAM: Final = "opentelemetry.instrumentation.boto3sqs"


def _list(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    made = wrapped(*args, **kwargs)
    ours = args[0] if args else None
    return ours.read_through(made) if isinstance(ours, MessageBatch) else made


def _end(wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A token is given back out of order: what was current before its context was would be again."""
    before = context.get_current()
    result = wrapped(*args, **kwargs)
    if is_current(before) and context.get_current() is not before:
        context.attach(before)
    return result


def _ask(call: Call, _: None) -> None:
    """Around their span for receiving: the last message, which was taken by its index, has been worked on. Whoever
    takes their wrapper away takes ours with it."""
    kind = call.args[0]
    theirs: Any = cast("dict[str, Any]", vars(kind))[_RECEIVE]

    def ask(_: object, client: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return ends(theirs.__get__(client, kind), client, args, kwargs)

    setattr(kind, _RECEIVE, wrapt.FunctionWrapper(theirs.__wrapped__, ask))


BOTO3SQS: Final = (
    Patch(_UPSTREAM, "Boto3SQSInstrumentor._wrap_receive_message", makes(_ask), optional=True),
    Patch(_UPSTREAM, "Boto3SQSInstrumentor.ContextableList", _list, optional=True),
    Patch(_UPSTREAM, "Boto3SQSInstrumentor._safe_end_processing_span", _end, optional=True),
)
