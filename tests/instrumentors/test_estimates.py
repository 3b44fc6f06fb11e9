"""What a call used that ended before its usage came lies between its bounds, or there are none."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from enum import Enum
from types import SimpleNamespace
from typing import Any, Final

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st
from tiktoken import registry as registry_of_tiktoken

from otel_genai_cost.usage.asked import Asked, asked
from otel_genai_cost.usage.estimates import Arrived, estimate

_INPUT: Final = "genai_cost.estimate.input_tokens"
_OUTPUT: Final = "genai_cost.estimate.output_tokens"
_METHOD: Final = "genai_cost.estimate.method"
_TEXT: Final[dict[str, Any]] = {"messages": [{"role": "user", "content": "hello"}]}

_texts = st.text(st.characters(codec="utf-8"), max_size=60)
_schemas = st.recursive(
    st.fixed_dictionaries({"type": st.sampled_from(["string", "integer"]), "description": _texts}),
    lambda inner: st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(_texts, inner, max_size=3)}
    ),
    max_leaves=4,
)
_messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "assistant", "tool"]),
            "content": st.one_of(
                _texts,
                st.lists(
                    st.fixed_dictionaries({"type": st.just("text"), "text": _texts}), max_size=3
                ),
            ),
        }
    ),
    max_size=5,
)
_requests = st.fixed_dictionaries(
    {"messages": _messages},
    optional={
        "tools": st.lists(
            st.fixed_dictionaries({"type": st.just("function"), "function": _schemas}), max_size=3
        ),
        "stop": st.lists(_texts, max_size=2),
        "temperature": st.floats(0, 2),
    },
)


class _Model:
    """As a client's model keeps its fields."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def _as_models(value: Any) -> Any:
    if isinstance(value, dict):
        return _Model(**{str(key): _as_models(item) for key, item in value.items()})
    return [_as_models(item) for item in value] if isinstance(value, list) else value


# --- what is read ---


@pytest.mark.parametrize("text", ["data:", "data: see below", "data:image/png;base64,AAAA"])
def test_what_people_write_is_text_whatever_it_begins_with(text: str) -> None:
    for part in (text, [{"type": "text", "text": text}]):
        found = asked({"messages": [{"role": "user", "content": part}]})
        assert found.input_max is not None
    picture = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    assert asked({"messages": [{"role": "user", "content": picture}]}).input_max is None


@given(_requests)
def test_a_text_is_no_more_tokens_than_its_whole_writing_has_bytes(request: Any) -> None:
    """Every tokeniser that falls back on bytes keeps to that, whatever is rendered of the request."""
    written = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()
    found = asked({"model": "m", **request})
    assert found.input_max is not None and found.input_max >= len(written) + 1_000
    assert found.text_bytes is not None and found.text_bytes <= len(written)
    assert asked({"messages": _as_models(request["messages"])}).text_bytes is not None


def test_a_short_message_is_bounded_with_what_a_provider_writes_around_it() -> None:
    """Eight tokens for "hi" at OpenAI and Anthropic, whose text has six bytes with its role."""
    found = asked({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]})
    assert found.text_bytes == 6
    assert found.input_max is not None and found.input_max >= 8


def test_bytes_are_counted_not_characters() -> None:
    assert asked({"input": "ééé"}).text_bytes == 6
    assert asked({"input": "日本語🙂"}).text_bytes == 13
    assert asked({"input": "\ud800x"}).text_bytes == 1  # which no client can send


def test_numbers_are_read_too() -> None:
    found = asked({"input": [1, 2, 3]})
    assert found.input_max is not None and found.input_max >= 3


_PICTURE: Final = "data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    "more",
    [
        {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "https://x/y"}}]}]},
        {"messages": [{"content": [{"type": "image_url", "image_url": {"url": _PICTURE}}]}]},
        {"input": [{"content": [{"type": "input_file", "file_id": "f"}]}]},
        {"messages": [{"content": [{"type": "image", "source": {"type": "base64", "data": "A"}}]}]},
        {"messages": [{"content": [{"image": {"source": {"bytes": b"A"}}}]}]},
        {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "A"}}]}]},
        {"contents": [{"parts": [{"fileData": {"fileUri": "gs://x"}}]}]},
        {"messages": [{"content": "x", "images": ["A"]}]},
        {"cachedContent": "cachedContents/1"},
        {"previous_response_id": "resp_1"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "pmpt_1"}},
        {"body": b"{}"},
        {"file": object()},
        {"config": {"tools": [print]}},
        {"messages": iter(())},
        {"response_format": _Model},
    ],
    ids=lambda more: str(more).partition(" at 0x")[0],
)
def test_what_is_more_than_text_has_no_bound_and_its_answer_has(more: dict[str, Any]) -> None:
    found = asked({**_TEXT, "max_tokens": 10, **more})
    assert found == Asked(None, None, 10)
    assert _INPUT not in estimate({}, "m", found, None)


