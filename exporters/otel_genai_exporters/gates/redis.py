"""Holds in Redis: several gates keep one set of budgets, in memory as fast as Redis syncs it.

A batch of operations reads, decides and writes by one script, which refuses if anybody else has written since: then all
of it is run again. Amounts are decimal text, as everywhere, so that none is rounded. How much a Redis that dies forgets
is its own setting: with `appendfsync always` nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from otel_genai_cost.errors import MissingExtraError
from otel_genai_cost.gate.cached import Basis, Changes, Found, Query, Wanted
from otel_genai_cost.gate.store import StoreUnavailableError
from otel_genai_cost.ledger.projections.mirrored import MirrorMark, budgets_of
from otel_genai_cost.limits.hold import IN_FLIGHT, NOTHING_COMMITTED, Claim, Committed, Hold, Place

__all__ = ["RedisBackend"]

_T = TypeVar("_T")

_PREFIX: Final = "{genai-cost}:"
"""In braces, so that a cluster keeps all of it on one node, where a script can reach it."""

_VERSION: Final = f"{_PREFIX}version"
_BASIS: Final = f"{_PREFIX}basis"
_HELD: Final = f"{_PREFIX}held"
_BOOKED: Final = f"{_PREFIX}booked"
_CREDIT: Final = f"{_PREFIX}credit"
_OPEN: Final = f"{_PREFIX}open"
_EXPIRES: Final = f"{_PREFIX}expires"
_ENDS: Final = f"{_PREFIX}ends"
_KEPT_S: Final = 7 * 86_400
_SEPARATOR: Final = "\x1f"

_COMMIT: Final = """
if (redis.call('GET', KEYS[1]) or '0') ~= ARGV[1] then return 0 end
local commands = cjson.decode(ARGV[2])
for _, command in ipairs(commands) do redis.call(unpack(command)) end
redis.call('INCR', KEYS[1])
return 1
"""
"""Writes if nobody has written since; a version is of the whole store, as operations may read any of it."""


class RedisBackend:
    """One connection.

    Args:
        address: `redis://…`.

    Raises:
        MissingExtraError: without redis.
    """

    def __init__(self, address: str) -> None:
        self._library = _redis()
        self._db: Any = self._library.Redis.from_url(
            address, socket_timeout=5, socket_connect_timeout=3, decode_responses=True
        )
        self._commit_script: Any = self._db.register_script(_COMMIT)
        self._version = "0"

    def begin(self) -> Basis | None:
        version, basis = self._tried(lambda: self._db.mget(_VERSION, _BASIS))
        self._version = version or "0"
        if basis is None:
            return None
        found = json.loads(basis)
        return Basis(budgets_of(found["text"]), found["mark"][3], found["mark"][1])

    def read(self, wanted: Wanted, now_us: int) -> Found:
        return self._tried(lambda: self._read(wanted, now_us))

    def commit(self, changes: Changes, now_us: int) -> bool:
        commands = list(_commands(changes))
        if not commands:  # what was only read must have been of one moment
            return (self._tried(lambda: self._db.get(_VERSION)) or "0") == self._version
        done = self._tried(
            lambda: self._commit_script(keys=[_VERSION], args=[self._version, json.dumps(commands)])
        )
        return bool(done)

    def roll_back(self) -> None:
        """Nothing was written."""

    def position(self) -> MirrorMark | None:
        basis = self._tried(lambda: self._db.get(_BASIS))
        return None if basis is None else MirrorMark(*json.loads(basis)["mark"])

    def close(self) -> None:
        self._db.close()

    def _tried(self, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except (self._library.RedisError, OSError) as error:
            raise StoreUnavailableError(f"Redis: {type(error).__name__}") from None

    def _read(self, wanted: Wanted, now_us: int) -> Found:
        ids, places = list(wanted.holds), list(wanted.places)
        with self._db.pipeline(transaction=False) as pipe:
            for keys in (list(map(_key, ids)),) if ids else ():
                pipe.mget(keys)
            if places:
                fields = list(map(_field, places))
                pipe.hmget(_HELD, fields)
                pipe.hmget(_BOOKED, fields)
            answers = pipe.execute()
        holds = dict(zip(ids, map(_hold, answers.pop(0) if ids else ()), strict=True))
        committed: dict[Place, Committed] = {}
        if places:
            for place, held, booked in zip(places, *answers, strict=True):
                committed[place] = _committed(held, booked)
        return Found(holds, committed, {one: self._asked(one, now_us) for one in wanted.queries})

    def _asked(self, query: Query, now_us: int) -> list[Any]:
        if query[0] == "due":
            return [
                *((hold, "expire") for hold in self._over(_EXPIRES, now_us, query[1])),
                *((hold, "end") for hold in self._over(_ENDS, now_us, query[1])),
            ]
        if query[0] == "open":
            found = self._holds(self._db.smembers(_OPEN))
            return [hold for hold in found if query[1] is None or hold.tenant == query[1]]
        if query[0] == "credit":
            standing = self._db.hget(_CREDIT, query[1])
            return [] if standing is None else [standing]
        return sorted(self._db.smembers(_keys_of(query[1], query[2])))

    def _over(self, which: str, now_us: int, limit: int) -> list[Hold]:
        return self._holds(self._db.zrangebyscore(which, "-inf", now_us, 0, limit))

    def _holds(self, ids: Iterable[str]) -> list[Hold]:
        keys = list(map(_key, sorted(ids)))
        found = map(_hold, self._db.mget(keys)) if keys else ()
        return [hold for hold in found if hold is not None]


def _commands(changes: Changes) -> Iterable[list[str]]:
    """What the script is to do, as commands of Redis."""
    for hold in changes.holds.values():
        yield from _put(hold)
    for place, one in changes.sums.items():
        yield ["HSET", _HELD, _field(place), f"{one.open} {one.in_flight}"]
        yield ["SADD", _keys_of(place.series, place.period_from_us), place.key]
    brought = changes.brought
    if brought is None:
        return
    if brought.is_whole:
        yield ["DEL", _BOOKED, _CREDIT]
    for place, amount in brought.booked.items():
        yield ["HSET", _BOOKED, _field(place), str(amount)]
        yield ["SADD", _keys_of(place.series, place.period_from_us), place.key]
    for tenant, standing in brought.credit.items():
        yield ["HSET", _CREDIT, tenant, standing]
    yield ["SET", _BASIS, json.dumps({"mark": brought.mark, "text": brought.text})]


def _put(hold: Hold) -> Iterable[list[str]]:
    content = json.dumps(
        [*hold[:8], [[*place, amount] for place, amount in hold.claims], *hold[9:]]
    )
    if hold.is_open:
        yield ["SET", _key(hold.id), content]
        yield ["SADD", _OPEN, hold.id]
    else:
        yield ["SET", _key(hold.id), content, "EX", str(_KEPT_S)]
        yield ["SREM", _OPEN, hold.id]
    yield ["ZREM", _EXPIRES, hold.id]
    yield ["ZREM", _ENDS, hold.id]
    if hold.state in IN_FLIGHT:
        yield ["ZADD", _EXPIRES, str(hold.expires_us), hold.id]
    elif hold.is_open:
        yield ["ZADD", _ENDS, str(hold.ends_us), hold.id]


def _hold(content: str | None) -> Hold | None:
    if content is None:
        return None
    found: list[Any] = json.loads(content)
    claims = tuple(Claim(Place(*place), amount) for *place, amount in found[8])
    return Hold._make((*found[:8], claims, *found[9:]))


def _committed(held: str | None, booked: str | None) -> Committed:
    if held is None and booked is None:
        return NOTHING_COMMITTED
    opened, in_flight = map(int, (held or "0 0").split(" "))
    return Committed(int(booked or "0"), opened, in_flight)


def _key(hold_id: str) -> str:
    return f"{_PREFIX}hold:{hold_id}"


def _field(place: Place) -> str:
    return _SEPARATOR.join(map(str, place))


def _keys_of(series: str, period_from_us: int) -> str:
    return f"{_PREFIX}keys:{series}:{period_from_us}"


def _redis() -> Any:
    try:
        import redis
    except ImportError:
        raise MissingExtraError("the gate's store in Redis", "redis", "gate-redis") from None
    return redis
