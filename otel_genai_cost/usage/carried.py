"""Whom a span says it was for: the tenant and the labels that instrumentations carry along in their own ways.

Of several carriers of one thing the first wins, in this order: the attributes of this library (`tenant.id`,
`genai_cost.*`), the conventions' (`gen_ai.agent.name`, …), the dialect's own attributes, JSON metadata. The labels
`user`, `session` and `conversation` speak of persons; the meter drops them unless the settings keep them.
"""

from __future__ import annotations

import re
from collections.abc import KeysView, Mapping
from typing import Final, NamedTuple

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.leaves import QUANTITY_LIMIT
from otel_genai_cost.usage.read import NOTHING, Attributes
from otel_genai_cost.usage.values import as_object, json_object, json_text

__all__ = ["NOBODY", "OWN", "PERSONAL", "Carried", "Carriers", "carried", "carriers"]

PERSONAL: Final = frozenset({"user", "session", "conversation"})

_KEYS: Final = {
    "tenant": ("tenant.id", "tenant_id", "tenantId", "tenant"),
    "plan": ("tenant.plan", "plan"),
    "feature": ("feature", "feature_id"),
    "workflow": ("workflow", "workflow_name"),
    "agent": ("agent", "agent_name"),
    "action": ("action", "action_id"),
    "team": ("team_id", "user_api_key_team_id"),
    "user": ("user_id", "userId", "user", "end_user"),
    "session": ("session_id", "sessionId", "session"),
    "conversation": ("conversation_id", "conversationId", "thread_id"),
}
"""Label -> the keys under which people put it into metadata, in order of precedence."""

_KEY_OF: Final = {key: label for label, keys in _KEYS.items() for key in keys}
_MENTIONED: Final = re.compile("|".join(f'"{re.escape(key)}"' for key in _KEY_OF))
_NOBODYS: Final = frozenset({"null", "None", "undefined"})
"""How languages write that there is none; a `<` begins what Python says of an object."""

_METADATA_LIMIT: Final = 16_384
OWN: Final = {
    names.TENANT_ID: "tenant",
    **{attribute: label for label, attribute in names.LABELS.items()},
    names.GEN_AI_AGENT_NAME: "agent",
    names.GEN_AI_WORKFLOW_NAME: "workflow",
    names.GEN_AI_CONVERSATION_ID: "conversation",
    names.SESSION_ID: "session",
    names.USER_ID: "user",
    names.ENDUSER_ID: "user",
}


class Carriers(NamedTuple):
    """Where a dialect keeps things: attribute -> label, in order of precedence, and attributes with JSON metadata."""

    single: Mapping[str, str] = OWN
    metadata: tuple[str, ...] = ()

    def among(self, present: KeysView[str]) -> Carriers:
        """Those that a span has."""
        single: Mapping[str, str] = NOTHING
        if not present.isdisjoint(self.single):
            single = {name: label for name, label in self.single.items() if name in present}
        return Carriers(single, tuple([name for name in self.metadata if name in present]))


class Carried(NamedTuple):
    """What a span said of whom it was for."""

    tenant: str | None = None
    labels: Mapping[str, str] = NOTHING


NOBODY: Final = Carried()


def carriers(
    *prefixes: str, metadata: tuple[str, ...] = (), more: Mapping[str, str] = NOTHING
) -> Carriers:
    """The attributes in which one dialect says whom a call was for.

    Args:
        prefixes: of attributes that each hold one key of the metadata.
        metadata: names of attributes that hold JSON metadata.
        more: attributes of the dialect's own -> the label they are.
    """
    keyed = {prefix + key: label for prefix in prefixes for key, label in _KEY_OF.items()}
    return Carriers({**OWN, **more, **keyed}, metadata)


def carried(attributes: Attributes, where: Carriers) -> Carried:
    """The tenant and the labels of a span."""
    found: dict[str, str] = {}
    if not attributes.keys().isdisjoint(where.single.keys()):
        for name, label in where.single.items():
            if label in found or name not in attributes:
                continue
            if (value := _label_text(attributes[name])) is not None:
                found[label] = value
    for name in where.metadata:
        if name in attributes:
            _add_metadata(found, attributes[name])
    if not found:
        return NOBODY
    return Carried(found.pop("tenant", None), found or NOTHING)


def _add_metadata(found: dict[str, str], text: object) -> None:
    """What a JSON object holds of it, or the metadata in it; one that mentions none of the keys is not parsed."""
    if type(text) is not str or len(text) > _METADATA_LIMIT or _MENTIONED.search(text) is None:
        return
    metadata = json_object(text)
    for place in (metadata, as_object(metadata.get("metadata"))):
        for key, label in _KEY_OF.items():
            if label not in found and (value := _label_text(place.get(key))) is not None:
                found[label] = value


def _label_text(value: object) -> str | None:
    """A word, maybe in JSON's quotes, or a number that somebody uses as one."""
    if type(value) is int and abs(value) < QUANTITY_LIMIT:
        return str(value)
    text = json_text(value)
    return None if text in _NOBODYS or (text or "").startswith("<") else text
