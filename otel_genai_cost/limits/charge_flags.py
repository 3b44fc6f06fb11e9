"""What is odd about a single call, beside the calls before it. Pure.

Calls come in the order of time, and each is compared with what was before it alone: a flag that is seen once is seen
whenever somebody looks, and nothing that comes later takes it away.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator
from typing import Final, Literal, NamedTuple, get_args

from otel_genai_cost.limits.recent import DAY_US, Recent

__all__ = ["FALLBACK_US", "FLAGS", "Call", "Flag", "Flagged", "flagged", "is_model"]

Flag = Literal["large_prompt", "over_rate", "fallback", "runaway_action", "cache_lost"]
FLAGS: Final[tuple[Flag, ...]] = get_args(Flag)

_PROMPTS_LEAST: Final = 100
_ACTIONS_LEAST: Final = 20
_RUNAWAY_TIMES: Final = 10
FALLBACK_US: Final = 60_000_000
"""How long after a call that failed another of the same action is taken to be made in its place."""

_CACHE_SPAN_US: Final = 6 * DAY_US // 24
_CACHE_BEFORE_US: Final = 7 * DAY_US
_CACHE_LEAST: Final = 20
_ACTION_OVER_US: Final = DAY_US
"""After so long without a call an action is taken to be over."""


_VERSION: Final = re.compile(r"[-@:](latest|\d{3,}|\d{4}-\d\d-\d\d)$")
"""What a provider adds to a model's name."""


class Call(NamedTuple):
    """A charge as the flags see it.

    Attributes:
        charge_id: 32 hex digits.
        at_us: when it ended, unix microseconds.
        tenant, feature, action, provider, model: for whom and of what; None where that is not known.
        input_tokens: all that went in, `cached_tokens` of them read from a cache.
        failed_asking: for which model a call asked that came to an error; None if it came to none.
        paced_s: how long the gate told it to wait before it went out, in seconds.
    """

    charge_id: str
    at_us: int
    tenant: str | None
    feature: str | None
    action: str | None
    provider: str | None
    model: str | None
    input_tokens: int
    cached_tokens: int
    failed_asking: str | None = None
    paced_s: int = 0


class Flagged(NamedTuple):
    """What is odd about a call.

    Attributes:
        call: it.
        flag: what it is called.
        observed, expected: tokens of `large_prompt`; of `cache_lost` the cached tokens of a thousand; calls of
            `runaway_action`; seconds to wait of `over_rate`, of which none are expected; of `fallback` the model, and
            the one that was asked for.
    """

    call: Call
    flag: Flag
    observed: int | str
    expected: int | str


def flagged(calls: Iterable[Call]) -> Iterator[Flagged]:
    """The flags of calls.

    Args:
        calls: in the order of time.
    """
    rules = (_Prompts(), _Rates(), _Fallbacks(), _Actions(), _Caches())
    for call in calls:
        for rule in rules:
            found = rule.note(call)
            if found is not None:
                yield found


class _Prompts:
    """`large_prompt`: more goes in than in 99.5 % of the last 28 days' calls of the tenant, the feature and the model,
    and more than four times their median."""

    def __init__(self) -> None:
        self._recent: dict[Hashable, Recent] = defaultdict(Recent)

    def note(self, call: Call) -> Flagged | None:
        recent = self._recent[call.tenant, call.feature, call.provider, call.model]
        recent.forget(call.at_us)
        found = None
        if len(recent) >= _PROMPTS_LEAST:
            most, tokens = recent.rank(995), call.input_tokens
            if tokens > most and tokens > 4 * recent.rank(500):
                found = Flagged(call, "large_prompt", tokens, most)
        if call.input_tokens:
            recent.add(call.at_us, call.input_tokens)
        return found


class _Rates:
    """`over_rate`: the gate told the call to wait, since it went faster than its budget lasts."""

    def note(self, call: Call) -> Flagged | None:
        return Flagged(call, "over_rate", call.paced_s, 0) if call.paced_s else None


