"""State, sums and positions of workers in Redis: everything of a partition has one hash tag, and changes by one script.

The script compares the revision and writes, or does neither, and nobody is served in between. A Redis that dies and
forgets its last second forgets positions and state alike, so that the same messages are read again; `appendfsync
always` where entries are sent onward. One that evicts keys is refused: it would forget what was charged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from otel_genai_cost.errors import ConfigurationError, GenAICostError, MissingExtraError
from otel_genai_cost.streaming.partition_store import Commit, KeysOf, Standing, Windowed

__all__ = ["RedisPartitions"]

_T = TypeVar("_T")

_KEPT_S: Final = 40 * 86_400
"""How long sums are kept after they last changed: longer than anything of a charge may still come."""

_WHOLE_MAX: Final = 2_000
"""Up to so many fields the state of a key is read at once; of more, what is asked for."""

_AT_ONCE: Final = 500
_REFUSED_MAX: Final = 10_000
_NEVER: Final = ("noeviction", "")

_COMMIT: Final = """
if (redis.call('HGET', KEYS[1], 'revision') or '0') ~= ARGV[1] then return 0 end
local at = 2
while at <= #ARGV do
  local words = tonumber(ARGV[at])
  redis.call(unpack(ARGV, at + 1, at + words))
  at = at + words + 1
