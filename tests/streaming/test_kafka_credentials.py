"""A user of Kafka whose password is changed while the sink runs: that is told, and the new one goes on, once."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.sink import Mark
from otel_genai_exporters.streams.kafka_client import Topic
from otel_genai_exporters.streams.kafka_reading import every_message
from otel_genai_exporters.streams.kafka_sink import KafkaSink
from tests.demo.processes import wait_until
from tests.exporters.entries import entries
from tests.queues.brokers import Brokers

pytestmark = pytest.mark.service

_NOTICED_WITHIN_S: Final = 60
"""Connections that stand are asked anew every two seconds."""

_REMEDY: Final = "look at the options protocol, mechanism, username and password"


def _options(user: str, password: str) -> dict[str, str]:
    return {
        "protocol": "sasl_plaintext",
        "mechanism": "SCRAM-SHA-256",
        "username": user,
        "password": password,
    }


def _set_password(servers: str, user: str, password: str) -> None:
    """As whoever looks after the cluster does it."""
    module: Any = import_module("confluent_kafka.admin")
    client = Topic.of(servers, "any", _options("admin", "admin")).client("AdminClient")
    info = module.ScramCredentialInfo(module.ScramMechanism.SCRAM_SHA_256, 4_096)
    change = module.UserScramCredentialUpsertion(user, info, password.encode())
    client.alter_user_scram_credentials([change])[user].result(30)


def test_a_password_that_is_changed_is_told_and_the_new_one_goes_on(
    servers: Brokers, tmp_path: Path
) -> None:
    address = servers.address("kafka_with_users", Path("/usr/bin"))
    password, given, sent = tmp_path / "password", entries(200), 10
    password.write_text("first", encoding="utf-8")
    _set_password(address, "feeder", "first")

    def opened() -> KafkaSink:
        return KafkaSink(tmp_path / "k", address, "costs", **_options("feeder", f"file:{password}"))

    sink = opened()
    sink.append("ledger-1", given[:sent])
    _set_password(address, "feeder", "second")

    def refused() -> str:
        nonlocal sent
        try:
            sink.append("ledger-1", given[: sent + 1])
        except GenAICostError as error:
            return str(error)
        sent += 1
        return ""

    said = wait_until(refused, "the old password to be refused", _NOTICED_WITHIN_S)
    assert "\n" not in said
    assert _REMEDY in said
    with pytest.raises(GenAICostError, match=_REMEDY):
        opened().mark()
    sink.close()
    password.write_text("second", encoding="utf-8")
    another = opened()
    assert another.mark() in (Mark("ledger-1", sent), Mark("ledger-1", sent + 1))
    another.append("ledger-1", given)
    assert another.mark() == Mark("ledger-1", 200)
    another.close()
    topic = Topic.of(address, "costs", _options("feeder", "second"))
    ids = [dict(one.headers())["ce_id"].decode() for one in every_message(topic)]
    assert sorted(ids) == sorted(one.id for one in given)