class _Fallbacks:
    """`fallback`: another model was called within a minute after one failed, for the same action."""

    def __init__(self) -> None:
        self._failed: dict[Hashable, tuple[int, str]] = {}

    def note(self, call: Call) -> Flagged | None:
        if call.action is None:
            return None
        key = call.tenant, call.action
        if call.failed_asking is not None:
            self._failed[key] = call.at_us, call.failed_asking
            return None
        at_us, asked = self._failed.pop(key, (0, ""))
        if not asked or call.at_us - at_us > FALLBACK_US or is_model(call.model, asked):
            return None
        return Flagged(call, "fallback", call.model or "", asked)


def is_model(model: str | None, asked: str) -> bool:
    """Whether that is the model that was asked for, of whatever date or number.

    Args:
        model: that answered; None if it is not known, which is taken for the same.
        asked: the one that was asked for.
    """
    return model is None or _family(model) == _family(asked)


def _family(model: str) -> str:
    return _VERSION.sub("", model.casefold())


class _Actions:
    """`runaway_action`: an action has more than ten times as many calls as those of the tenant and the feature that
    were over before usually have."""

    def __init__(self) -> None:
        self._usual: dict[Hashable, Recent] = defaultdict(Recent)
        self._going: dict[Hashable, dict[str, tuple[int, int]]] = defaultdict(dict)

    def note(self, call: Call) -> Flagged | None:
        if call.action is None:
            return None
        group = call.tenant, call.feature
        usual, going = self._usual[group], self._going[group]
        self._end(usual, going, call.at_us)
        usual.forget(call.at_us)
        calls = going.pop(call.action, (0, 0))[1] + 1
        going[call.action] = call.at_us, calls  # behind those that were quiet for longer
        if len(usual) < _ACTIONS_LEAST or calls <= _RUNAWAY_TIMES * usual.rank(500):
            return None
        return Flagged(call, "runaway_action", calls, usual.rank(500))

    def _end(self, usual: Recent, going: dict[str, tuple[int, int]], at_us: int) -> None:
        while going:
            action, (last_us, calls) = next(iter(going.items()))
            if at_us - last_us < _ACTION_OVER_US:
                return
            del going[action]
            usual.add(at_us, calls)


class _Hits:
    """Tokens that went in, and those of them that a cache had, over a stretch of time."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque()
        self._tokens = self._cached = 0

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def per_mille(self) -> int:
        return 1000 * self._cached // self._tokens if self._tokens else 0

    def add(self, call: Call) -> None:
        self._calls.append(call)
        self._tokens += call.input_tokens
        self._cached += call.cached_tokens

    def forget(self, before_us: int) -> list[Call]:
        """Forget the calls before a time; which."""
        gone: list[Call] = []
        while self._calls and self._calls[0].at_us < before_us:
            call = self._calls.popleft()
            self._tokens -= call.input_tokens
            self._cached -= call.cached_tokens
            gone.append(call)
        return gone


class _Caches:
    """`cache_lost`: of the tokens of the last six hours at most half as large a part was cached as in the seven days
    before, in which it was a fifth or more; each call that has no more itself."""

    def __init__(self) -> None:
        self._hits: dict[Hashable, tuple[_Hits, _Hits]] = {}

    def note(self, call: Call) -> Flagged | None:
        key = call.tenant, call.feature, call.provider, call.model
        now, before = self._hits.setdefault(key, (_Hits(), _Hits()))
        now.add(call)
        for one in now.forget(call.at_us - _CACHE_SPAN_US):
            before.add(one)
        before.forget(call.at_us - _CACHE_SPAN_US - _CACHE_BEFORE_US)
        usual = before.per_mille
        if min(len(now), len(before)) < _CACHE_LEAST or usual < 200 or 2 * now.per_mille > usual:
            return None
        own = 1000 * call.cached_tokens // call.input_tokens if call.input_tokens else usual
        return Flagged(call, "cache_lost", now.per_mille, usual) if 2 * own <= usual else None
