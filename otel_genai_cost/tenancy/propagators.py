"""What comes into this process is noted as such, and what is not believed is not sent on in our name.

The propagators' own classes are wrapped, once, because instrumentations keep the functions that they imported, and an
application may set a propagator of its own later.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import baggage, context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.composite import CompositePropagator

from otel_genai_cost.errors import guarded
from otel_genai_cost.tenancy.binding import capture, is_unvouched, vouched_key
from otel_genai_cost.tenancy.decided import decided_for
from otel_genai_cost.tenancy.entries import RESERVED
from otel_genai_cost.tenancy.inbound import came_in

__all__ = ["watch"]

_WATCHED: Final = "_genai_cost_watched"


def watch() -> None:
    """Watch what is extracted and injected from now on."""
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
        extracted = original(self, carrier, context, *args, **kwargs)
        return _noted(carrier, context, extracted) or extracted

    return extract


def _injecting(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def inject(
        self: Any, carrier: Any, context: Context | None = None, *args: Any, **kwargs: Any
    ) -> None:
        original(self, carrier, _sent(context) or context, *args, **kwargs)

    return inject


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


@guarded("tenancy.inject", default=None)
def _sent(given: Context | None) -> Context | None:
    """The context without the tenant of somebody who is not believed here, who would be further on: a message's
    baggage is believed. None if all may go."""
    current = context.get_current() if given is None else given
    captured = capture(current)
    if captured is None or not captured.entries:
        return None
    kept = captured.entries
    if captured.is_stale:
        kept = {}
    elif captured.inbound is not None and is_unvouched(captured):
        kept = captured.inbound.set_here(captured.entries, vouched_key())
    sent = current
    for key in captured.entries:
        if key.startswith(RESERVED) and key not in kept:
            sent = baggage.remove_baggage(key, sent)
    return sent
