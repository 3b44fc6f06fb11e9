"""Forty applications on two nodes and one ledger, at each level of durability, with real kills of everything."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Final

from tests.faults.fleet_stage import Fleet, fleet, row_of
from tests.faults.row import Row

__all__ = ["rows"]

_LEVELS: Final = ("process", "pod", "node")
_WANTED: Final = "0 lost but with their folder, 0 doubled"


def rows(short: bool) -> Iterator[Row]:
    """The rows of a fleet."""
    for level in _LEVELS:
        yield _level(level, short)


def _level(level: str, short: bool) -> Row:
    """Processes, pods, nodes, agents and the ledger are killed at random while all send."""
    began_s = time.monotonic()
    pods, faults = (4, ["pod", "node"]) if short else (40, ["pod"] * 8 + ["node"] * 2)
    faults += ["process", "frozen"] * (1 if short else 12) + ["agent", "ledger"] * (
        1 if short else 3
    )
    draw = random.Random(f"fleet {level}")
    draw.shuffle(faults)
    with fleet(level, pods) as one:
        one.start()
        one.promise(one.pods)
        for fault in faults:
            time.sleep(draw.uniform(0.1, 0.8))
            _break(one, fault, draw)
        time.sleep(1)
        done = one.settle()
    return row_of(
        f"{level}: {pods} applications ({one.apart}), 2 agents, a ledger; {len(faults)} times kill -9 of a "
        f"process, one that is frozen, pod, node, agent or ledger",
        _WANTED,
        done,
        began_s,
    )


def _break(one: Fleet, fault: str, draw: random.Random) -> None:
    pod = draw.choice(one.pods)
    if fault in {"pod", "node"}:
        one.promise(
            [pod] if fault == "pod" else [each for each in one.pods if each.node == pod.node]
        )
    if fault == "node":
        one.lose_node(pod.node)
    elif fault in {"agent", "ledger"}:
        name = pod.node if fault == "agent" else "ledger"
        one.kill_server(name)
        one.serve(name)
    else:
        if fault == "frozen" and pod.group is not None:
            pod.group.freeze()
            time.sleep(draw.uniform(0.1, 0.5))
        if fault == "pod":
            pod.remove("pod")
        pod.kill()
        one.run(pod)
