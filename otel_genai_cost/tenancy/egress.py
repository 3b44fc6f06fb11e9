"""The way out: what may be said to an LLM host, and what of its answers may be kept on spans."""

from __future__ import annotations

from opentelemetry import baggage, context
from opentelemetry.context import Context

__all__ = ["configure", "may_ask_for_usage", "may_keep_content", "may_know", "outgoing"]


class _Settings:
    allowed_hosts: tuple[str, ...] = ()
    usage_hosts: tuple[str, ...] = ()
    keep_content = False


def configure(
    allowed_hosts: tuple[str, ...],
    usage_hosts: tuple[str, ...] = (),
    *,
    keep_content: bool = False,
) -> None:
    """Set up what may leave. Called once, at activation.

    Args:
        allowed_hosts: Hosts that may receive baggage, such as the team's own gateway: `gw.example.com`, or
            `.example.com` for all below it.
        usage_hosts: Hosts, written likewise, that may be asked for the usage of a stream though the caller did not.
        keep_content: Whether texts that may hold what was asked and answered may stand on spans.
    """
    _Settings.allowed_hosts = _hosts(allowed_hosts)
    _Settings.usage_hosts = _hosts(usage_hosts)
    _Settings.keep_content = keep_content


def may_know(host: str | None) -> bool:
    """Whether a host may receive baggage. An unknown host may not."""
    return _is_among(host, _Settings.allowed_hosts)


def may_ask_for_usage(host: str | None) -> bool:
    """Whether the team says that a host understands being asked for the usage of a stream."""
    return _is_among(host, _Settings.usage_hosts)


def may_keep_content() -> bool:
    """Whether the application turned on that spans keep what was asked and answered."""
    return _Settings.keep_content


def _hosts(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(host.strip().lower() for host in given if host.strip())


def _is_among(host: str | None, hosts: tuple[str, ...]) -> bool:
    if not hosts or not host:
        return False
    name = host.lower()
    return any(
        name == allowed or (allowed.startswith(".") and name.endswith(allowed)) for allowed in hosts
    )


def outgoing(host: str | None, onto: Context | None = None) -> Context:
    """The context for a call to `host`: no baggage at all, unless the host may know.

    Args:
        host: Whom the call goes to; None if that is not known.
        onto: The context that it is made in; None for the current one.
    """
    if may_know(host):
        return context.get_current() if onto is None else onto
    return baggage.clear(onto)
