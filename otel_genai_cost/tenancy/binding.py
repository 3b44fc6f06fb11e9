"""Who a piece of work is for: bound where it is decided, carried in the context, read when a call ends.

A binding lives twice in the OpenTelemetry context: as a `Binding`, which says how we know, and as W3C baggage, which
other services understand. The binding is believed before the baggage; both are read when a span starts, and neither a
context nor a span is kept, so that chains of spans don't keep each other alive.

A task or thread keeps the context of the request that started it, for as long as it lives. So a binding holds for calls
that start while the block that made it is open, and for later ones only where the application says so.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final, Literal, NamedTuple

from opentelemetry import baggage, context
from opentelemetry.context import Context

from otel_genai_cost import attributes as names
from otel_genai_cost.forks import Process, here
from otel_genai_cost.identity_cache import IdentityCache
from otel_genai_cost.otel_api import baggage_in
from otel_genai_cost.tenancy.attribution import LABELS_MAX, UNATTRIBUTED, Attribution, tenant_id_of
from otel_genai_cost.tenancy.entries import RESERVED, bare, entries_of, label_of
from otel_genai_cost.tenancy.inbound import Inbound, inbound_of, say_bypassed, say_unbelieved
from otel_genai_cost.tenancy.refusals import Refused, not_counted, refuse
from otel_genai_cost.tenancy.scope import Scope
from otel_genai_cost.vocabulary import Absence, AttributionSource, Initiator

__all__ = [
    "TENANT_KEY",
    "Binding",
    "Captured",
    "attribution_of",
    "bare",
    "bind",
    "bound",
    "capture",
    "configure",
    "current_binding",
    "demand_tokens",
    "held_at",
    "is_protected",
    "is_unvouched",
    "labels_in",
    "rebound",
    "stripped",
    "vouched_entries",
    "vouched_key",
    "without_reserved",
]

TENANT_KEY: Final = names.TENANT_ID

_BINDING: Final = context.create_key("genai-cost-binding")


class Binding(NamedTuple):
    """Whom work in this context is for, decided in this process."""

    attribution: Attribution
    process: Process
    scope: Scope


class Captured(NamedTuple):
    """What a context says of a tenant, kept from a span's start to its end. `is_stale` if the binding did not hold any
    more when the span started; `inbound` if it came from outside."""

    binding: Binding | None
    entries: Mapping[str, object]
    is_stale: bool = False
    inbound: Inbound | None = None


_NO_ENTRIES: Final[Mapping[str, object]] = {}

_FOUND_MAX: Final = 256
_found = IdentityCache[Mapping[str, object], "tuple[Binding | None, Attribution]"](_FOUND_MAX)
"""What was found in a binding and its baggage, which all spans of a request share: that saves 7 µs of a call."""


class _Settings:
    """Set once at activation; read for each GenAI span. Without a grace, bindings never go stale with their block."""

    tenant_key: str = names.TENANT_ID
    edge: str | None = None
    vouched: str | None = None
    by_token: bool = False
    labels: Mapping[str, str] = names.LABELS
    grace_s: float | None = 0.0


def configure(
    *,
    tenant_key: str = names.TENANT_ID,
    labels: tuple[str, ...] = (),
    grace_s: float | None = 0.0,
    edge: str | None = None,
    vouched: bool = False,
) -> None:
    """Set up tenancy for this process; called once, at activation.

    Args:
        tenant_key: The baggage key that holds the tenant.
        labels: Further baggage keys to take as labels, LABELS_MAX in all.
        grace_s: How long after the end of its block a binding holds for calls that start then, in seconds; None if
            tasks and threads keep the binding that they were started with for as long as they live.
        edge: The source that an edge reads a request's tenant from, as it was configured; None without an edge.
        vouched: Whether `tenant_key` may be believed in baggage that came with a request.
    """
    more = {name.rsplit(".", 1)[-1]: name for name in labels[: LABELS_MAX - len(names.LABELS)]}
    _Settings.tenant_key = tenant_key
    _Settings.labels = {**more, **names.LABELS}
    _Settings.grace_s = grace_s
    _Settings.edge = edge
    _Settings.vouched = tenant_key if vouched else None
    _found.clear()


def demand_tokens(*, demanded: bool = True) -> None:
    """Whether a message's baggage is believed only if a token vouches for it, as that of a request."""
    _Settings.by_token = demanded


@contextmanager
def bound(attribution: Attribution) -> Generator[None, None, None]:
    """Attach a binding to the current context for the length of the block."""
    scope = Scope()
    token = context.attach(bind(attribution, scope=scope))
    try:
        yield
    finally:
        scope.close()
        context.detach(token)


