"""The way out: the tenant's baggage does not leave for an LLM provider."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry import baggage, context

__all__ = ["configure", "leaving", "may_know"]


class _Settings:
    allowed_hosts: tuple[str, ...] = ()


def configure(allowed_hosts: tuple[str, ...]) -> None:
    """Hosts that may receive baggage, such as the team's own gateway: `gw.example.com`, or `.example.com` for all
    below it. Called once, at activation."""
    _Settings.allowed_hosts = tuple(host.strip().lower() for host in allowed_hosts if host.strip())


def may_know(host: str | None) -> bool:
    """Whether a host may receive baggage. An unknown host may not."""
    if not host:
        return False
    name = host.lower()
    return any(
        name == allowed or (allowed.startswith(".") and name.endswith(allowed))
        for allowed in _Settings.allowed_hosts
    )


@contextmanager
def leaving(host: str | None) -> Generator[None, None, None]:
    """Around a call to `host`: no baggage at all in the context, unless the host may know."""
    if may_know(host):
        yield
        return
    token = context.attach(baggage.clear())
    try:
        yield
    finally:
        context.detach(token)
