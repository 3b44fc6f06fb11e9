"""What senders claim and is not believed: what a call costs, and what a resource says of itself, which is taken off in
the request's bytes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from otel_genai_cost import attributes
from otel_genai_cost.collector.pairs import PairReader
from otel_genai_cost.collector.tags import RESOURCE, RESOURCE_ATTRIBUTE, RESOURCE_SPANS
from otel_genai_cost.transport.fields import Field, bytes_field, fields

__all__ = ["COST_CLAIMS", "SHOWN_CLAIMS", "take_off_resources", "without_resource_claims"]

COST_CLAIMS: Final = frozenset(
    {
        attributes.COST_TOTAL,
        attributes.COST_CURRENCY,
        attributes.COST_STATUS,
        attributes.COST_REASON,
        attributes.COST_CHARGE_ID,
        attributes.COST_REPORTED_ELSEWHERE,
        attributes.COST_INPUT,
        attributes.COST_OUTPUT,
        attributes.COST_PRICE_ID,
        attributes.COST_BOOK,
        attributes.GEN_AI_USAGE_COST,
    }
)
"""What a sender may say of a call's cost by the names that are ours. It is taken off, unless the sender is trusted."""

SHOWN_CLAIMS: Final = COST_CLAIMS | {
    "gen_ai.cost.input_tokens",
    "gen_ai.cost.output_tokens",
    "gen_ai.cost.total_tokens",
    "gen_ai.usage.cost.amount",
    "gen_ai.usage.cost.currency",
    "gen_ai.usage.cost.source",
    "langfuse.observation.cost_details",
    "llm.cost.completion",
    "llm.cost.prompt",
    "llm.cost.total",
    "mlflow.llm.cost",
    "operation.cost",
}
"""The same by any name that a trace UI believes: all that the profiles write, whichever of them are chosen."""


def without_resource_claims(message: bytes, names: Collection[str], reader: PairReader) -> bytes:
    """The request, its resources without these attributes.

    Args:
        message: The request.
        names: Of the attributes.
        reader: Reads them.

    Raises:
        WireError: for a request in a form that no exporter writes.
    """
    if not any(name.encode() in message for name in names):
        return message

    def in_block(block: Field) -> bytes | None:
        if block.tag != RESOURCE_SPANS:
            return None
        return _held(block, _mended(message, block.start, block.end, in_resource))

    def in_resource(resource: Field) -> bytes | None:
        if resource.tag != RESOURCE:
            return None
        return _held(resource, _mended(message, resource.start, resource.end, in_attribute))

    def in_attribute(pair: Field) -> bytes | None:
        if (
            pair.tag != RESOURCE_ATTRIBUTE
            or reader.read(message[pair.start : pair.end])[0] not in names
        ):
            return None
        return b""

    mended = _mended(message, 0, len(message), in_block)
    return message if mended is None else mended


def take_off_resources(request: Any, names: Collection[str]) -> None:
    """The same for protobuf's own object."""
    for block in request.resource_spans if names else ():
        held = block.resource.attributes
        for place in range(len(held) - 1, -1, -1):
            if held[place].key in names:
                del held[place]


def _held(field: Field, value: bytes | None) -> bytes | None:
    return None if value is None else bytes_field(field.tag, value)


def _mended(
    message: bytes, start: int, end: int, mend: Callable[[Field], bytes | None]
) -> bytes | None:
    """What lies between two places, with other bytes for some of its fields; None if all stay."""
    pieces: list[bytes] = []
    at = start
    for field in fields(message, start, end):
        mended = mend(field)
        if mended is not None:
            pieces += (message[at : field.at], mended)
            at = field.end
    if not pieces:
        return None
    return b"".join((*pieces, message[at:end]))
