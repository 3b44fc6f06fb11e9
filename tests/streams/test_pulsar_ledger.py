"""A node's journal over a real Pulsar into a ledger, by the commands: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost.ledger.daemon import LEDGER_FILE
from otel_genai_cost.streaming.cloud_event import Message
from otel_genai_exporters.streams.pulsar_broker import PulsarBroker
from tests.cli.homes import home_of
from tests.demo.processes import Children, children, wait_until
from tests.demo.stage import clean_environment
from tests.ledger.journalled import calls, charged, written
from tests.streams.pulsar_server import Pulsar, admin

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(600)]

_COMMAND = str(Path(sys.executable).with_name("genai-cost"))
_NUMBERS = count(1)


class _Ways:
    """A node that forwards, and a ledger that reads."""

    def __init__(self, server: Pulsar, folder: Path, partitions: int) -> None:
        name = f"calls-{next(_NUMBERS)}"
        admin(server, f"persistent/public/default/{name}/partitions", partitions)
        self.broker = PulsarBroker(name, url=server.url)
        self.node, self.home = folder / "node", folder / "ledger"
        self._options = ["--option", f"url={server.url}", "--option", f"topic={name}"]
        own = {"OTEL_GENAI_COST_JOURNAL": str(self.home / "journal")}
        self._environment = {**clean_environment(), **own}

    def forward(self, *more: str) -> list[str]:
        return [
            _COMMAND,
            "forward",
            "--to",
            "pulsar",
            "--journal",
            str(self.node),
            *self._options,
            *more,
        ]

    def ship(self, *more: str) -> list[str]:
        home = ["--ledger", str(self.home)]
        return [_COMMAND, "ship", "--from", "pulsar", *home, *self._options, *more]

    def done(self, command: Sequence[str]) -> dict[str, Any]:
        run = subprocess.run(
            [*command, "--json"],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
        return found

    def start(self, family: Children, name: str, command: Sequence[str]) -> None:
        log = self.node.parent / f"{name}-{next(_NUMBERS)}.log"
        family.start(name, command, log, self._environment)

    def booked(self) -> dict[str, tuple[int, int]]:
        """What each charge comes to, and how many calls it is."""
        if not (self.home / LEDGER_FILE).exists():
            return {}
        return charged(self.home)


def test_books_are_those_of_a_ledger_beside_the_journal(
    pulsar_server: Pulsar, tmp_path: Path
) -> None:
    """Other people's messages are set aside, and what is sent again is known."""
    ways, made = _Ways(pulsar_server, tmp_path, partitions=3), calls(200)
    written(ways.node, made)
    producer = ways.broker.producer()
    producer.send([Message(b"an order", {"ce_type": b"com.example.order"}, "k")])
    assert ways.done(ways.forward())["sent"] == 400
    producer.send([Message(b"{}", {})])
    producer.close()
    shipped = ways.done(ways.ship("--drain"))
    assert (shipped["observations"], shipped["gaps"]) == (400, 0)
    assert ways.booked() == charged(home_of(tmp_path / "beside", made))
    assert len(ways.booked()) == 200
    assert ways.done(ways.ship("--drain"))["observations"] == 0


def test_cluster_killed_while_it_is_forwarded_and_shipped(
    pulsar_server: Pulsar, tmp_path: Path
) -> None:
    """Both are killed as well, and started again."""
    ways, made = _Ways(pulsar_server, tmp_path, partitions=2), calls(3_000)
    with children() as family:
        ways.start(family, "ship", ways.ship("--follow"))
        ways.start(family, "forward", ways.forward("--follow"))
        for number in range(3):
            written(ways.node, made[number * 2_000 : (number + 1) * 2_000])
            time.sleep(1.5)
            (pulsar_server.kill, family[0].kill, family[1].kill)[number]()
            if number == 0:
                pulsar_server.start()
            else:
                name, command = ("ship", ways.ship) if number == 1 else ("forward", ways.forward)
                ways.start(family, name, command("--follow"))
        wait_until(lambda: len(ways.booked()) == 3_000, "all to be booked", 180)
        for child in family[2:]:
            child.stop(60)
    ways.done(ways.ship("--drain"))
    assert ways.booked() == charged(home_of(tmp_path / "beside", made))
