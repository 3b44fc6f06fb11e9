"""The doors that `opentelemetry-instrument` opens. Nothing else is imported unless we are on, and nothing raises: an
error here would stop every instrumentor."""

from __future__ import annotations

from otel_genai_cost.switch import is_off

__all__ = ["post_instrument", "pre_instrument"]


def pre_instrument() -> None:
    """After the tracer provider is configured, before any instrumentor is loaded."""
    if is_off():
        return
    from otel_genai_cost.errors import guarded

    guarded("activation.pre_instrument", default=None)(_switch_on)()


def post_instrument() -> None:
    """After every instrumentor is loaded."""
    if is_off():
        return
    from otel_genai_cost.errors import guarded

    guarded("activation.post_instrument", default=None)(_announce)()


def _switch_on() -> None:
    from otel_genai_cost.metering.activation import pre_instrument as switch_on

    switch_on(announces=False)


def _announce() -> None:
    from otel_genai_cost.metering.activation import post_instrument as announce

    announce()
