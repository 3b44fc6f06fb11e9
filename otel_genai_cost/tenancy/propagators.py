"""What comes into this process is noted as such, and what is not believed is not sent on in our name.

The propagators' own classes are wrapped, once, because instrumentations keep the functions that they imported, and an
application may set a propagator of its own later.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Final

from opentelemetry import baggage, context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator

from otel_genai_cost.errors import fence, guarded
from otel_genai_cost.tenancy import propagator, trust
from otel_genai_cost.tenancy.decided import decided_for
from otel_genai_cost.tenancy.inbound import came_in
from otel_genai_cost.tenancy.outgoing import sent

__all__ = ["watch"]

_WATCHED: Final = "_genai_cost_watched"


def watch() -> None:
    """Watch what is extracted and injected from now on."""
    # Those of OTEL_PROPAGATORS are made when this is imported first.
    with fence("tenancy.propagators"):
        import_module("opentelemetry.propagate")
    for owner in (CompositePropagator, W3CBaggagePropagator):
        if not hasattr(owner, _WATCHED):
            for name, wrapped in (("extract", _extracting), ("inject", _injecting)):
                setattr(owner, name, wrapped(getattr(owner, name)))
            setattr(owner, _WATCHED, True)


def _extracting(original: Callable[..., Context]) -> Callable[..., Context]:
    @functools.wraps(original)
    def extract(
        self: Any, carrier: Any, context: Context | None = None, *args: Any, **kwargs: Any
    ) -> Context:
        extract_from = propagator.extract if _is_ours(self) else partial(original, self)
        extracted = extract_from(carrier, context, *args, **kwargs)
        return _noted(carrier, context, extracted) or extracted

    return extract


def _injecting(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def inject(
        self: Any, carrier: Any, context: Context | None = None, *args: Any, **kwargs: Any
    ) -> None:
        if _is_ours(self):
            propagator.inject(carrier, context, *args, **kwargs)
        else:
            original(self, carrier, sent(context) or context, *args, **kwargs)

    return inject


def _is_ours(used: object) -> bool:
    """Whether W3C's propagator of baggage is in the way, by a library that asks for it by name or an application's own
    list, though tokens decide: then ours does its work."""
    return trust.is_on() and isinstance(used, W3CBaggagePropagator)


@guarded("tenancy.extract", default=None)
def _noted(carrier: object, given: Context | None, extracted: Context) -> Context | None:
    """The extracted context with what is known of it; None to leave it as it is, which matters where it is empty: some
    then go on with the current one.

    Of a request whose tenant is decided, it has that: whoever extracts within the request builds a context of its own.
    """
    decided = decided_for(carrier)
    if decided is not None:
        return decided.onto(extracted)
    base = context.get_current() if given is None else given
    came = [(trace.get_current_span(one), baggage.get_all(one)) for one in (base, extracted)]
    return None if not extracted or came[0] == came[1] else came_in(extracted)