@pytest.mark.parametrize(
    "more",
    [
        {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        {"tools": [{"type": "file_search", "vector_store_ids": ["v"]}]},
        {"config": {"tools": [{"googleSearch": {}}]}},
        {"web_search_options": {}},
        {"mcp_servers": [{"url": "https://x"}]},
        {"extra_body": {"plugins": [{"id": "web"}]}},
        {"input": [0] * 10_001},
        {"input": [{"text": ["x"] * 100}] * 101},
    ],
    ids=lambda more: str(more)[:40],
)
def test_what_the_provider_runs_itself_has_none_at_all(more: dict[str, Any]) -> None:
    assert asked({**_TEXT, "max_tokens": 10, **more}) == Asked()


class _NotGiven:
    def __bool__(self) -> bool:
        return False


@pytest.mark.parametrize("nothing", [None, _NotGiven(), "", []])
def test_what_is_not_given_is_nothing(nothing: Any) -> None:
    given_nothing = dict.fromkeys(("previous_response_id", "conversation", "plugins"), nothing)
    assert asked({**_TEXT, **given_nothing}).text_bytes == asked(_TEXT).text_bytes


def test_settings_are_not_read() -> None:
    own = {"model": "a" * 99, "user": "u" * 99, "metadata": {"type": "x"}, "timeout": object()}
    assert asked({**_TEXT, **own}) == asked(_TEXT)


@pytest.mark.parametrize("value", [None, b"x", "text", 3, [_TEXT]])
def test_of_what_is_no_request_nothing_is_known(value: Any) -> None:
    assert asked(value) == Asked()


# --- what may be written ---


class _Limit(Enum):
    HUNDRED = 100


@pytest.mark.parametrize(
    ("request_", "most"),
    [
        ({"max_tokens": 100}, 100),
        ({"max_tokens": 100, "max_completion_tokens": 200}, 200),
        ({"max_output_tokens": 100}, 100),
        ({"config": {"maxOutputTokens": 100}}, 100),
        ({"config": SimpleNamespace(max_output_tokens=100, candidate_count=3)}, 300),
        ({"inferenceConfig": {"maxTokens": 100}}, 100),
        ({"textGenerationConfig": {"maxTokenCount": 100}}, 100),
        ({"options": {"num_predict": 100}}, 100),
        ({"extra_body": {"max_tokens": 100}}, 100),
        ({"max_tokens": 100, "n": 4}, 400),
        ({"max_tokens": 100, "n": 1, "best_of": 3}, 300),
        ({"max_tokens": 100, "prompt": ["a", "b"]}, 200),
        ({"max_tokens": 100, "prompt": [1, 2, 3]}, 100),
        ({"max_tokens": 100, "prompt": "a"}, 100),
        ({}, None),
        ({"options": {"num_predict": -1}}, None),
        ({"max_tokens": 0}, None),
        ({"max_tokens": True}, None),
        ({"max_tokens": "100"}, None),
        ({"max_tokens": _Limit.HUNDRED}, None),
    ],
    ids=str,
)
def test_what_may_be_written_is_bounded_by_what_the_caller_allows(
    request_: dict[str, Any], most: int | None
) -> None:
    assert asked(request_).output_max == most


def test_a_limit_among_the_texts_is_none() -> None:
    """Arguments of a tool that the model has called before, and properties of a schema."""
    called = {"type": "tool_use", "input": {"max_tokens": 5, "n": 7}}
    schema = {"properties": {"max_tokens": {"type": "integer", "default": 3}}}
    request = {"max_tokens": 100, "messages": [{"content": [called]}], "tools": [schema]}
    assert asked(request).output_max == 100


def test_looking_is_bounded_and_changes_nothing() -> None:
    endless: dict[str, Any] = {"messages": []}
    endless["messages"].append(endless)
    before = time.process_time()
    assert asked(endless) == Asked()
    assert asked({"input": list(range(3_000_000))}).input_max is None
    assert time.process_time() - before < 2
    assert endless == {"messages": [endless]}


# --- what arrived ---


@given(st.lists(_texts, max_size=20), st.one_of(st.none(), st.integers(1, 500)), st.data())
def test_what_arrived_lies_between(
    pieces: list[str], limit: int | None, data: st.DataObject
) -> None:
    """However its bytes are cut into tokens of up to 128 bytes, and whatever else was allowed to come."""
    arrived = Arrived()
    for piece in pieces:
        arrived.add(piece)
    left, tokens = len("".join(pieces).encode()), 0
    while left > 0:
        left -= data.draw(st.sampled_from((1, 3, 4, 16, 128)))
        tokens += 1
    if limit is not None:
        tokens = min(tokens, limit)  # the provider sees to it
    found = estimate({}, "m", Asked(output_max=limit), arrived)
    least, likely, *most = found[_OUTPUT]
    assert least <= likely and likely <= most[0] if most else least <= likely
    assert least <= tokens or tokens == limit
    assert not most or tokens <= most[0]
    assert found[_METHOD] == "bytes"


@given(_requests, st.dictionaries(st.sampled_from(["gen_ai.usage.input_tokens"]), st.integers(0)))
def test_bounds_are_in_order_and_what_was_reported_is_not_estimated(
    request: Any, learned: Mapping[str, int]
) -> None:
    found = estimate(dict(learned), "m", asked(request), None)
    assert (_INPUT in found) is not bool(learned)
    for name in (_INPUT, _OUTPUT):
        bounds = found.get(name, [])
        assert bounds == sorted(bounds) and all(type(n) is int and n >= 0 for n in bounds)


def test_nothing_can_have_come() -> None:
    assert estimate({}, "m", Asked(), None) == {_OUTPUT: [0, 0], _METHOD: "bytes"}
    assert estimate({}, "m", Asked(400, 1_500, 50), None) == {
        _INPUT: [0, 100, 1_500],
        _OUTPUT: [0, 0, 50],
        _METHOD: "bytes",
    }
    both = {"gen_ai.usage.input_tokens": 1, "gen_ai.usage.output_tokens": 1}
    assert estimate(both, "m", Asked(400, 1_500, 50), None) == {}


# --- with a tokeniser ---


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("nothing is downloaded")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def loaded() -> Iterator[None]:
    """An encoding that the application has loaded: two letters are one token."""
    ranks = {bytes([n]): n for n in range(256)} | {b"ab": 256}
    name = "o200k_base"
    encoding = tiktoken.Encoding(
        name, pat_str=r"\S+|\s", mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 257}
    )
    registry_of_tiktoken.ENCODINGS[name] = encoding
    yield
    del registry_of_tiktoken.ENCODINGS[name]


