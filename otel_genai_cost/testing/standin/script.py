"""What a stand-in is told to do: the usage to report, how to refuse, hang and break off, and for which requests."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

__all__ = ["Answer", "Script", "ToolCall", "Usage"]

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_ALWAYS_BILLED: Final = frozenset(
    {"input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens"}
)


class Usage(NamedTuple):
    """What a response used, in the terms of `genai-cost price`: totals include their parts.

    A wire format reports it in its provider's way of counting, which may leave parts out of the totals.
    `cache_write_tokens` is a write of which no lifetime is reported; `requests` are search units and the like.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    input_video_tokens: int = 0
    cached_audio_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    citation_tokens: int = 0
    web_searches: int = 0
    images: int = 0
    characters: int = 0
    pages: int = 0
    requests: int = 0
    seconds: int = 0

    @property
    def written(self) -> int:
        """All that was written to the cache, whatever its lifetime."""
        return self.cache_write_5m_tokens + self.cache_write_1h_tokens + self.cache_write_tokens

    @property
    def fresh(self) -> int:
        """The input that was neither read from the cache nor written to it."""
        return self.input_tokens - self.cache_read_tokens - self.written

    def bill(self) -> dict[str, int]:
        """As a bill has it: what is not zero, and always the totals, what was cached and what was reasoned."""
        return {name: n for name, n in self._asdict().items() if n or name in _ALWAYS_BILLED}


class ToolCall(NamedTuple):
    """A call of the application's own tool that an answer asks for."""

    name: str
    arguments: Mapping[str, Any] = _NOTHING


class Answer(NamedTuple):
    """What becomes of one request.

    Args:
        usage: What is reported and billed; None makes it as long as the request's text.
        context: Conditions of the price under which the answer is served, as `genai-cost price` names them:
            `service_tier`, `batch`, `speed`, `inference_geo`, `region`, … A wire format reports those that its provider
            reports.
        model: The model that answers; None leaves it to the format's aliases.
        tenant: Whom the bill names; None takes the user that the request names.
        status: Of the HTTP reply; all but 200 refuse, and are not billed.
        retry_after_s: When the client may try again, as a refusal tells it.
        message: What a refusal says.
        text: What the answer says, in as many parts as it has words; None for the stand-in's own text.
        tool_calls: What the answer asks the application to do.
        delay_s: How long nothing comes.
        hangs: Nothing comes until the stand-in is released or closed, or the client goes away.
        part_delay_s: How long each part of a stream takes.
        stalls_after: After so many parts of a stream nothing comes, as with `hangs`.
        cuts_after: After so many parts the connection breaks; 0: instead of an answer.
        ends_after: After so many parts a stream ends as if it were whole.
        is_billed: Whether the bill gets it. A provider may bill what never arrived.
        options: What only one wire format knows of, by its documentation.
    """

    usage: Usage | None = None
    context: Mapping[str, Any] = _NOTHING
    model: str | None = None
    tenant: str | None = None
    status: int = 200
    retry_after_s: float | None = None
    message: str = "the stand-in was asked to fail"
    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    delay_s: float = 0
    hangs: bool = False
    part_delay_s: float = 0
    stalls_after: int | None = None
    cuts_after: int | None = None
    ends_after: int | None = None
    is_billed: bool = True
    options: Mapping[str, Any] = _NOTHING


class _Rule:
    """Answers for requests with this model, and this word in their text or path."""

    def __init__(
        self, answers: tuple[Answer, ...], model: str | None, word: str | None, *, holds: bool
    ) -> None:
        self._left = list(answers)
        self._model, self._word, self._holds = model, word, holds

    def take(self, model: str, text: str) -> Answer | None:
        """The answer of a request, if the rule applies to it and is not used up."""
        if not self._left or self._model not in (None, model):
            return None
        if self._word is not None and self._word not in text:
            return None
        return self._left[0] if self._holds else self._left.pop(0)


class Script:
    """The answers that are scripted. Any thread may use it."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()

    def next(self, *answers: Answer, model: str | None = None, word: str | None = None) -> None:
        """The next requests get these answers, one each.

        Args:
            answers: in their order. What is scripted first is used first.
            model: only requests for this model.
            word: only requests with this in their text or their path.
        """
        self._add(_Rule(answers, model, word, holds=False))

    def always(self, answer: Answer, *, model: str | None = None, word: str | None = None) -> None:
        """All requests get this answer that no earlier script applies to.

        Args:
            answer: for each of them.
            model: only requests for this model.
            word: only requests with this in their text or their path.
        """
        self._add(_Rule((answer,), model, word, holds=True))

    def clear(self) -> None:
        """Forget what is scripted."""
        with self._lock:
            self._rules.clear()

    def take(self, model: str, text: str) -> Answer | None:
        """The answer of a request; None if nothing is scripted for it."""
        with self._lock:
            taken = (rule.take(model, text) for rule in self._rules)
            return next((answer for answer in taken if answer is not None), None)

    def _add(self, rule: _Rule) -> None:
        with self._lock:
            self._rules.append(rule)
