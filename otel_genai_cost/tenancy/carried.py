"""A context that is handed over within a process: with work that somebody else does, who serves others too."""

from __future__ import annotations

from opentelemetry import context
from opentelemetry.context import Context

from otel_genai_cost.tenancy.attribution import UNATTRIBUTED
from otel_genai_cost.tenancy.binding import Binding, capture, current_binding, rebound
from otel_genai_cost.tenancy.received import Received, is_nobodys_message
from otel_genai_cost.tenancy.scope import Scope

__all__ = ["carried_now", "configure", "is_bound_now", "is_carrying", "taken_over"]


class _Settings:
    is_carrying = True


def configure(*, local_queues: bool) -> None:
    """Set up whether queues inside this process carry contexts. Called once, at activation.

    Args:
        local_queues: Whether they do.
    """
    _Settings.is_carrying = local_queues


def is_carrying() -> bool:
    """Whether queues inside this process carry contexts."""
    return _Settings.is_carrying


def carried_now() -> Context | None:
    """The current context, if it is a tenant's whose request or block is open."""
    binding = _holding()
    if binding is None or (binding.attribution.tenant is None and not binding.attribution.shares):
        return None
    return context.get_current()


def is_bound_now() -> bool:
    """Whether somebody has said for whom work in the current context is, a tenant or nobody, and that still holds."""
    return _holding() is not None or is_nobodys_message()


def _holding() -> Binding | None:
    """The current binding, if it holds. Called very often, and nearly always it is plain that it does."""
    binding = current_binding()
    if binding is None or (binding.scope.closed_s is None and binding.scope.elsewhere is None):
        return binding
    captured = capture(None)
    return None if captured is None or captured.is_stale else binding


def taken_over(carried: Context) -> Received:
    """A context for whoever does the work: for whom it was when it was handed over, whatever has ended since.

    Args:
        carried: What `carried_now` gave.
    """
    captured = capture(carried)
    if captured is None or captured.binding is None:
        return Received(carried, UNATTRIBUTED, Scope())
    binding, scope = captured.binding, Scope(captured.binding.scope.signed)
    return Received(rebound(binding, carried, scope=scope), binding.attribution, scope)
