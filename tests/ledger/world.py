"""A world of calls whose truth is known, and the observations that instrumentations would make of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.vocabulary import Role
from tests.ledger.build import observe, tenant

_TENANTS: Final = ("acme", "globex", "initech")
_TOKENS: Final = ((1_000, 100), (1_000, 50), (239, 7))
"""Few, so that calls are often alike."""

_View = Callable[["_Call", "_World"], list[Observation]]


class World(NamedTuple):
    """Observations, and what each tenant's calls come to: how many, and their sum in atto."""

    observations: list[Observation]
    calls: Counter[str]
    amounts: Counter[str]


class _Call(NamedTuple):
    """One provider response; `span` is its client's span, and ten more ids are free."""

    span: int
    trace: int
    start_s: int
    tokens: tuple[int, int]
    tenant: str
    response_id: str
    process: str


class _World:
    """Draws calls and tells of them."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.observations: list[Observation] = []
        self.calls: Counter[str] = Counter()
        self.amounts: Counter[str] = Counter()
        self.span = 100

    def call(self, trace: int, start_s: int, above: tuple[int, ...], who: str) -> tuple[int, int]:
        """One call: the client tells of it, and perhaps others; its tokens."""
        self.span += 20
        tokens = self.draw.choice(_TOKENS)
        told = _Call(
            self.span, trace, start_s, tokens, who, f"r{self.span}", f"p{self.draw.randrange(2)}"
        )
        client = observe(
            told.span,
            trace=trace,
            above=above,
            start_s=start_s,
            end_s=start_s + 2,
            tokens=tokens,
            parts={"cache_read": 128},
            response_id=told.response_id,
            process=told.process,
            attribution=tenant(who),
        )
        self.observations.append(client)
        self.calls[who] += 1
        self.amounts[who] += client.cost.total or 0
        for view in self.draw.sample(_VIEWS, self.draw.randrange(3)):
            self.observations += view(told, self)
        return tokens

    def turn(self) -> None:
        """What one user's request does: a call, parallel twins, or an agent's run with a sum around it."""
        who, start_s = self.draw.choice(_TENANTS), self.draw.randrange(200)
        self.span += 20
        trace = root = self.span
        kind = self.draw.choice(("call", "twins", "agent", "tool"))
        if kind == "call":
            self.call(trace, start_s, (), who)
        elif kind == "twins":
            for _ in range(self.draw.randrange(2, 4)):
                self.call(trace, start_s, (root,), who)
        elif kind == "agent":
            self.agent(trace, root, start_s, who)
        else:
            outer = observe(
                root,
                trace=trace,
                start_s=start_s,
                end_s=start_s + 9,
                tokens=(7_777, 70),
                attribution=tenant(who),
            )
            self.observations.append(outer)
            self.calls[who] += 1
            self.amounts[who] += outer.cost.total or 0
            self.call(trace, start_s + 1, (root,), who)

    def agent(self, trace: int, root: int, start_s: int, who: str) -> None:
        """Calls one after the other, below a span that adds them up."""
        told = [self.call(trace, start_s + 4 * n, (root,), who) for n in range(3)]
        roles: tuple[Role, ...] = ("response", "aggregate", "cumulative")
        role = self.draw.choice(roles)
        times = 2 if role == "cumulative" else 1
        self.observations.append(
            observe(
                root,
                trace=trace,
                start_s=start_s,
                end_s=start_s + 14,
                tokens=(times * sum(one[0] for one in told), times * sum(one[1] for one in told)),
                role=role,
                scope="framework",
                process="p9",
                attribution=tenant(who),
            )
        )


def _gateway(call: _Call, world: _World) -> list[Observation]:
    """Another process, another trace, the provider's own id; it knows nobody's name."""
    return [
        observe(
            call.span + 1,
            trace=call.span + 1,
            start_s=call.start_s,
            end_s=call.start_s + 1,
            tokens=call.tokens,
            response_id=call.response_id,
            scope="gateway",
            process="gateway",
            attribution=tenant(None),
        )
    ]


def _native(call: _Call, world: _World) -> list[Observation]:
    """The SDK's own span, below the client's."""
    return [
        observe(
            call.span + 2,
            trace=call.trace,
            above=(call.span,),
            start_s=call.start_s,
            end_s=call.start_s + 2,
            tokens=call.tokens,
            scope="native",
            process=call.process,
            attribution=tenant(None),
        )
    ]


def _silent(call: _Call, world: _World) -> list[Observation]:
    """A span below the client's that lost its numbers."""
    return [
        one._replace(span_id=f"{call.span + 3:016x}", id=f"{call.span + 3:032x}", scope="quiet")
        for one in (
            observe(
                call.span + 3,
                trace=call.trace,
                above=(call.span,),
                start_s=call.start_s,
                end_s=call.start_s + 2,
                tokens=None,
                process=call.process,
                attribution=tenant(None),
            ),
        )
    ]


def _poll(call: _Call, world: _World) -> list[Observation]:
    """Somebody else reads the stored response again."""
    start_s = call.start_s + world.draw.randrange(3, 300)
    return [
        observe(
            call.span + 4,
            trace=call.span + 4,
            start_s=start_s,
            end_s=start_s + 1,
            tokens=call.tokens,
            response_id=call.response_id,
            role="poll",
            process=call.process,
            attribution=tenant("initech", "for_tenant"),
        )
    ]


def _copy(call: _Call, world: _World) -> list[Observation]:
    """The hop's copy of the client's span."""
    return [world.observations[-1]._replace(scope_version="hop")] if _is_client(call, world) else []


def _is_client(call: _Call, world: _World) -> bool:
    return world.observations[-1].span_id == f"{call.span:016x}"


_VIEWS: Final[tuple[_View, ...]] = (_gateway, _native, _silent, _poll, _copy)


def world_of(seed: int, turns: int = 12) -> World:
    """A world of that many requests."""
    world = _World(seed)
    for _ in range(turns):
        world.turn()
    return World(world.observations, world.calls, world.amounts)
