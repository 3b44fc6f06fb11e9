"""The propagator `genai_cost`, in the place of `baggage`: OTEL_PROPAGATORS=tracecontext,genai_cost.

It reads and writes the same header. Of what comes in, tenants and labels are dropped unless a token vouches for them;
what leaves is allow-listed, the tenant first, with its token.
"""

from __future__ import annotations

from typing import Any, Final

from opentelemetry import baggage, context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)

from otel_genai_cost.attributes import TENANT_TOKEN
from otel_genai_cost.errors import guarded
from otel_genai_cost.switch import is_off
from otel_genai_cost.tenancy import trust
from otel_genai_cost.tenancy.binding import (
    TENANT_KEY,
    bind,
    capture,
    is_protected,
    stripped,
    vouched_key,
)
from otel_genai_cost.tenancy.decided import decided_for
from otel_genai_cost.tenancy.outgoing import sent
from otel_genai_cost.tenancy.refusals import not_counted, refuse
from otel_genai_cost.tenancy.scope import Scope

__all__ = ["GenAICostPropagator", "extract", "inject"]

HEADER: Final = "baggage"


class GenAICostPropagator(TextMapPropagator):
    """Baggage whose tenant is believed if a token vouches for it. Switched off with everything else, it is W3C's."""

    def __init__(self) -> None:
        self._instead = W3CBaggagePropagator() if is_off() else None
        if self._instead is None:
            trust.switch_on()

    def extract(
        self,
        carrier: Any,
        context: Context | None = None,
        getter: Getter[Any] = default_getter,
    ) -> Context:
        if self._instead is not None:
            return self._instead.extract(carrier, context, getter)
        return extract(carrier, context, getter)

    def inject(
        self,
        carrier: Any,
        context: Context | None = None,
        setter: Setter[Any] = default_setter,
    ) -> None:
        if self._instead is not None:
            self._instead.inject(carrier, context, setter)
        else:
            inject(carrier, context, setter)

    @property
    def fields(self) -> set[str]:
        return {HEADER}


def extract(
    carrier: Any, context: Context | None = None, getter: Getter[Any] = default_getter
) -> Context:
    """The context with the baggage of a carrier.

    Args:
        carrier: What came.
        context: What to begin with; None for an empty one, never the current one.
        getter: Reads the carrier.
    """
    base = Context() if context is None else context
    found = _extracted(carrier, base, getter)
    return base if found is None else found


@guarded("tenancy.extract", default=None)
def _extracted(carrier: Any, base: Context, getter: Getter[Any]) -> Context | None:
    headers = getter.get(carrier, HEADER)
    if not headers:
        return None
    decided = decided_for(carrier)
    arriving = trust.read(headers, vouched_key(), refuse if decided is None else not_counted)
    onto = stripped(base)
    for name, value in arriving.others.items():
        onto = baggage.set_baggage(name, value, onto)
    if decided is not None:
        return decided.onto(onto)
    if arriving.signed is None:
        return onto
    for name, value in arriving.signed.entries.items():
        onto = baggage.set_baggage(name, value, onto)
    return bind(trust.attribution_by(arriving.signed), onto, scope=Scope(arriving.signed))


@guarded("tenancy.inject", default=None)
def inject(
    carrier: Any, given: Context | None = None, setter: Setter[Any] = default_setter
) -> None:
    """Write what goes on to other services into a carrier.

    Args:
        carrier: What is sent.
        given: The context; None for the current one.
        setter: Writes to the carrier.
    """
    current = context.get_current() if given is None else given
    entries = _entries(sent(given) or current)
    header = trust.written(entries, lambda: refuse("baggage_full"))
    if header:
        setter.set(carrier, HEADER, header)


def _entries(current: Context) -> dict[str, object]:
    """The tenant, its token and what that signs; then what is allowed to go."""
    captured = capture(current)
    if captured is None or not captured.entries:
        return {}
    signed = trust.vouched_for(captured)
    ours: dict[str, object] = {}
    if signed is not None:
        tenant = signed.entries.get(TENANT_KEY)
        first = {TENANT_KEY: tenant} if tenant else {}
        ours = {**first, TENANT_TOKEN: signed.token, **signed.entries}
    allowed = {
        name: value
        for name, value in captured.entries.items()
        if (signed is None if is_protected(name) else trust.may_go(name))
    }
    unsigned_first = sorted(allowed, key=lambda name: not is_protected(name))
    return {**ours, **{name: allowed[name] for name in unsigned_first}}
