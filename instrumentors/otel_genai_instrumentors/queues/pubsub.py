"""Google Pub/Sub: attributes of each message. Its own tracing, where it is enabled, sends a trace without baggage,
under a name of its own, and makes no span current."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from otel_genai_cost.tenancy.carriers import entries_in
from otel_genai_cost.tenancy.envelope import inject
from otel_genai_cost.tenancy.refusals import refuse
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import (
    Call,
    MakesBatch,
    QueueInstrumentor,
    calls_back,
    reads_batch,
    sends,
)

__all__ = ["PubSubInstrumentor"]

_SERVICES: Final = "google.pubsub_v1.services.subscriber"
_PARAMETERS: Final = frozenset({"topic", "data", "ordering_key", "retry", "timeout"})
"""What `publish` takes by name that is no attribute."""

_MOST: Final = 100
_BYTES_MAX: Final = 1024
"""Of an attribute's value. The service refuses a message with a longer one, or with more attributes."""

_WANTED: Final = ("baggage", "traceparent", "tracestate")


def _put(call: Call) -> Call:
    given = {name: value for name, value in call.kwargs.items() if name not in _PARAMETERS}
    more = {k: v for k, v in inject(entries_in(given)).items() if k not in given}
    return call._replace(kwargs={**call.kwargs, **_fitting(more, _MOST - len(given))})


def _fitting(more: Mapping[str, str], room: int) -> dict[str, str]:
    """As much of an envelope as a message has room for, of baggage whole entries: the tenant is the first."""
    found: dict[str, str] = {}
    for name in _WANTED:
        value = more.get(name, "")
        while len(value.encode()) > _BYTES_MAX:
            value = value.rpartition(",")[0]
        if value and len(found) < room:
            found[name] = value
    if "baggage" in more and "baggage" not in found:
        refuse("no_room")
    return found


def _messages_in(answer: Any, made: MakesBatch) -> Any:
    """The answer's own field makes a list of its own whenever it is asked for."""
    if answer.received_messages:
        vars(answer)["received_messages"] = made(answer.received_messages)
    return answer


_PULLS: Final = reads_batch(lambda received: received.message.attributes, _messages_in)


class PubSubInstrumentor(QueueInstrumentor):
    """Publishers; subscribers by a callback, whatever request they were opened in, and by `pull`."""

    library = "google-cloud-pubsub"
    requirements = ("google-cloud-pubsub >= 2.10",)
    places = (
        Patch("google.cloud.pubsub_v1.publisher.client", "Client.publish", sends(_put)),
        Patch(
            "google.cloud.pubsub_v1.subscriber.client",
            "Client.subscribe",
            calls_back(1, "callback", lambda call: call.argument(0, "message").attributes),
        ),
        Patch(f"{_SERVICES}.client", "SubscriberClient.pull", _PULLS),
        Patch(f"{_SERVICES}.async_client", "SubscriberAsyncClient.pull", _PULLS),
    )
