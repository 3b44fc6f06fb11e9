"""The propagator `genai_cost` beside W3C's own: what a tenant that is signed and verified costs on its way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from opentelemetry import context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context

from otel_genai_cost import tenant
from otel_genai_cost.tenancy import trust
from otel_genai_cost.tenancy.propagator import extract, inject
from otel_genai_cost.tenancy.tokens import Key, Keys, mint, verify
from tests.bench.measure import Result, alternate, relative

_W3C: Any = W3CBaggagePropagator


class PlainBaggage(W3CBaggagePropagator):
    """As it is where nothing of ours is."""

    inject = getattr(_W3C.inject, "__wrapped__", _W3C.inject)
    extract = getattr(_W3C.extract, "__wrapped__", _W3C.extract)


_THEIRS = PlainBaggage()
_PEER = "W3CBaggagePropagator"
_KEYS = (Key("k1", "hmac-sha256", b"s" * 32), Key("e1", "ed25519", b"s" * 32))
_ENTRIES = {"tenant.id": "acme", "tenant.plan": "pro", "genai_cost.feature": "chat"}


def tokens() -> Iterator[Result]:
    """A tenant with two labels: the way out, the way in, and the signatures alone, of both kinds of keys."""
    by_hmac, by_curve = _KEYS
    yield _out(by_hmac)
    yield _in(by_hmac, "<= 5.00")
    yield from _signatures(by_hmac, "<= 2.00")
    yield _in(by_curve, "<= 25.00")
    yield from _signatures(by_curve, "<= 25.00")
    trust.configure()


def _out(key: Key) -> Result:
    trust.configure(Keys((key,)))
    with tenant("acme", plan="pro", feature="chat"):
        current = context.get_current()
        return _row(
            "inject, signed once a request",
            lambda: inject({}, current),
            lambda: _THEIRS.inject({}, current),
            "<= 4.00",
        )


def _in(key: Key, goal: str) -> Result:
    signed, bare = _headers(key)
    return _row(
        f"extract, verified by {key.algorithm}",
        lambda: extract(signed, Context()),
        lambda: _THEIRS.extract(bare, Context()),
        goal,
    )


def _headers(key: Key) -> tuple[dict[str, str], dict[str, str]]:
    """The same tenant with a token and without."""
    trust.configure(Keys((key,)))
    signed: dict[str, str] = {}
    bare: dict[str, str] = {}
    with tenant("acme", plan="pro", feature="chat"):
        inject(signed)
        _THEIRS.inject(bare)
    return signed, bare


def _signatures(key: Key, goal: str) -> Iterator[Result]:
    keys, (_, bare) = Keys((key,)), _headers(key)

    def sign() -> str:
        return mint(key, _ENTRIES, tenant_key="tenant.id", audience="prod").token

    token = sign()

    def check() -> object:
        return verify(token, _ENTRIES, keys, tenant_key="tenant.id", audience="prod", now_s=0)

    def theirs() -> object:
        return _THEIRS.extract(bare, Context())

    peer = f"{_PEER}.extract"
    yield _row(f"sign by {key.algorithm}", sign, theirs, goal, peer)
    yield _row(f"verify by {key.algorithm}", check, theirs, goal, peer)


def _row(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    goal: str,
    peer: str = _PEER,
) -> Result:
    return relative(name, alternate(ours, theirs, calls=200, rounds=30), peer, goal)
