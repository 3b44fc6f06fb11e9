"""Envelopes in the attributes of messages of Amazon SQS and SNS, of which a message may have ten."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from otel_genai_cost.tenancy.carriers import entries_in
from otel_genai_cost.tenancy.envelope import inject
from otel_genai_cost.tenancy.refusals import refuse
from otel_genai_instrumentors.queueing import Call, MakesBatch

__all__ = ["SENT", "carrier", "for_envelopes", "is_operation", "messages_in", "with_envelopes"]

_ENTRIES: Final = {"SendMessageBatch": "Entries", "PublishBatch": "PublishBatchRequestEntries"}
SENT: Final = ("SendMessage", "Publish", *_ENTRIES)
_MOST: Final = 10
_WANTED: Final = ("baggage", "traceparent", "tracestate")
"""What matters most is put first: there may be no room for all."""


def is_operation(*operations: str) -> Callable[[Call], bool]:
    """Whether a call is one of these; botocore has one method for all operations of all services."""
    return lambda call: (
        call.argument(0, "operation_name") in operations
        and call.instance.meta.service_model.service_name in ("sqs", "sns")
    )


def _with_attributes(message: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = message.get("MessageAttributes") or {}
    more = {k: v for k, v in inject(entries_in(given)).items() if k not in given}
    if not more:
        return message
    attributes = dict(given)
    if (
        "baggage" in more
        and len(attributes) >= _MOST
        and attributes.pop("traceparent", None) is None
    ):
        refuse("no_room")
    for name in _WANTED:
        if name in more and len(attributes) < _MOST:
            attributes[name] = {"DataType": "String", "StringValue": more[name]}
    return {**message, "MessageAttributes": attributes}


def with_envelopes(call: Call) -> Call:
    """A call that sends a message or several, with an envelope in each."""
    given: dict[str, Any] = call.argument(1, "api_params")
    key = _ENTRIES.get(call.argument(0, "operation_name"))
    if key is None:
        return call.replaced(1, "api_params", _with_attributes(given))
    return call.replaced(1, "api_params", {**given, key: [*map(_with_attributes, given[key])]})


def for_envelopes(call: Call) -> Call:
    """A call that asks for messages, and for their envelopes."""
    given: dict[str, Any] = call.argument(1, "api_params")
    names: list[str] = given.get("MessageAttributeNames") or []
    if "All" in names or ".*" in names:
        return call
    asked = [*names, *(name for name in _WANTED if name not in names)]
    return call.replaced(1, "api_params", {**given, "MessageAttributeNames": asked})


def carrier(message: Mapping[str, Any]) -> object:
    """What a message that was received has its envelope in. What SNS delivers as JSON has its attributes in there."""
    attributes, body = message.get("MessageAttributes"), message.get("Body", "")
    if not entries_in(attributes) and body.startswith("{") and '"MessageAttributes"' in body:
        return json.loads(body).get("MessageAttributes")
    return attributes


def messages_in(answer: dict[str, Any], made: MakesBatch) -> Any:
    """For `reads_batch`: the answer of SQS.

    Args:
        answer: what was received.
        made: makes a batch of a list.
    """
    if answer.get("Messages"):
        answer["Messages"] = made(answer["Messages"])
    return answer
