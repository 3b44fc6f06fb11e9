"""Observations of one kind: alike but for their ids, their times, their numbers and whom they were for.

What they share is written once a segment, and each of them refers to it: a third of the bytes, and of the time. A
reader puts both together again, to the byte the record that `to_record` would have made.
"""

from __future__ import annotations

from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any, Final, Protocol

from otel_genai_cost.journal.codec import encode_lossy
from otel_genai_cost.journal.observation import Observation, attribution_record, to_record
from otel_genai_cost.tenancy.attribution import Attribution

__all__ = ["KIND", "Kind", "Told", "whole"]

KIND: Final = "kind"
"""The type of a line with what a kind shares, and the key under which it and those that refer to it have its number."""

_PARTS: Final = {"cost": ("total",), "usage": ("leaves", "input_total", "output_total")}
"""Objects of which the kind has one part and the observation another: these keys."""

_OWN: Final = (
    "id",
    "trace_id",
    "span_id",
    "start_us",
    "end_us",
    "attribution",
    "response_id",
    "path",
    "sampled",
    "duplicate_of",
)


class Told(Protocol):
    """What an observation has of its own, as far as the view needs it too."""

    @property
    def id(self) -> str: ...
    @property
    def trace_id(self) -> str: ...
    @property
    def span_id(self) -> str: ...
    @property
    def path(self) -> tuple[str, ...]: ...
    @property
    def start_us(self) -> int: ...
    @property
    def end_us(self) -> int: ...
    @property
    def response_id(self) -> str | None: ...
    @property
    def input_total(self) -> int | None: ...
    @property
    def output_total(self) -> int | None: ...


class Kind:
    """What observations share that are alike; compared by identity.

    Made from one of them: a priced response with reported usage, without an ordinal.
    """

    __slots__ = ("_attribution", "_leaves", "body")

    def __init__(self, example: Observation) -> None:
        record = to_record(example)
        self._attribution = example.attribution
        self._leaves = ",".join(
            f"{encode_basestring(leaf)}:%d" for leaf in record["usage"]["leaves"]
        )
        shared = {**record, **dict.fromkeys(_OWN)}
        shared["attribution"] = record["attribution"]
        for name, own in _PARTS.items():
            shared[name] = {**record[name], **dict.fromkeys(own)}
        self.body = encode_lossy(shared)

    def body_of(
        self,
        told: Told,
        quantities: tuple[int, ...],
        total: str,
        attribution: Attribution,
        *,
        sampled: bool,
        duplicate_of: str | None,
    ) -> bytes:
        """The JSON of an observation's own part; `quantities` are of the leaves in their order."""
        rest = ""
        if attribution is not self._attribution and attribution != self._attribution:
            rest = f'"attribution":{encode_lossy(attribution_record(attribution)).decode()},'
        if told.response_id is not None:
            rest += f'"response_id":{encode_basestring(told.response_id)},'
        if told.path:
            rest += '"path":["' + '","'.join(told.path) + '"],'
        if not sampled:
            rest += '"sampled":false,'
        if duplicate_of is not None:
            rest += f'"duplicate_of":"{duplicate_of}",'
        return (
            f'{{{rest}"id":"{told.id}","trace_id":"{told.trace_id}","span_id":"{told.span_id}"'
            f',"start_us":{told.start_us},"end_us":{told.end_us}'
            f',"cost":{{"total":"{total}"}},"usage":{{"leaves":{{{self._leaves % quantities}}}'
            f',"input_total":{told.input_total},"output_total":{told.output_total}}}}}'
        ).encode("utf-8", "replace")


def whole(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The record of an observation from what its kind shares and its own part."""
    record = {**shared, **own}
    for name in _PARTS:
        part, other = shared.get(name), own.get(name)
        if isinstance(part, dict) and isinstance(other, dict):
            record[name] = {**part, **other}
    del record[KIND], record["type"]
    return {key: value for key, value in record.items() if value is not None}
