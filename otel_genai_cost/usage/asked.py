"""What a request gives a model to read, in bytes, and how much it lets it write.

A token is at least one byte of UTF-8, so a text bounds its tokens, but only where the text is all there is: not for
images and files, for what a request only names (a stored prompt, an earlier response, a cache), or for tools that the
provider itself runs. Whatever is not known to be text is taken for more than that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any, Final, NamedTuple, cast

__all__ = ["Asked", "asked", "lowered"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NODES_MAX: Final = 10_000
_NODE_TOKENS: Final = 16
"""At most so many tokens does a provider write around each value: roles, brackets, what a schema is rendered as."""

_FIXED_TOKENS: Final = 1_024
"""At most so many does it add of its own, such as how tools are to be called."""

_LIMITS: Final = frozenset(
    {
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "maxOutputTokens",
        "maxTokens",
        "max_new_tokens",
        "max_gen_len",
        "maxTokenCount",
        "num_predict",
    }
)
_ANSWERS: Final = frozenset(
    {"n", "best_of", "candidate_count", "candidateCount", "num_generations"}
)
"""How many answers are asked for, each of which may be as long as the limit allows."""

_SETTINGS: Final = frozenset(
    {
        "config",
        "options",
        "extra_body",
        "generation_config",
        "generationConfig",
        "inferenceConfig",
        "textGenerationConfig",
        "additionalModelRequestFields",
    }
)
"""Parts of a request that hold its limits, where they do not stand beside its texts."""

_NOT_READ: Final = frozenset(
    {"model", "modelId", "extra_headers", "extra_query", "timeout", "user", "metadata", "options"}
)
"""Arguments that are no part of what a model reads."""

_NOT_GIVEN: Final = frozenset({"NoneType", "NotGiven", "Omit"})
"""Types of what stands where nothing is given."""

_TEXTS: Final = _words(
    "text input_text output_text refusal message thinking "
    "function function_call function_call_output tool tool_use tool_call tool_result custom "
    "json_schema json_object object string number integer boolean array null "
    "auto any none required enabled disabled adaptive ephemeral"
)
"""What the `type` of a part may be, of a tool, a schema or a setting, that is text and nothing else."""

_MEDIA: Final = _words(
    "image image_url input_image file input_file document audio input_audio video video_url media reasoning "
    "redacted_thinking item_reference base64 url"
)
"""What it may be that is no text; how much is written is bounded all the same."""

_NO_TEXT: Final = _words(
    "image images image_url audio input_audio video document inlineData inline_data fileData file_data file_id "
    "file_url cachedContent cached_content previous_response_id conversation conversation_id agent_id "
    "encrypted_content"
)
"""Arguments that are no text, or name what is read as well and is not in the request."""

_SERVED: Final = _words(
    "googleSearch google_search googleSearchRetrieval google_search_retrieval urlContext url_context codeExecution "
    "code_execution web_search_options search_parameters plugins connectors mcp_servers container "
    "vector_store_ids enable_search guardrailConfig"
)
"""Arguments by which the provider itself looks for something, and reads and writes as much as it likes."""


_DATA_URL: Final = re.compile(r"data:[\w.+-]+/[\w.+-]+[;,]", re.ASCII)
"""A picture or a file, written into the request."""

_PROSE: Final = frozenset({"content", "text"})
"""Where a request has what people write, whatever it begins with."""


class Asked(NamedTuple):
    """What a request asks for. `text_bytes` is its text; `input_max` and `output_max` are how many tokens it can be and
    lets be written. None is unknown."""

    text_bytes: int | None = None
    input_max: int | None = None
    output_max: int | None = None


def asked(request: Any) -> Asked:
    """What a request asks for.

    Args:
        request: keyword arguments, or a body; walked, never changed, and no longer than 10,000 values.
    """
    if not isinstance(request, Mapping):
        return Asked()
    arguments = cast("Mapping[str, Any]", request)
    walk = _Walk()
    read = {key: arguments[key] for key in arguments if key not in _NOT_READ}
    walk.through(read)
    output_max = None if walk.is_served else _output_max(arguments)
    if not walk.is_text:
        return Asked(None, None, output_max)
    input_max = walk.text_bytes + walk.name_bytes + _NODE_TOKENS * walk.nodes + _FIXED_TOKENS
    return Asked(walk.text_bytes, input_max, output_max)


class _Walk:
    """What was come across in a request. `is_text`: nothing but text; `is_served`: something that the provider runs."""

    def __init__(self) -> None:
        self.text_bytes = self.name_bytes = self.nodes = 0
        self.is_text, self.is_served = True, False

    def through(self, value: Any) -> None:
        left: list[tuple[str, Any]] = [("", value)]
        while left:
            self.nodes += 1
            if self.nodes > _NODES_MAX:
                self._give_up()
                return
            left.extend(self._look(*left.pop()))

    def _give_up(self) -> None:
        """What is not looked at may be anything."""
        self.is_text, self.is_served = False, True

    def _look(self, key: str, value: Any) -> Iterable[tuple[str, Any]]:
        """What there is below a value."""
        if type(value).__name__ in _NOT_GIVEN:
            return ()
        if key in _NO_TEXT or key in _SERVED or (key == "prompt" and isinstance(value, Mapping)):
            self._meet(key, value)
        if isinstance(value, str):
            self._read(key, value)
            return ()
        if isinstance(value, Real):
            return ()
        if _is_long(value):
            self._give_up()
            return ()
        inner = _inner(value)
        if inner is None:
            self.is_text = False
            return ()
        self.name_bytes += sum(_bytes(name) for name, _ in inner)
        return inner

    def _meet(self, key: str, value: Any) -> None:
        """Come across an argument that stands for more than its text, unless the client's sign for "not given"."""
        if value or isinstance(value, Mapping):
            self.is_text = False
            self.is_served = self.is_served or key in _SERVED

    def _read(self, key: str, value: str) -> None:
        self.text_bytes += _bytes(value)
        if value[:5] == "data:" and key not in _PROSE and _DATA_URL.match(value):
            self.is_text = False
        elif key == "type" and value not in _TEXTS:
            self.is_text = False
            self.is_served = self.is_served or value not in _MEDIA


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "ignore"))


