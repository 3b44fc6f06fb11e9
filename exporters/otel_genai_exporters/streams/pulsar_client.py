"""What Pulsar's client is told and says, in words of ours: connections, addresses of messages, and what went wrong."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import ConfigurationError, GenAICostError, MissingExtraError
from otel_genai_cost.streaming.cloud_event import Message

__all__ = [
    "OPTIONS",
    "TOO_LARGE",
    "Address",
    "Connection",
    "address_in",
    "address_of",
    "follows",
    "full_name",
    "message_of",
    "received",
]

OPTIONS: Final[Mapping[str, str]] = {
    "topic": "the topic: a name, tenant/namespace/name, or persistent://tenant/namespace/name",
    "url": "the cluster, pulsar://host:6650 or pulsar+ssl://host:6651",
    "token": "the token that authenticates us",
    "ca": "the file of certificates by which the cluster's is checked",
    "certificate": "the file of the certificate that authenticates us",
    "certificate_key": "the file of its key",
}

TOO_LARGE: Final = "MessageTooBig"
"""What is said of a message that is never taken."""

_ANSWER_WITHIN_S: Final = 15
_SEND_WITHIN_S: Final = 30
_PENDING_MAX: Final = 5_000
_BATCH_DELAY_MS: Final = 5


class Address(NamedTuple):
    """Where a message stands in a partition; they are in its order."""

    ledger: int
    entry: int
    batch: int

    def __str__(self) -> str:
        return f"{self.ledger}:{self.entry}:{self.batch}"


def address_in(text: str) -> Address | None:
    """The address that a text says; None if it is none."""
    parts = text.split(":")
    if len(parts) != len(Address._fields):
        return None
    try:
        return Address(*map(int, parts))
    except ValueError:
        return None


def address_of(message_id: Any) -> Address:
    """The address that the client's id of a message says."""
    return Address(message_id.ledger_id(), message_id.entry_id(), message_id.batch_index())


def follows(one: Address, before: Address) -> bool:
    """Whether nothing can have stood between two messages, which are in one ledger of Pulsar's."""
    return one.ledger == before.ledger and one.entry in (before.entry, before.entry + 1)


def full_name(topic: str) -> str:
    """The whole name of a topic, of which the tenant and the namespace may be left out.

    Raises:
        ConfigurationError: if it can be none.
    """
    scheme, is_whole, path = topic.rpartition("://")
    parts = path.split("/")
    if scheme not in ("", "persistent") or len(parts) not in (1, 3) or not all(parts):
        raise ConfigurationError(
            "no topic", value=topic, where="topic", remedy=f"name {OPTIONS['topic']}"
        )
    return (
        topic
        if is_whole
        else "persistent://" + "/".join((*("public", "default")[: 3 - len(parts)], *parts))
    )


def received(consumer: Any, wait_ms: int) -> Any:
    """The next message of a consumer; None if there is none within the time."""
    try:
        return consumer.receive(wait_ms)
    except _library().Timeout:
        return None


def message_of(received: Any) -> Message:
    """The message that the client received."""
    headers = {name: value.encode() for name, value in received.properties().items()}
    return Message(received.data(), headers, received.partition_key())


