"""nats-py: headers of each message, of core NATS and of JetStream, which publishes by the same function."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from otel_genai_cost.tenancy.envelope import inject
from otel_genai_instrumentors.patching import Patch
from otel_genai_instrumentors.queueing import (
    Call,
    QueueInstrumentor,
    calls_back,
    ends,
    reads,
    reads_batch,
    sends,
    works,
)

__all__ = ["NatsPyInstrumentor"]

_SUBSCRIPTION: Final = "nats.aio.subscription"
_PULL: Final = "JetStreamContext.PullSubscription"


_headers = attrgetter("headers")


def _put(call: Call) -> Call:
    """What the server itself is asked, and acknowledgements, are no messages; and it may be too old for headers."""
    is_message = not str(call.argument(0, "subject")).startswith("$JS.")
    if not is_message or not call.instance._server_info.get("headers"):
        return call
    given: dict[str, str] = call.argument(3, "headers") or {}
    headers = inject({**given})
    return call.replaced(3, "headers", headers) if headers != given else call


class NatsPyInstrumentor(QueueInstrumentor):
    """Publishers; subscribers by callback, in a loop, by `next_msg` and by `fetch`."""

    library = "nats-py"
    requirements = ("nats-py >= 2.2",)
    places = (
        Patch("nats.aio.client", "Client.publish", sends(_put)),
        Patch(
            _SUBSCRIPTION,
            "Subscription.__init__",
            calls_back(4, "cb", lambda call: call.argument(0, "msg").headers),
        ),
        Patch(_SUBSCRIPTION, "Subscription._wait_for_msgs", works(lambda _: None)),
        Patch(_SUBSCRIPTION, "_SubscriptionMessageIterator.__anext__", reads(_headers)),
        Patch(_SUBSCRIPTION, "_SubscriptionMessageIterator._cancel", ends),
        Patch(_SUBSCRIPTION, "Subscription.next_msg", reads(_headers)),
        Patch(_SUBSCRIPTION, "Subscription.unsubscribe", ends),
        Patch("nats.js.client", f"{_PULL}.fetch", reads_batch(_headers)),
        Patch("nats.js.client", f"{_PULL}.unsubscribe", ends),
    )
