"""What each key would have lost of a ledger's history, against settling the parts, and against keyed settlement."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.posting.run import unlink
from otel_genai_cost.ledger.storage.store import Ledger
from otel_genai_cost.streaming.keyed import Keyed
from otel_genai_cost.streaming.partition import PARTITIONS, PartitionBy, partition_key
from otel_genai_cost.streaming.partition_check import Lost, partition_check
from otel_genai_cost.streaming.state import MemoryState
from otel_genai_cost.streaming.windows import Windows
from tests.cli.command import rows, run
from tests.ledger.build import SECOND_US, START_US, observe, tenant
from tests.ledger.journalled import no_other_book, record_of, settled
from tests.ledger.world import world_of

_NOW_US: Final = START_US + 1_000 * SECOND_US


def _in_cell(cell: str, one: Observation) -> Observation:
    return one._replace(origin=one.origin._replace(cell=cell))


def _ledger(path: Path, observations: list[Observation]) -> Ledger:
    ledger = Ledger(path / "ledger.sqlite")
    settled(ledger, observations, _NOW_US)
    return ledger


def _checked(ledger: Ledger) -> dict[str, Lost]:
    return {one.key: one for one in partition_check(ledger, no_other_book)}


_CLIENT: Final = observe(1, trace=1, response_id="r1")
_GATEWAY: Final = observe(
    2, trace=2, response_id="r1", scope="gateway", process="gw", attribution=tenant(None)
)


def test_call_that_a_gateway_saw_in_another_trace_is_lost_by_trace(tmp_path: Path) -> None:
    found = _checked(_ledger(tmp_path, [_CLIENT, _GATEWAY, observe(3, trace=3)]))
    amount = _CLIENT.cost.total
    assert amount
    assert found["cell"] == Lost("cell", 1, 0, 0, Counter())
    assert found["trace"] == Lost("trace", 1, 1, 0, Counter({"USD": amount}))


def test_gateway_in_a_cell_of_its_own_is_lost_by_both(tmp_path: Path) -> None:
    found = _checked(_ledger(tmp_path, [_in_cell("eu", _CLIENT), _in_cell("gw", _GATEWAY)]))
    assert [found[key].lost for key in PARTITIONS] == [1, 1]
    assert found["cell"].amounts == found["trace"].amounts == Counter({"USD": _CLIENT.cost.total})


def test_wrapper_in_another_cell_takes_the_tenant_with_it(tmp_path: Path) -> None:
    outer = observe(1, tokens=None, role="context", end_s=9, process="edge")
    inner = observe(2, above=(1,), attribution=tenant(None))
    found = _checked(_ledger(tmp_path, [_in_cell("a", outer), _in_cell("b", inner)]))
    assert (found["cell"].lost, found["cell"].moved) == (0, 1)
    assert not +found["cell"].amounts


def test_what_a_person_unlinked_is_no_join(tmp_path: Path) -> None:
    ledger = _ledger(tmp_path, [_CLIENT, _GATEWAY])
    with ledger.transaction():
        unlink(ledger, _GATEWAY.id, _NOW_US, no_other_book)
    assert _checked(ledger)["trace"] == Lost("trace", 0, 0, 0, Counter())


def _excess(observations: list[Observation], by: PartitionBy, whole: Ledger) -> Counter[str]:
    """What keyed settlement, key by key, comes to beyond the ledger."""
    keyed: dict[str, Keyed] = {}
    for one in observations:
        key = partition_key(one, by)
        if key not in keyed:
            keyed[key] = Keyed(MemoryState(), no_other_book, windows=Windows(all_us=None))
        assert keyed[key].take(record_of(one), _NOW_US) is None
    excess: Counter[str] = Counter()
    for each in keyed.values():
        for entry in each.settle(_NOW_US, drain=True):
            excess[entry.currency] += entry.amount
    excess.subtract({"USD": sum(entry.amount for entry in whole.entries)})
    return excess


@pytest.mark.parametrize("seed", range(6))
def test_check_says_what_keyed_settlement_then_does(tmp_path: Path, seed: int) -> None:
    observations = [
        _in_cell(("eu", "us")[n % 2] if seed % 2 else "", one)
        for n, one in enumerate(world_of(seed, turns=12).observations)
    ]
    ledger = _ledger(tmp_path, observations)
    found = _checked(ledger)
    for by in PARTITIONS:
        assert found[by].amounts["USD"] == _excess(observations, by, ledger)["USD"]
    assert found["cell"].lost <= found["trace"].lost <= found["trace"].joins
    assert found["trace"].lost > 0


def test_command_prints_a_row_a_key(tmp_path: Path) -> None:
    _ledger(tmp_path, [_CLIENT, _GATEWAY]).close()
    nothing = {"joins": 1, "lost": 0, "moved": 0, "lost_amount": "0", "currency": "USD"}
    assert rows("ledger", "partition-check", "--ledger", str(tmp_path), "--json") == [
        {**nothing, "key": "cell"},
        {**nothing, "key": "trace", "lost": 1, "lost_amount": "0.0035"},
    ]
    done = run("ledger", "partition-check", "--ledger", str(tmp_path))
    assert "cut by cell" in done.stderr


def test_command_says_that_there_is_nothing_yet(tmp_path: Path) -> None:
    done = run("ledger", "partition-check", "--ledger", str(tmp_path), "--json")
    assert (done.returncode, done.stdout) == (0, "")
    assert "no ledger" in done.stderr
