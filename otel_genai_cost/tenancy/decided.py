"""The tenant of one request: decided once, and bound wherever the request goes on."""

from __future__ import annotations

from collections.abc import Generator, MutableMapping
from contextlib import contextmanager
from typing import Final, cast

from opentelemetry import context, trace
from opentelemetry.context import Context

from otel_genai_cost.attributes import TENANT_ID
from otel_genai_cost.tenancy.attribution import Attribution
from otel_genai_cost.tenancy.binding import bind, current_binding, stripped
from otel_genai_cost.tenancy.scope import Scope
from otel_genai_cost.tenancy.tokens import Signed

__all__ = ["SEEN", "Decided", "decided_for"]

SEEN: Final = "otel_genai_cost.edge"
"""Where a request keeps what was decided: a key of its ASGI scope, WSGI environment or the like."""


class Decided:
    """Whom a request is for, nobody included. It holds until `close`."""

    def __init__(self, attribution: Attribution, signed: Signed | None = None) -> None:
        self.attribution, self.scope = attribution, Scope(signed)

    def onto(self, below: Context) -> Context:
        """A context of the request with its tenant bound; what came with the request and would be believed is gone."""
        return bind(self.attribution, stripped(below), scope=self.scope)

    @contextmanager
    def attached(self) -> Generator[None, None, None]:
        """The tenant is bound in here, and shown on the current span."""
        binding = current_binding()
        if binding is not None and binding.scope is self.scope:
            yield
            return
        if self.attribution.tenant is not None:
            trace.get_current_span().set_attribute(TENANT_ID, self.attribution.tenant)
        token = context.attach(self.onto(context.get_current()))
        try:
            yield
        finally:
            context.detach(token)

    def close(self) -> None:
        """The request has ended: what starts from now on is not its own."""
        self.scope.close()


def decided_for(request: object) -> Decided | None:
    """What was decided for a request that has not ended; `request` is its scope, environment or the like."""
    if not isinstance(request, MutableMapping):
        return None
    found = cast("MutableMapping[str, object]", request).get(SEEN)
    return found if isinstance(found, Decided) and found.scope.closed_s is None else None