def bind(
    attribution: Attribution, onto: Context | None = None, *, scope: Scope | None = None
) -> Context:
    """Bind an attribution to a context, and put it into its baggage, the tenant first.

    Other reserved entries are gone.

    Args:
        attribution: for whom the work is; labels of an outer binding of the same tenant are kept.
        onto: the context to begin with; None for the current one.
        scope: knows when the block ends that the binding holds for; None for one that does not end.
    """
    onto = context.get_current() if onto is None else onto
    outer = onto.get(_BINDING)
    if isinstance(outer, Binding) and outer.attribution.tenant == attribution.tenant:
        labels = {**outer.attribution.labels, **attribution.labels}
        attribution = attribution._replace(labels=labels)
    entries = entries_of(attribution)
    foreign = {
        key: value for key, value in baggage.get_all(onto).items() if not key.startswith(RESERVED)
    }
    bare = baggage.clear(onto)
    for key, value in {**entries, **foreign}.items():
        bare = baggage.set_baggage(key, value, bare)
    return context.set_value(_BINDING, Binding(attribution, here(), scope or Scope()), bare)


def without_reserved(onto: Context) -> Context:
    """The context without a binding and without reserved baggage."""
    return _without(lambda key: key.startswith(RESERVED), onto)


def stripped(onto: Context) -> Context:
    """The context of somebody from outside: without a binding, and without baggage that would be believed."""
    return _without(is_protected, onto)


def is_protected(key: str) -> bool:
    """Whether a baggage entry of this name says whom work is for, or what for."""
    return key.startswith(RESERVED) or key in _Settings.labels.values()


def _without(drops: Callable[[str], bool], onto: Context) -> Context:
    for key in baggage.get_all(onto):
        if drops(key):
            onto = baggage.remove_baggage(key, onto)
    return context.set_value(_BINDING, None, onto)


def capture(
    parent: Context | None,
    start_ns: int | None = None,
    inbound: Inbound | Literal["look"] | None = "look",
    before: Captured | None = None,
) -> Captured | None:
    """What the context of a starting span says of a tenant; None if nothing. Called for every span.

    Args:
        parent: The span's parent context; None for the current one.
        start_ns: When the span started, in unix nanoseconds; None for now. Some instrumentations make a span when
            its call has ended, and date it back.
        inbound: What brought the context, None if nothing did; `look` if the caller has not looked.
        before: What was captured in a context like this; returned itself if this one says the same.
    """
    current = context.get_current() if parent is None else parent
    binding = current.get(_BINDING)
    entries = baggage_in(current)
    if inbound == "look":
        inbound = inbound_of(current)
    if not entries and binding is None and inbound is None:
        return None
    bound_here = binding if isinstance(binding, Binding) else None
    is_stale = bound_here is not None and not _holds(bound_here, start_ns)
    if before is not None and (
        before[0] is bound_here
        and before[1] is entries
        and before[2] is is_stale
        and before[3] is inbound
    ):
        return before
    return Captured(bound_here, entries, is_stale, inbound)


def current_binding() -> Binding | None:
    """The binding of the current context, whether or not it still holds; None if it was made in another process."""
    found = context.get_value(_BINDING)
    return found if isinstance(found, Binding) and found.process.mark[0] else None


def rebound(
    binding: Binding,
    onto: Context | None = None,
    *,
    is_over: bool = False,
    scope: Scope | None = None,
) -> Context:
    """A context with the same binding, for as long as whoever runs in it lives.

    Args:
        binding: the binding.
        onto: the context to begin with; None for the current one.
        is_over: whether it did not hold any more, and is to stay so.
        scope: knows when else it ends; None if it does not.
    """
    ends = Scope(binding.scope.signed, ends=False) if scope is None else scope
    kept = binding if is_over else binding._replace(scope=ends)
    return context.set_value(_BINDING, kept, onto)


def _holds(binding: Binding, start_ns: int | None) -> bool:
    """Whether a binding holds for a call that started then."""
    return binding.process.mark[0] == 1 and binding.scope.held_since(start_ns, _Settings.grace_s)


def held_at(binding: Binding, at_s: float) -> bool:
    """Whether a binding holds for what was asked for then, by the monotonic clock."""
    return binding.process.mark[0] == 1 and binding.scope.held_at(at_s, _Settings.grace_s)


def attribution_of(
    captured: Captured | None,
    span_tenant: object = None,
    span_labels: Mapping[str, str] | None = None,
    resource_tenant: object = None,
    refused: Refused = refuse,
) -> Attribution:
    """Whom a call was for: the binding, else the baggage, else the span's own attribute, else the resource's.

    A binding of another process, or whose block had ended when the call started, is `stale`: nobody's, rather than
    somebody else's. Labels of the span fill in where the context has none.

    Args:
        captured: what the context held when the span started; None without one.
        span_tenant: value of the span attribute that names a tenant.
        span_labels: labels by name.
        resource_tenant: value of the resource's `tenant.id`.
        refused: called with the reason of each value that is not believed; default: counts it.
    """
    if captured is not None and captured.binding is not None:
        found = _of_binding(captured.binding, captured, refused)
    elif captured is not None and is_unvouched(captured):
        found, span_labels = _of_request(
            captured, span_tenant, span_labels, resource_tenant, refused
        )
    elif captured is None and span_tenant is None and resource_tenant is None:
        found = UNATTRIBUTED
    else:
        found = _of_values(captured, span_tenant, resource_tenant, refused)
    if not span_labels:
        return found
    return found._replace(labels={**span_labels, **found.labels})