def _arrived(text: str) -> Arrived:
    arrived = Arrived()
    arrived.add(text)
    return arrived


@pytest.mark.usefixtures("no_network", "loaded")
@pytest.mark.parametrize(
    ("text", "tokens"), [("abab", 2), ("é", 2), ("<|endoftext|>", 13), ("ab" * 8_000, 8_000)]
)
def test_one_that_the_application_has_loaded_counts(text: str, tokens: int) -> None:
    found = estimate({}, "gpt-4o-2024-08-06", Asked(), _arrived(text))
    assert found[_METHOD] == "tiktoken o200k_base"
    assert found[_OUTPUT] == [-(-len(text.encode()) // 128), tokens]


@pytest.mark.usefixtures("no_network", "loaded")
@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("claude-sonnet-4-5", "abab"),
        ("gpt-3.5-turbo", "abab"),  # whose encoding is not loaded
        (None, "abab"),
        ("gpt-4o", "ab" * 8_193),
        ("gpt-4o", ""),
    ],
)
def test_otherwise_bytes_are_counted_and_nothing_is_loaded(model: Any, text: str) -> None:
    before = dict(registry_of_tiktoken.ENCODINGS)
    assert estimate({}, model, Asked(), _arrived(text))[_METHOD] == "bytes"
    assert before == registry_of_tiktoken.ENCODINGS


@pytest.mark.usefixtures("no_network")
def test_a_tokeniser_that_was_not_imported_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "tiktoken"]:
        monkeypatch.delitem(sys.modules, name)
    assert estimate({}, "gpt-4o", Asked(), _arrived("abab"))[_METHOD] == "bytes"
    assert "tiktoken" not in sys.modules


@pytest.mark.usefixtures("loaded")
def test_counting_is_bounded() -> None:
    before = time.process_time()
    for text in ("a" * 16_384, " " * 16_384, "日本" * 8_000, "x y" * 5_000):
        estimate({}, "gpt-4o", Asked(), _arrived(text))
    assert time.process_time() - before < 2


@pytest.mark.parametrize(
    ("learned", "bounds"),
    [
        (
            {"gen_ai.usage.output_tokens": 30, "gen_ai.usage.reasoning.output_tokens": 9},
            [30, 30, 80],
        ),
        ({}, [1, 2, 80]),
    ],
)
def test_what_an_unfinished_answer_counted_so_far_is_the_least(
    learned: dict[str, Any], bounds: list[int]
) -> None:
    arrived = Arrived()
    arrived.add("one two")
    learned["genai_cost.unfinished"] = True
    found = estimate(learned, "gemini-2.5-flash", Asked(output_max=80), arrived)
    assert found[_OUTPUT] == bounds
    assert learned == {"genai_cost.unfinished": True}


def test_other_kinds_of_output_are_kept_as_they_were_counted() -> None:
    learned = {
        "genai_cost.unfinished": True,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.usage.audio.output_tokens": 30,
    }
    assert estimate({**learned}, "gemini-live", Asked(output_max=80), Arrived()) == {}