def _is_long(value: Any) -> bool:
    return isinstance(value, (list, tuple, Mapping)) and len(cast("list[Any]", value)) > _NODES_MAX


def _inner(value: Any) -> list[tuple[str, Any]] | None:
    """What a value of a request consists of, by name; None if it is nothing that can be looked into."""
    if isinstance(value, (list, tuple)):
        return [("", item) for item in cast("list[Any]", value)]
    fields = _fields(value)
    return None if fields is None else [(str(key), fields[key]) for key in fields]


def _fields(value: Any) -> Mapping[str, Any] | None:
    """A mapping, or the fields of a client's model."""
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    found: dict[str, Any] | None = None if callable(value) else getattr(value, "__dict__", None)
    return found


def _output_max(arguments: Mapping[str, Any]) -> int | None:
    """How many tokens may be written in all; None if that is not bounded, or not known."""
    places = [arguments, *_settings(arguments)]
    limits = [n for place in places for n in _numbers(place, _LIMITS)]
    answers = [n for place in places for n in _numbers(place, _ANSWERS)]
    return max(limits) * max(answers, default=1) * _prompts(arguments) if limits else None


def _prompts(arguments: Mapping[str, Any]) -> int:
    """How many prompts a completion has: one, be it of text or of numbers, or a list of them."""
    prompt: Any = arguments.get("prompt")
    several = _inner(prompt) if isinstance(prompt, list) else None
    return 1 if all(type(n) is int for _, n in several or ()) else len(several or ())


def _settings(arguments: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for name in _SETTINGS:
        if (found := _fields(arguments.get(name))) is not None:
            yield found


def _numbers(place: Mapping[str, Any], keys: frozenset[str]) -> Iterator[int]:
    for key in keys:
        value = place.get(key)
        if type(value) is int and value > 0:
            yield value


def lowered(
    request: Mapping[str, Any], limit: Sequence[str], tokens: int, least: int
) -> dict[str, Any] | None:
    """A request's body that lets no more be written than it may, in place of one that lets more.

    Args:
        request: the body; not changed.
        limit: the way to the limit, where there is none yet.
        tokens: how many tokens may be written, in all answers together.
        least: a smaller limit the provider does not take.

    Returns:
        The body; None if it cannot ask for so little.
    """
    answers = [n for place in (request, *_settings(request)) for n in _numbers(place, _ANSWERS)]
    each = tokens // (max(answers, default=1) * _prompts(request))
    if each < max(least, _thought(request) + 1):
        return None
    body, is_said = _with_limits(request, each)
    for name in _SETTINGS:
        inner = _fields(request.get(name))
        if isinstance(inner, Mapping):
            changed, is_inside = _with_limits(inner, each)
            if is_inside:
                body[name], is_said = changed, True
    return body if is_said else _with(body, limit, each)


def _thought(request: Mapping[str, Any]) -> int:
    """How many tokens are set apart for thinking, which a limit has to be above."""
    budgets = (
        (_fields(place.get("thinking")) or {}).get("budget_tokens")
        for place in (request, *_settings(request))
    )
    return max((n for n in budgets if type(n) is int), default=0)


def _with_limits(place: Mapping[str, Any], each: int) -> tuple[dict[str, Any], bool]:
    """A place with its limits lowered, and whether it has any."""
    limits = {key: min(n, each) for key in _LIMITS for n in _numbers(place, frozenset({key}))}
    return {**place, **limits}, bool(limits)


def _with(body: dict[str, Any], limit: Sequence[str], each: int) -> dict[str, Any]:
    """A body with a limit that it did not have."""
    name, *rest = limit
    if not rest:
        return {**body, name: each}
    inner = _fields(body.get(name))
    return {**body, name: _with(dict(inner or {}), rest, each)}