def _of_binding(binding: Binding, captured: Captured, refused: Refused) -> Attribution:
    """The binding's tenant. Labels in baggage are the binding's own, or were set by the application below it."""
    if captured.is_stale:
        refused("stale")
        return Attribution(absent="stale", initiator=binding.attribution.initiator)
    found = _found_before(binding, captured.entries)
    if found is None:
        labels = {**binding.attribution.labels, **labels_in(captured.entries)}
        found = binding.attribution._replace(labels=labels)
        _found.keep(captured.entries, (binding, found))
    return found


def vouched_key() -> str | None:
    """The baggage key that may name a tenant when it came with a request; None if none may."""
    return _Settings.vouched


def is_unvouched(captured: Captured) -> bool:
    """Whether what came from outside into this context is not to be believed. A token that vouches for it has bound
    it; where tokens decide, nothing else of a message is believed either."""
    inbound = captured.inbound
    if captured.binding is not None or inbound is None:
        return False
    return inbound.origin != "message" or _Settings.by_token


def _of_request(
    captured: Captured,
    span_tenant: object,
    span_labels: Mapping[str, str] | None,
    resource_tenant: object,
    refused: Refused,
) -> tuple[Attribution, Mapping[str, str]]:
    """Of a request that no edge has bound: what came with it is not believed, wherever it was copied to since."""
    inbound = captured.inbound or Inbound(_NO_ENTRIES)
    if _Settings.edge is not None and inbound.origin != "message":
        refused("edge_bypassed")
        say_bypassed(_Settings.edge)
        return Attribution(absent="edge_bypassed"), {}
    came = inbound.entries
    key = _Settings.tenant_key
    if key in came and _Settings.vouched is None:
        refused("inbound_baggage")
        say_unbelieved(key)
    texts = {bare(value) for value in came.values()}
    labels = {k: v for k, v in (span_labels or {}).items() if v not in texts}
    own = inbound.set_here(captured.entries, _Settings.vouched)
    if span_tenant in texts and span_tenant != bare(own.get(key)):
        span_tenant = None
    return _of_values(Captured(None, own), span_tenant, resource_tenant, refused), labels


def _found_before(binding: Binding | None, entries: Mapping[str, object]) -> Attribution | None:
    """What was found in this binding and baggage before: all spans of a request share them."""
    known = _found.get(entries)
    return known[1] if known is not None and known[0] is binding else None


def _of_values(
    captured: Captured | None,
    span_tenant: object,
    resource_tenant: object,
    refused: Refused,
) -> Attribution:
    """The first source that names a tenant; a name that cannot be one is `invalid`, unless a better one follows."""
    entries = captured.entries if captured is not None else _NO_ENTRIES
    found = _found_before(None, entries)
    if found is not None:
        return found
    labels = labels_in(entries) if entries else {}
    initiator: Initiator = "system" if entries.get(names.INITIATOR) == "system" else "user"
    absent: Absence = "missing" if initiator == "user" else "system"
    named: tuple[tuple[AttributionSource, object], ...] = (
        ("baggage", bare(entries.get(_Settings.tenant_key))),
        ("span", span_tenant),
        ("resource", resource_tenant),
    )
    for source, value in named:
        if (tenant_id := tenant_id_of(value)) is not None:
            found = Attribution(tenant_id, source, None, initiator, labels)
            if source == "baggage":
                _found.keep(entries, (None, found))
            return found
        if value is not None:
            refused("invalid")
            absent = "invalid"
    return Attribution(None, None, absent, initiator, labels)


def vouched_entries(captured: Captured) -> dict[str, str]:
    """What a context says of a tenant that was bound here, as the baggage that others get, the tenant first."""
    found = attribution_of(captured, refused=not_counted)
    keys = _Settings.labels
    labels = {keys[label]: value for label, value in found.labels.items() if label in keys}
    return {name: value.strip() for name, value in {**entries_of(found), **labels}.items()}


def labels_in(entries: Mapping[str, object]) -> dict[str, str]:
    """The labels that baggage names."""
    found = {label: bare(entries.get(name)) for label, name in _Settings.labels.items()}
    return {
        label: label_of(value) for label, value in found.items() if isinstance(value, str) and value
    }
