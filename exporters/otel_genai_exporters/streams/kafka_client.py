"""What is asked of confluent-kafka: how its clients are configured, and what their errors mean."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_genai_cost.errors import ConfigurationError, GenAICostError, MissingExtraError
from otel_genai_cost.settings import value_at

__all__ = [
    "ASKED_WITHIN_S",
    "OPTIONS",
    "REFUSED",
    "SENT_WITHIN_S",
    "OnTopic",
    "Topic",
    "code_of",
    "kafka_error",
    "library",
    "make_topic",
    "said_of",
    "topic_id",
]

_logger = logging.getLogger("otel_genai_cost")

OPTIONS: Final[Mapping[str, str]] = {
    "servers": "where the cluster is found: HOST:PORT, comma-separated",
    "topic": "the topic's name",
    "protocol": "plaintext, ssl, sasl_plaintext or sasl_ssl",
    "ca": "a file: who vouches for the brokers, PEM",
    "cert": "a file: our certificate, PEM",
    "cert_key": "a file: its key, PEM",
    "mechanism": "of SASL: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512",
    "username": "of SASL",
    "password": "of SASL: env:NAME or file:PATH",
    "client": "a file of further properties of librdkafka, key=value a line; values may be env:NAME or file:PATH",
}

_PROPERTIES: Final[Mapping[str, str]] = {
    "protocol": "security.protocol",
    "ca": "ssl.ca.location",
    "cert": "ssl.certificate.location",
    "cert_key": "ssl.key.location",
    "mechanism": "sasl.mechanism",
    "username": "sasl.username",
    "password": "sasl.password",
}
REFUSED: Final = frozenset(
    {"MSG_SIZE_TOO_LARGE", "RECORD_LIST_TOO_LARGE", "INVALID_RECORD", "INVALID_MSG_SIZE"}
)
"""What a broker, or the client itself, says of a message that will never be taken."""

ASKED_WITHIN_S: Final = 10.0
"""So long may a broker take to answer a question."""

SENT_WITHIN_S: Final = 30.0
"""So long may it take until a batch is durable."""

_HEARD_FOR_S: Final = 2 * SENT_WITHIN_S
_DENIED: Final = frozenset({"_AUTHENTICATION", "SASL_AUTHENTICATION_FAILED"})


def library() -> Any:
    """The library.

    Raises:
        MissingExtraError: without it.
    """
    try:
        return import_module("confluent_kafka")
    except ImportError:
        raise MissingExtraError("Kafka", "confluent-kafka", "kafka") from None


class _Denials:
    """What brokers last said of who we are. They say it to a client at large: what it was asked for has no answer in
    time then."""

    def __init__(self) -> None:
        self._last: tuple[float, object] | None = None

    def hear(self, error: object) -> None:
        """Take what a client tells of itself."""
        if code_of(error) in _DENIED:
            self._last = time.monotonic(), error

    def recent(self) -> object | None:
        """The last of it, while a client may still wait because of it."""
        if self._last is None or time.monotonic() - self._last[0] > _HEARD_FOR_S:
            return None
        return self._last[1]


class Topic(NamedTuple):
    """A topic of a cluster, and how it is reached.

    Attributes:
        servers: some of its brokers.
        name: the topic's.
        properties: of librdkafka, for every client.
        denials: of this user.
    """

    servers: str
    name: str
    properties: Mapping[str, str]
    denials: _Denials

    @classmethod
    def of(cls, servers: str, topic: str, options: Mapping[str, str]) -> Topic:
        """The topic that options are about.

        Args:
            servers: the option of that name.
            topic: the option of that name.
            options: the others.

        Raises:
            ConfigurationError: if one cannot be used.
            MissingExtraError: without confluent-kafka.
        """
        library()
        for key, value in (("servers", servers), ("topic", topic)):
            if not value.strip():
                raise ConfigurationError(
                    f"no {key} for Kafka", remedy=f"--option {key}=…: {OPTIONS[key]}"
                )
        found = _properties_in(options["client"]) if options.get("client") else {}
        for key, name in _PROPERTIES.items():
            if value := options.get(key, ""):
                found[name] = value_at(value, key)
        return cls(servers.strip(), topic.strip(), found, _Denials())

    @property
    def place(self) -> str:
        """Which it is, for people."""
        return f"the topic {self.name} of Kafka at {self.servers}"

    def client(self, kind: str, **more: object) -> Any:
        """A producer, a consumer or an `AdminClient`.

        Args:
            kind: the name of its class.
            more: its own properties, with `_` for dots.

        Raises:
            ConfigurationError: if librdkafka refuses a property.
        """
        from_library = library()
        if kind == "AdminClient":
            from_library = import_module("confluent_kafka.admin")
        own = {_property(name): value for name, value in more.items()}
        own["error_cb"] = _heard_by(self.denials.hear, *filter(None, [more.get("error_cb")]))
        common: dict[str, object] = {"bootstrap.servers": self.servers, "client.id": "genai-cost"}
        make: Callable[..., Any] = getattr(from_library, kind)
        try:
            return make({**common, **self.properties, **own}, logger=_quiet)
        except (library().KafkaException, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"no client of {self.place}", where="its options", remedy=said_of(error)
            ) from None


class OnTopic:
    """What is made by options that say a topic of Kafka.

    Args:
        servers, topic: which.
        options: how it is reached, see `OPTIONS`.

    Raises:
        ConfigurationError: if an option cannot be used.
        MissingExtraError: without confluent-kafka.
    """

    def __init__(self, servers: str, topic: str, **options: str) -> None:
        self._topic = Topic.of(servers, topic, options)

    @classmethod
    def options(cls) -> Mapping[str, str]:
        """What each option means."""
        return OPTIONS

    @property
    def place(self) -> str:
        """Which topic of which cluster, for people."""
        return self._topic.place


def _heard_by(*ears: Any) -> Callable[[object], None]:
    def heard(error: object) -> None:
        for ear in ears:
            ear(error)

    return heard


def _property(name: str) -> str:
    return name if name.endswith("_cb") else name.replace("_", ".")


_quiet: Final = logging.getLogger("otel_genai_cost.kafka")
"""What librdkafka says by itself; what matters of it comes as an error as well."""
_quiet.setLevel(logging.CRITICAL)


def _properties_in(path: str) -> dict[str, str]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "properties of Kafka's client cannot be read", value=path, remedy=f"{error}"
        ) from None
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, is_given, value = line.partition("=")
        if not is_given:
            raise ConfigurationError(
                "no property", where=f"{path}:{number}", remedy="write key=value"
            )
        found[name.strip()] = value_at(value.strip(), f"{name.strip()} of {path}")
    return found


def code_of(error: object) -> str:
    """The name of an error of the library, such as `MSG_SIZE_TOO_LARGE`; "" for none of its own.

    Args:
        error: what was raised, or what was reported.
    """
    found = error.args[0] if isinstance(error, Exception) and error.args else error
    name = getattr(found, "name", None)
    return str(name()) if callable(name) else ""


def said_of(error: object) -> str:
    """What an error of the library says, for people.

    Args:
        error: what was raised, or what was reported.
    """
    found = error.args[0] if isinstance(error, Exception) and error.args else error
    text = getattr(found, "str", None)
    said = str(text()) if callable(text) else str(found)
    code = code_of(error)
    return f"{said} ({code})" if code else said


def kafka_error(topic: Topic, what: str, error: object) -> GenAICostError:
    """An error of ours in the place of the library's.

    Args:
        topic: that it is about.
        what: was not done.
        error: what the library raised or reported.
    """
    cause = error if code_of(error) in _REMEDIES else topic.denials.recent() or error
    remedy = _REMEDIES.get(code_of(cause), "it is tried again")
    return GenAICostError(f"{topic.place}: {what}: {said_of(cause)}; {remedy}")


_REMEDIES: Final[Mapping[str, str]] = {
    "TOPIC_AUTHORIZATION_FAILED": "let this user read and write the topic",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": "let this user use transactional ids that begin with genai-cost",
    "CLUSTER_AUTHORIZATION_FAILED": "let this user write idempotently",
    "_AUTHENTICATION": "look at the options protocol, mechanism, username and password",
    "SASL_AUTHENTICATION_FAILED": "look at the options protocol, mechanism, username and password",
    "UNKNOWN_TOPIC_OR_PART": "make the topic, or let this user make it",
    "_UNKNOWN_TOPIC": "make the topic, or let this user make it",
}


def make_topic(topic: Topic, name: str, partitions: int = -1, **properties: str) -> None:
    """Make a topic, unless there is one.

    Args:
        topic: whose cluster.
        name: of the topic to be made.
        partitions: how many; -1 for the cluster's own default.
        properties: of the topic, with `_` for dots.

    Raises:
        GenAICostError: if there is none, and it cannot be made.
    """
    admin = topic.client("AdminClient")
    exception = library().KafkaException
    try:
        if name in admin.list_topics(timeout=ASKED_WITHIN_S).topics:
            return
        new: Any = import_module("confluent_kafka.admin").NewTopic
        config = {key.replace("_", "."): value for key, value in properties.items()}
        one = new(name, num_partitions=partitions, replication_factor=-1, config=config)
        admin.create_topics([one], operation_timeout=ASKED_WITHIN_S)[name].result(ASKED_WITHIN_S)
    except exception as error:
        admin.poll(0)  # in which it says what brokers told it meanwhile
        if code_of(error) != "TOPIC_ALREADY_EXISTS":
            raise kafka_error(topic, f"the topic {name} cannot be made", error) from None


def topic_id(topic: Topic) -> str:
    """The identity of a topic, which another one of the same name does not have; "" where the cluster tells none.

    Args:
        topic: which.

    Raises:
        GenAICostError: if the cluster does not answer, or there is no such topic.
    """
    exception = library().KafkaException
    names: Any = library().TopicCollection
    admin = topic.client("AdminClient")  # which answers only as long as it is held
    try:
        asked = admin.describe_topics(names([topic.name]), request_timeout=ASKED_WITHIN_S)
        return str(asked[topic.name].result(ASKED_WITHIN_S).topic_id)
    except (exception, TimeoutError) as error:
        raise kafka_error(topic, "it cannot be read", error) from None
