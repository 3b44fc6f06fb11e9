"""FastStream: headers of each message, whatever broker is below it. Its own TelemetryMiddleware replaces the context by
one without baggage, and so ours is made once more within it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Final

from otel_genai_cost.tenancy.carriers import entries_in
from otel_genai_cost.tenancy.envelope import inject
from otel_genai_cost.tenancy.rolling import Reader, enter, leave
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import Call, QueueInstrumentor, calls_back, sends

__all__ = ["FastStreamInstrumentor"]

_SENDERS: Final = (
    ("faststream._internal.broker.pub_base", "BrokerPublishMixin"),
    ("faststream._internal.endpoint.publisher.usecase", "PublisherUsecase"),
)
_SUBSCRIBER: Final = "faststream._internal.endpoint.subscriber"
_SENDS: Final = ("_basic_publish", "_basic_publish_batch", "_basic_request")


def _put(call: Call) -> Call:
    """The mapping may be the application's own, for all that it sends."""
    command = call.argument(0, "cmd")
    command.headers = inject({**command.headers})
    return call


def _of_message(message: Any) -> object:
    """A handler is given a whole batch at once: it is nobody's if it is of several."""
    envelopes = (entries_in(headers) for headers in message.batch_headers)
    owners = {envelope.get("baggage") for envelope in envelopes}
    return None if len(owners) > 1 else message.headers


def _take(call: Call) -> Call:
    enter(_reader.get(), _of_message(call.argument(0, "message")))
    return call


_reader: ContextVar[Reader] = ContextVar("genai-cost-faststream")
"""What works on one message: what its handler gives is published by it, and it may be called by another's handler."""


async def _process(
    wrapped: Callable[..., Any], _: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    reader = Reader()
    token = _reader.set(reader)
    try:
        return await wrapped(*args, **kwargs)
    finally:
        leave(reader)
        _reader.reset(token)


class FastStreamInstrumentor(QueueInstrumentor):
    """Publishers, decorators and requests; handlers with their middleware."""

    library = "faststream"
    requirements = ("faststream >= 0.6",)
    places = (
        *(
            Patch(module, f"{kind}.{name}", sends(_put))
            for module, kind in _SENDERS
            for name in _SENDS
        ),
        Patch(f"{_SUBSCRIBER}.usecase", "SubscriberUsecase.process_message", _process),
        Patch(f"{_SUBSCRIBER}.call_item", "HandlerItem.call", sends(_take)),
        Patch(
            "faststream.opentelemetry.middleware",
            "BaseTelemetryMiddleware.consume_scope",
            calls_back(0, "call_next", lambda call: _of_message(call.args[0])),
        ),
    )