end
redis.call('HINCRBY', KEYS[1], 'revision', 1)
return 1
"""
"""Does what it is told, if nobody has committed since. Each command is preceded by the number of its words."""

_Command = tuple["str | bytes | int", ...]


class RedisPartitions:
    """One connection.

    Args:
        address: `redis://…`.
        name: of the group of workers.

    Raises:
        ConfigurationError: if it may evict keys.
        GenAICostError: if it does not answer.
        MissingExtraError: without redis.
    """

    def __init__(self, address: str, name: str) -> None:
        self._library, self._name = _redis(), name
        self._db: Any = self._library.Redis.from_url(
            address, socket_timeout=10, socket_connect_timeout=3
        )
        self._script: Any = self._db.register_script(_COMMIT)
        self._known: set[str] = set()
        policy = self._policy()
        if policy not in _NEVER:
            self.close()
            raise ConfigurationError(
                "Redis may evict keys, and would forget what was charged",
                value=policy,
                where="its maxmemory-policy",
                remedy="set it to noeviction, or take another Redis",
            )

    def _policy(self) -> str:
        """How it makes room; "" where it does not say. Services that let nobody see its configuration tell this too."""
        try:
            found: dict[str, Any] = self._tried(lambda: self._db.info("memory"))
        except _RefusedError:
            return ""
        return str(found.get("maxmemory_policy", ""))

    def _tag(self, partition: str) -> str:
        return f"genai-cost:{{{self._name}:{partition}}}"

    def standing(self, partition: str) -> Standing:
        """As `PartitionStore.standing`."""
        if partition not in self._known:
            self._tried(lambda: self._db.sadd(self._partitions, partition))
            self._known.add(partition)
        key = f"{self._tag(partition)}:standing"
        names = ("revision", "position", "terms")
        revision, position, terms = self._tried(lambda: self._db.hmget(key, *names))
        at = None if position is None else position.decode()
        return Standing(int(revision or 0), at, (terms or b"").decode())

    @property
    def _partitions(self) -> str:
        return f"genai-cost:{self._name}:partitions"

    def states(self, partition: str, keys: Sequence[str]) -> Mapping[str, _KeyState]:
        """As `PartitionStore.states`. Small ones are read whole, in two questions for all of them."""
        names = [self._state(partition, key) for key in keys]
        with self._db.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hlen(name)
            sizes = self._tried(pipe.execute)
            small = [
                name for name, size in zip(names, sizes, strict=True) if 0 < size <= _WHOLE_MAX
            ]
            for name in small:
                pipe.hgetall(name)
            whole = dict(zip(small, self._tried(pipe.execute), strict=True))
        return {
            key: _KeyState(self, name, whole.get(name, {}), is_whole=size <= _WHOLE_MAX)
            for key, name, size in zip(keys, names, sizes, strict=True)
        }

    def fields(self, name: str, fields: Sequence[str]) -> list[bytes | None]:
        """Some fields of a state that is not read whole."""
        found: list[bytes | None] = self._tried(lambda: self._db.hmget(name, fields))
        return found

    def _state(self, partition: str, key: str) -> str:
        return f"{self._tag(partition)}:state:{key}"

    def due(self, partition: str, by_us: int, limit: int) -> list[str]:
        """As `PartitionStore.due`.

        Args:
            partition: which.
            by_us: unix microseconds.
            limit: how many at most.
        """
        name = f"{self._tag(partition)}:due"
        found = self._tried(lambda: self._db.zrangebyscore(name, "-inf", by_us, 0, limit))
        return [key.decode() for key in found]

    def keys(self, partition: str, at: str, limit: int) -> KeysOf:
        """As `PartitionStore.keys`: whatever is kept is to be forgotten once, and so has a time when it is due.

        Args:
            partition: which.
            at: "" for the first; then what the answer before said.
            limit: about how many.
        """
        name = f"{self._tag(partition)}:due"
        next_at, found = self._tried(lambda: self._db.zscan(name, int(at or 0), count=limit))
        return KeysOf([key.decode() for key, _ in found], str(next_at) if next_at else None)

    def waiting(self, partition: str, limit: int) -> list[bytes]:
        """As `PartitionStore.waiting`."""
        name = f"{self._tag(partition)}:entries"
        found: list[bytes] = self._tried(lambda: self._db.lrange(name, 0, limit - 1))
        return found

    def refused(self, partition: str, limit: int) -> list[bytes]:
        """As `PartitionStore.refused`."""
        name = f"{self._tag(partition)}:refused"
        found: list[bytes] = self._tried(lambda: self._db.lrange(name, -limit, -1))
        return found

    def commit(self, partition: str, revision: int, commit: Commit) -> bool:
        """As `PartitionStore.commit`.

        Args:
            partition: which.
            revision: the one that it follows.
            commit: what is changed.
        """
        words: list[str | bytes | int] = [revision]
        for command in self._commands(partition, commit):
            words += (len(command), *command)
        key = f"{self._tag(partition)}:standing"
        return bool(self._tried(lambda: self._script(keys=[key], args=words)))

    def _commands(self, partition: str, commit: Commit) -> Iterator[_Command]:
        tag = self._tag(partition)
        for key, changes in commit.state.items():
            yield from _of_state(self._state(partition, key), changes)
        for key, due_us in commit.due.items():
            score = () if due_us is None else (due_us,)
            yield ("ZADD" if score else "ZREM", f"{tag}:due", *score, key)
        for window_us, fields in commit.sums.items():
            name = f"{tag}:sums:{window_us}"
            for field, number in fields.items():
                yield ("HINCRBY", name, field, number)
            yield ("EXPIRE", name, _KEPT_S)
            yield ("ZADD", f"{tag}:windows", window_us, window_us)
        if commit.sent:
            yield ("LTRIM", f"{tag}:entries", commit.sent, -1)
        for part in _cut(commit.entries):
            yield ("RPUSH", f"{tag}:entries", *part)
        for part in _cut(commit.refused):
            yield ("RPUSH", f"{tag}:refused", *part)
            yield ("LTRIM", f"{tag}:refused", -_REFUSED_MAX, -1)
        yield from _of_standing(f"{tag}:standing", commit)

    def keep_book(self, digest: str, lock: bytes) -> None:
        """As `PartitionStore.keep_book`."""
        self._tried(lambda: self._db.set(f"genai-cost:{self._name}:book:{digest}", lock))

    def book(self, digest: str) -> bytes | None:
        """As `PartitionStore.book`."""
        found: bytes | None = self._tried(
            lambda: self._db.get(f"genai-cost:{self._name}:book:{digest}")
        )
        return found

    def windows(self, from_us: int, to_us: int) -> Iterator[Windowed]:
        """As `PartitionStore.windows`."""
        partitions = self._tried(lambda: self._db.smembers(self._partitions))
        for tag in sorted(self._tag(one.decode()) for one in partitions):
            yield from self._windows(tag, from_us, to_us)

    def _windows(self, tag: str, from_us: int, to_us: int) -> Iterator[Windowed]:
        name = f"{tag}:windows"
        found = self._tried(lambda: self._db.zrangebyscore(name, from_us, f"({to_us}"))
        for window_us in map(int, found):
            yield Windowed(window_us, self._numbers(f"{tag}:sums:{window_us}"))

    def _numbers(self, name: str) -> dict[str, int]:
        fields = self._tried(lambda: self._db.hgetall(name))
        return {key.decode(): int(number) for key, number in fields.items()}

    def close(self) -> None:
        """As `PartitionStore.close`."""
        self._db.close()

    def _tried(self, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except self._library.exceptions.ResponseError as error:
            raise _RefusedError(f"Redis refuses: {error}") from None
        except (self._library.RedisError, OSError) as error:
            raise GenAICostError(
                f"Redis does not answer ({type(error).__name__}: {error}); look whether it runs, at --state"
            ) from None


class _RefusedError(GenAICostError):
    """Redis has answered, and said no."""


class _KeyState:
    """The state of one key, to be read."""

    def __init__(
        self, store: RedisPartitions, name: str, fields: Mapping[bytes, bytes], *, is_whole: bool
    ) -> None:
        self._store, self._name, self._is_whole = store, name, is_whole
        self._fields: dict[str, bytes | None] = {
            key.decode(): value for key, value in fields.items()
        }

    def get(self, key: str) -> bytes | None:
        """See `State`."""
        self.expect((key,))
        return self._fields.get(key)

    def expect(self, keys: Iterable[str]) -> None:
        """See `State`: what is asked for by itself is a question by itself."""
        every = () if self._is_whole else dict.fromkeys(keys)
        for part in _cut(key for key in every if key not in self._fields):
            self._fields.update(zip(part, self._store.fields(self._name, part), strict=True))

    def put(self, key: str, value: bytes) -> None:
        """It is written by a commit."""
        raise NotImplementedError

    def delete(self, key: str) -> None:
        """It is written by a commit."""
        raise NotImplementedError


def _of_standing(name: str, commit: Commit) -> Iterator[_Command]:
    if commit.refused:  # how many their list has lost is the difference to its length
        yield ("HINCRBY", name, "refused", len(commit.refused))
    if commit.position is not None:
        yield ("HSET", name, "position", commit.position)
    if commit.terms is not None:
        yield ("HSET", name, "terms", commit.terms)


def _of_state(name: str, changes: Mapping[str, bytes | None]) -> Iterator[_Command]:
    kept = [(key, value) for key, value in changes.items() if value is not None]
    for pairs in _cut(kept):
        yield ("HSET", name, *(word for pair in pairs for word in pair))
    for gone in _cut([key for key, value in changes.items() if value is None]):
        yield ("HDEL", name, *gone)


def _cut(values: Iterable[_T]) -> Iterator[tuple[_T, ...]]:
    """Parts that a script can hand over at once."""
    every = iter(values)
    while part := tuple(islice(every, _AT_ONCE)):
        yield part


def _redis() -> Any:
    try:
        import redis
    except ImportError:
        raise MissingExtraError("state in Redis", "redis", "gate-redis") from None
    return redis
