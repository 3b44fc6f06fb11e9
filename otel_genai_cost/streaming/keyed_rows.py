"""The observations and the evidence of one key: what a ledger's file has, over a `State`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.journal.codec import decode, encode, encode_lossy
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import from_record
from otel_genai_cost.ledger.storage.component import (
    COMPONENT_MAX,
    Component,
    EvidenceRow,
    keys_of,
)
from otel_genai_cost.ledger.storage.observations import Assigned
from otel_genai_cost.ledger.storage.rows import Stored
from otel_genai_cost.streaming.state import NumberLists, State, read_value, write_value

__all__ = ["KeyedEvidence", "KeyedObservations", "Marks"]

_MARKS: Final = "m"
_LONGER: Final = "k"
_UNLINKED: Final = "u"
_TERMS: Final = "b"
_SECOND_US: Final = 1_000_000
_DIGEST_BYTES: Final = 8


class _Marks(NamedTuple):
    """The last row and the last entry; the last rows of which evidence of overlap, evidence of responses, and all is
    forgotten, and before when those of the first were ingested (unix microseconds)."""

    last_n: int = 0
    last_seq: int = 0
    passing_n: int = 0
    passing_us: int = 0
    lasting_n: int = 0
    all_n: int = 0


class Marks:
    """How far one key is, in its state.

    Args:
        state: of the key.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self.now = _Marks(*read_value(state, _MARKS, ()))

    def set(self, **changed: int) -> None:
        """Note what changed. Of a key that everything is forgotten of, nothing is left."""
        self.now = self.now._replace(**changed)
        is_empty = self.is_empty
        write_value(self._state, _MARKS, None if is_empty else self.now)
        if is_empty:
            self._state.delete(_TERMS)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept of the key."""
        beside = (_LONGER, _UNLINKED)
        return self.now.all_n == self.now.last_n and all(
            self._state.get(one) is None for one in beside
        )

    @property
    def terms(self) -> str:
        """By which book and contracts the key was rated again last, as `note_terms` was told."""
        return str(read_value(self._state, _TERMS, ""))

    def note_terms(self, terms: str) -> None:
        """Note by which book and contracts it is rated by now."""
        write_value(self._state, _TERMS, terms)


class _Status(NamedTuple):
    """What became of a row. `ripe_us` is when it is to be settled; 0 once it is."""

    ingested_us: int
    ripe_us: int
    charge_id: str | None = None
    rule: int | None = None
    ignored: str | None = None


class KeyedObservations:
    """What was said, and what became of it.

    Args:
        state: of the key.
        marks: of the key.
    """

    def __init__(self, state: State, marks: Marks) -> None:
        self._state, self._marks = state, marks
        self._charges = NumberLists(state, "c")
        self._traces = NumberLists(state, "t")
        self._read: dict[int, Observation] = {}
        """What rows say, which does not change: settling and forgetting ask for the same ones over and over."""

    def expect(self, records: Sequence[Mapping[str, Any]]) -> None:
        """These are to be kept next, with their ids and traces."""
        self._state.expect(f"i{one['id']}" for one in records)
        self._traces.expect(one["trace_id"] for one in records)

    def take(self, record: Mapping[str, Any], now_us: int, ripe_us: int) -> None:
        """Keep an observation, unless its very content is there already.

        Args:
            record: as a journal has it.
            now_us: the time of ingestion, unix microseconds.
            ripe_us: when it is to be settled.
        """
        body = encode_lossy(record)
        digest = blake2b(body, digest_size=_DIGEST_BYTES).hexdigest()
        copies = self._copies(record["id"])
        if any(known == digest for _, known in copies):
            return
        n = self._marks.now.last_n + 1
        self._marks.set(last_n=n)
        self._state.put(f"o{n}", body)
        write_value(self._state, f"i{record['id']}", [*copies, (n, digest)])
        self._traces.add(record["trace_id"], n)
        self._put_status(n, _Status(now_us, ripe_us))
        self._wait(n, ripe_us)

    def ripe_from_us(self) -> int | None:
        """When the first that waits is ripe, to the second (unix microseconds); None if nothing waits."""
        seconds = self._seconds()
        return None if not seconds else (min(seconds) + 1) * _SECOND_US

    def waiting(self, ripe_us: int, limit: int) -> list[Stored]:
        """At most `limit` observations that are not settled and ripe by `ripe_us`, in the order they came."""
        due = [second for second in self._seconds() if second <= ripe_us // _SECOND_US]
        numbers = sorted(
            n for second in due for at_us, n in self._waiting_in(second) if at_us <= ripe_us
        )
        return self.numbered(numbers[:limit])

    def assign(self, rows: Iterable[Assigned]) -> None:
        """Note what became of observations."""
        settled: dict[int, set[int]] = {}
        every = list(rows)
        self._charges.expect(one[0] for one in every if one[0] is not None)
        for charge_id, rule, ignored, n in every:
            before = self._status(n)
            if before.ripe_us:
                settled.setdefault(before.ripe_us // _SECOND_US, set()).add(n)
            self._move(n, before.charge_id, charge_id)
            self._put_status(n, _Status(before.ingested_us, 0, charge_id, rule, ignored))
        for second, numbers in settled.items():
            left = [one for one in self._waiting_in(second) if one[1] not in numbers]
            self._put_waiting(second, left)

    def _move(self, n: int, before: str | None, after: str | None) -> None:
        if before == after:
            return
        if before is not None:
            self._charges.remove(before, n)
        if after is not None:
            self._charges.add(after, n)

    def unlink(self, observation_id: str, at_us: int) -> bool:
        """Note that an observation stands alone; whether that is new."""
        known = self._unlinks()
        if observation_id not in known:
            write_value(self._state, _UNLINKED, {**known, observation_id: at_us})
        return observation_id not in known

    def unlinked(self) -> frozenset[str]:
        """Observations that a person said stand alone."""
        return frozenset(self._unlinks())

    def expected_since_us(self) -> int | None:
        """When the first was unlinked of those that have not come, or are forgotten (unix microseconds)."""
        found = (us for one, us in self._unlinks().items() if not self._copies(one))
        return min(found, default=None)

    def forget_unlinked(self, before_us: int) -> bool:
        """Forget who was unlinked before that and is not here; whether there was any."""
        known = self._unlinks()
        left = {one: us for one, us in known.items() if us >= before_us or self._copies(one)}
        if left != known:
            write_value(self._state, _UNLINKED, left)
        return left != known

    def _unlinks(self) -> dict[str, int]:
        """Who was unlinked, and when."""
        found: dict[str, int] = read_value(self._state, _UNLINKED, {})
        return found

    def settled_copies(self, observation_id: str) -> list[Stored]:
        """What is settled of an observation, in the order it came."""
        return self.numbered(self.settled(n for n, _ in self._copies(observation_id)))

    def copies(self, observation_id: str) -> list[int]:
        """The rows of an observation."""
        return [n for n, _ in self._copies(observation_id)]

    def expect_copies(self, observation_ids: Iterable[str]) -> None:
        """The rows of these are asked for next."""
        self._state.expect(f"i{one}" for one in observation_ids)

    def expect_charges(self, charge_ids: Iterable[str]) -> None:
        """The rows settled into these are asked for next."""
        self._charges.expect(charge_ids)

    def of_trace(self, trace_id: str) -> list[int]:
        """The rows of a trace."""
        return self._traces.of(trace_id)

    def of_charge(self, charge_id: str) -> list[int]:
        """The rows settled into a charge."""
        return sorted(self._charges.of(charge_id))

    def settled(self, numbers: Iterable[int]) -> list[int]:
        """Those of these rows that are settled."""
        every = list(numbers)
        self._state.expect(f"s{n}" for n in every)
        return [n for n in every if not self._status(n).ripe_us]

    def by_charge(self, charge_ids: Sequence[str]) -> dict[str, list[Observation]]:
        """The observations settled into each of these charges."""
        self.expect_charges(charge_ids)
        found = {one: self.numbered(self.of_charge(one)) for one in charge_ids}
        return {one: [row.observation for row in rows] for one, rows in found.items() if rows}

    def charge_ids(self) -> Iterator[str]:
        """The charges that have members, in the order of their first."""
        longer = read_value(self._state, _LONGER, ())
        every = (*longer, *range(self._marks.now.all_n + 1, self._marks.now.last_n + 1))
        self._state.expect(f"s{n}" for n in every)
        found = dict.fromkeys(self._status(n).charge_id for n in every)
        return (charge_id for charge_id in found if charge_id is not None)

    def numbered(self, numbers: Iterable[int]) -> list[Stored]:
        """The rows of these numbers."""
        every = list(numbers)
        self._state.expect(key for n in every for key in (f"s{n}", f"o{n}"))
        return [self._stored(n) for n in every]

    def keep_longer(self, n: int) -> None:
        """Note that a row is older than the rest, and kept because of younger ones."""
        write_value(self._state, _LONGER, [*read_value(self._state, _LONGER, ()), n])

    def forget(self, one: Stored) -> None:
        """Keep nothing of a settled row."""
        observation, n = one.observation, one.n
        longer = read_value(self._state, _LONGER, ())
        if n in longer:
            write_value(self._state, _LONGER, [other for other in longer if other != n])
        left = [copy for copy in self._copies(observation.id) if copy[0] != n]
        write_value(self._state, f"i{observation.id}", left)
        self._traces.remove(observation.trace_id, n)
        self._move(n, one.charge_id, None)
        self._state.delete(f"o{n}")
        self._state.delete(f"s{n}")
        self._read.pop(n, None)

    def _copies(self, observation_id: str) -> list[tuple[int, str]]:
        return [(n, digest) for n, digest in read_value(self._state, f"i{observation_id}", ())]

    def _stored(self, n: int) -> Stored:
        status = self._status(n)
        one = self._read.get(n)
        if one is None:
            one = from_record(decode(cast("bytes", self._state.get(f"o{n}"))))
            self._read[n] = one
        return Stored(n, one, status.ingested_us, status.charge_id, status.rule, status.ignored)

    def _status(self, n: int) -> _Status:
        return _Status(*read_value(self._state, f"s{n}", ()))

    def _put_status(self, n: int, status: _Status) -> None:
        self._state.put(f"s{n}", encode(status))

    def _seconds(self) -> list[int]:
        seconds: list[int] = read_value(self._state, "w", [])
        return seconds

    def _wait(self, n: int, ripe_us: int) -> None:
        second = ripe_us // _SECOND_US
        self._put_waiting(second, [*self._waiting_in(second), (ripe_us, n)])

    def _waiting_in(self, second: int) -> list[tuple[int, int]]:
        waiting: list[tuple[int, int]] = read_value(self._state, f"w{second}", [])
        return waiting

    def _put_waiting(self, second: int, waiting: list[tuple[int, int]]) -> None:
        write_value(self._state, f"w{second}", waiting)
        seconds = self._seconds()
        if bool(waiting) != (second in seconds):
            left = [one for one in seconds if one != second]
            write_value(self._state, "w", [*left, second] if waiting else left)


class KeyedEvidence(Component):
    """What observations may be found by.

    Args:
        state: of the key.
        marks: of the key.
        observations: of the key.
    """

    def __init__(self, state: State, marks: Marks, observations: KeyedObservations) -> None:
        super().__init__()
        self._marks, self._observations = marks, observations
        self._passing, self._lasting = NumberLists(state, "e"), NumberLists(state, "r")

    def offer(self, passing: list[EvidenceRow], lasting: list[EvidenceRow]) -> None:
        """See `Component`."""
        for lists, rows in ((self._passing, passing), (self._lasting, lasting)):
            lists.expect(_spelled(key) for key, _ in rows)
            for key, n in rows:
                lists.add(_spelled(key), n)

    def rows(self, numbers: Iterable[int]) -> list[Stored]:
        """See `Component`."""
        return self._observations.numbered(sorted(numbers))

    def passing(self, keys: Collection[int]) -> set[int]:
        """See `Component`."""
        return self._passing.all_of(map(_spelled, keys))

    def lasting(self, keys: Collection[int]) -> set[int]:
        """See `Component`."""
        return self._lasting.all_of(map(_spelled, keys))

    def copies(self, calls: Sequence[Observation]) -> set[int]:
        """See `Component`."""
        ids = {call.id for call in calls}
        self._observations.expect_copies(ids)
        of = [rows for rows in map(self._observations.copies, ids) if len(rows) > 1]
        return set(self._observations.settled(n for rows in of for n in rows))

    def of_charges(self, charge_ids: Collection[str]) -> set[int]:
        """See `Component`."""
        self._observations.expect_charges(charge_ids)
        return {n for one in charge_ids for n in self._observations.of_charge(one)}

    def of_trace(self, trace_id: str) -> set[int]:
        """See `Component`."""
        rows = self._observations.of_trace(trace_id)
        return set(self._observations.settled(rows)[:COMPONENT_MAX])

    def forgotten(self) -> tuple[int, int] | None:
        """See `Component`."""
        return self._marks.now.passing_n, self._marks.now.passing_us

    def forget_passing(self, one: Stored) -> None:
        """Forget a row's evidence of overlap."""
        for key in keys_of(one.observation).passing:
            self._passing.remove(_spelled(key), one.n)

    def forget_lasting(self, one: Stored) -> None:
        """Forget a row's evidence of responses."""
        for key in keys_of(one.observation).lasting:
            self._lasting.remove(_spelled(key), one.n)


def _spelled(key: int) -> str:
    return f"{key:x}"
