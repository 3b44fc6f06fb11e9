"""Tenants in CloudEvents: `traceparent` and `baggage` are extension attributes. A name such as `tenant.id` can be none:
those are lower-case letters and digits."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, TypeVar, cast

from otel_genai_cost.tenancy.carriers import entries_in
from otel_genai_cost.tenancy.envelope import inject
from otel_genai_cost.tenancy.received import envelope_fields

__all__ = ["from_cloudevent", "to_cloudevent"]

_E = TypeVar("_E")


def to_cloudevent(event: _E) -> _E:
    """Put the current context into an event, as extension attributes; as `inject` does it.

    Args:
        event: A structured event as a mapping, or an event of the CloudEvents SDK.

    Returns:
        The same event.
    """
    if isinstance(event, MutableMapping):
        return cast("_E", inject(cast("MutableMapping[str, str]", event)))
    attributes: Any = cast("Any", event).get_attributes()
    known = dict(cast("dict[str, Any]", attributes))
    changed = inject(dict(known))
    for name, value in changed.items():
        if name not in known:
            _set(event, attributes, name, value)
    return event


def _set(event: Any, attributes: Any, name: str, value: str) -> None:
    """Versions 1 of the SDK set an attribute on the event; later ones give their own dictionary."""
    if hasattr(event, "__setitem__"):
        event[name] = value
    else:
        attributes[name] = value


def from_cloudevent(event: object) -> dict[str, str]:
    """What an event carries, for `job`: of one that is structured, of the SDK, or of headers with `ce-` or `ce_`.

    Args:
        event: A mapping, headers as pairs, or an event of the CloudEvents SDK.
    """
    return entries_in(event, envelope_fields())
