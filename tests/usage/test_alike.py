"""A shape knows of everything that the conventions' reading depends on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from otel_genai_cost import attributes as names
from otel_genai_cost.usage.alike import shape_of
from otel_genai_cost.usage.conventions import SPELLING, conventional
from otel_genai_cost.usage.read import Known
from tests.usage.recorded import span_with

_CALL: dict[str, Any] = {
    names.GEN_AI_OPERATION_NAME: "chat",
    names.GEN_AI_REQUEST_MODEL: "gpt-4o-mini",
    names.GEN_AI_USAGE_INPUT_TOKENS: 12,
    names.GEN_AI_USAGE_OUTPUT_TOKENS: 5,
}
_NUMBERS = {*SPELLING.inputs, *SPELLING.outputs, *SPELLING.parts}
_DIFFERS_WITHIN_A_KIND = {names.GEN_AI_RESPONSE_ID}
_LOOKED_AT_TOGETHER = {names.GEN_AI_REQUEST_STREAM, names.GEN_AI_RESPONSE_FINISH_REASONS}


class _Watched(Mapping[str, Any]):
    """Attributes that note which of them are asked for."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self._attributes, self.asked = attributes, set[str]()

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return self._attributes[name]

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return name in self._attributes

    def __iter__(self) -> Iterator[str]:
        return iter(self._attributes)

    def __len__(self) -> int:
        return len(self._attributes)


def test_whatever_is_asked_for_is_a_word_or_a_number_or_ends_the_likeness() -> None:
    watched = _Watched(_CALL)
    assert conventional(span_with(watched), Known()) is not None
    assert {names.GEN_AI_USAGE_COST, names.TENANT_ID, names.SERVER_ADDRESS} <= watched.asked
    for name in watched.asked - _NUMBERS - _DIFFERS_WITHIN_A_KIND - _LOOKED_AT_TOGETHER:
        shape = shape_of({**_CALL, name: "x"}, personal=True)
        assert shape is None or name in shape.words.__reduce__()[1], name


def test_a_stream_is_alike_only_if_it_ended() -> None:
    stream = {**_CALL, names.GEN_AI_REQUEST_STREAM: True}
    assert shape_of(stream, personal=False) is None
    ended = {**stream, names.GEN_AI_RESPONSE_FINISH_REASONS: ("stop",)}
    assert shape_of(ended, personal=False) is not None