class Connection:
    """A connection to a cluster, made when it is needed.

    Args:
        topic: as `OPTIONS` says, like those that follow.
        url, token, ca, certificate, certificate_key: see there.

    Raises:
        ConfigurationError: if one of them cannot be used.
        MissingExtraError: without pulsar-client.
    """

    def __init__(
        self,
        topic: str,
        url: str = "pulsar://localhost:6650",
        token: str = "",
        ca: str = "",
        certificate: str = "",
        certificate_key: str = "",
    ) -> None:
        self.library: Any = _library()
        self.topic, self.url = full_name(topic), url
        if not url.startswith(("pulsar://", "pulsar+ssl://")):
            raise ConfigurationError(
                "no Pulsar", value=url, where="url", remedy=f"name {OPTIONS['url']}"
            )
        self._token, self._ca = token, ca
        self._certificate, self._certificate_key = certificate, certificate_key
        self._opened: Any = None

    @property
    def place(self) -> str:
        """Which topic of which cluster, for people."""
        return f"{self.topic} of {self.url}"

    @property
    def client(self) -> Any:
        """The client, connected once something is asked of it."""
        if self._opened is None:
            with self.asking("cannot be reached"):
                self._opened = self.library.Client(self.url, **self._settings())
        return self._opened

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "operation_timeout_seconds": _ANSWER_WITHIN_S,
            "connection_timeout_ms": _ANSWER_WITHIN_S * 1_000,
            # It would write to standard output, which is for what is asked of us.
            "logger": self.library.FileLogger(self.library.LoggerLevel.Error, os.devnull),
        }
        if self._ca:
            settings["tls_trust_certs_file_path"] = self._ca
        if self._token:
            settings["authentication"] = self.library.AuthenticationToken(self._token)
        elif self._certificate:
            tls = self.library.AuthenticationTLS(self._certificate, self._certificate_key)
            settings["authentication"] = tls
        return settings

    def partitions(self) -> list[str]:
        """The names of the topic's partitions, which are topics; one that has none is its own."""
        with self.asking("cannot be asked for its partitions"):
            found: list[str] = self.client.get_topic_partitions(self.topic)
            return found

    @contextmanager
    def asking(self, what: str) -> Generator[None]:
        """A block in which the client is asked; what it raises is said in our words.

        Args:
            what: what failed then, said of the topic.

        Raises:
            GenAICostError: if it does.
        """
        try:
            yield
        except self.library.PulsarException as error:
            raise GenAICostError(
                f"{self.place} {what}: {_reason(error)}; see that it is up and lets us in"
            ) from None

    def send(
        self, producer: Any, messages: Sequence[Message], numbers: Iterable[int]
    ) -> tuple[list[str], list[Any]]:
        """Send messages, and wait until the cluster has them.

        Args:
            producer: through which.
            messages: in their order.
            numbers: as many at least, ascending from 1 as long as the producer lives, by which the cluster knows what
                the client sends again. The client's own begin anew where it hears twice that it may send, as one that
                fences off others does: a second batch was taken for the first then, and dropped.

        Returns:
            What became of each: `Ok`, the client's word for why not, or that nothing was heard; and the client's ids.

        Raises:
            GenAICostError: if not all could be sent.
        """
        answers: list[tuple[str, Any]] = [("no answer", None)] * len(messages)
        left = threading.Semaphore(0)
        with self.asking("does not take messages"):
            for place, (message, number) in enumerate(zip(messages, numbers, strict=False)):
                producer.send_async(
                    message.value,
                    _answering(answers, place, left),
                    properties={
                        name: value.decode("utf-8", "replace")
                        for name, value in message.headers.items()
                    },
                    partition_key=message.key or None,
                    sequence_id=number,
                )
        for _ in messages:
            if not left.acquire(timeout=2 * _SEND_WITHIN_S):
                break
        return [said for said, _ in answers], [one for _, one in answers]

    def producer(self, topic: str, **settings: Any) -> Any:
        """A producer of the client.

        Args:
            topic: to which.
            settings: more of it.
        """
        with self.asking("does not let us send"):
            return self.client.create_producer(
                topic,
                send_timeout_millis=_SEND_WITHIN_S * 1_000,
                block_if_queue_full=True,
                max_pending_messages=_PENDING_MAX,
                batching_max_publish_delay_ms=_BATCH_DELAY_MS,
                compression_type=self.library.CompressionType.ZSTD,
                **settings,
            )

    def close(self) -> None:
        """Let go of it. It may be called twice."""
        opened, self._opened = self._opened, None
        if opened is not None:
            try:
                opened.close()
            except self.library.PulsarException:
                opened.shutdown()


def _answering(
    answers: list[tuple[str, Any]], place: int, left: threading.Semaphore
) -> Callable[[Any, Any], None]:
    def answered(result: Any, message_id: Any) -> None:
        answers[place] = (result.name, message_id)
        left.release()

    return answered


def _reason(error: Exception) -> str:
    return str(error).removeprefix("Pulsar error: ") or type(error).__name__


def _library() -> Any:
    try:
        import pulsar
    except ImportError:
        raise MissingExtraError(
            "sending to and reading from Pulsar", "pulsar-client", "pulsar"
        ) from None
    return pulsar
