"""A topic of Pulsar whose messages are kept for a test to read."""

from __future__ import annotations

from otel_genai_cost.ledger.entry import Entry
from otel_genai_cost.streaming.broker import Polled
from otel_genai_cost.streaming.cloud_event import Message, entry_in, event_in
from otel_genai_exporters.streams.pulsar_broker import PulsarBroker
from otel_genai_exporters.streams.refill import REFILL

__all__ = ["PulsarTopic"]

_READER = "test"


class PulsarTopic:
    """A topic; from now on it keeps what is sent to it.

    Args:
        url: of the cluster.
        name: the topic's.
    """

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name
        self._broker = PulsarBroker(name, url=url)
        keeping = self._broker.consumer(_READER)
        keeping.begin({})
        keeping.close()

    def messages(self) -> list[Message]:
        """All that was sent."""
        consumer = self._broker.consumer(_READER)
        consumer.begin({})
        found: list[Message] = []
        polled = Polled(at_end=False)
        while not polled.at_end:
            polled = consumer.poll(1_000, 2.0)
            found += (one.message for one in polled.delivered)
        consumer.close()
        return found

    def entries(self, ledger_id: str) -> list[Entry]:
        """The entries of a ledger, of the last time that the topic was filled."""
        ours = [one for one in self.messages() if REFILL in one.headers]
        newest = max((int(one.headers[REFILL]) for one in ours), default=0)
        events = [event_in(one) for one in ours if int(one.headers[REFILL]) == newest]
        return [entry_in(one) for one in events if one.source == f"/ledgers/{ledger_id}"]
