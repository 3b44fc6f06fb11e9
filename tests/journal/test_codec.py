"""Records are printed as the standard library would print them, whoever writes the JSON."""

from __future__ import annotations

import json
import sys
from importlib import util
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.errors import JournalError
from otel_genai_cost.journal import codec

_TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=12,
)


def _without_msgspec() -> ModuleType:
    """The same file where the library is not installed."""
    spec = util.find_spec("otel_genai_cost.journal.codec")
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    known = sys.modules.get("msgspec")
    sys.modules["msgspec"] = None  # type: ignore[assignment]
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["msgspec"]
        if known is not None:
            sys.modules["msgspec"] = known
    return module


_CODECS = pytest.mark.parametrize("used", [codec, _without_msgspec()], ids=["installed", "bare"])


@_CODECS
@settings(max_examples=200, deadline=None)
@given(record=_VALUES)
def test_it_is_spaced_as_the_standard_library_does(used: ModuleType, record: object) -> None:
    assert used.encode_spaced(record) == json.dumps(record, ensure_ascii=False)
    assert json.loads(used.encode(record)) == record


@_CODECS
def test_what_has_no_utf_8_is_escaped_for_commands_and_lost_in_a_journal(used: ModuleType) -> None:
    record = {"a": "x\ud800é", "b": ["\udc80"]}
    assert used.encode_spaced(record) == json.dumps(record)
    assert used.encode_lossy(record) == '{"a":"x?é","b":["?"]}'.encode()


@_CODECS
@pytest.mark.parametrize(
    "text",
    [rb'{"a":"\ud800"}', rb'{"\uDC80":1}', b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":"\xff"}'],
)
def test_what_could_not_be_written_again_is_no_json(used: ModuleType, text: bytes) -> None:
    with pytest.raises(JournalError, match="not JSON"):
        used.decode(text)


@_CODECS
def test_escaped_text_is_read(used: ModuleType) -> None:
    assert used.decode(rb'{"a":"\ud83d\ude00\u00e9"}') == {"a": "\U0001f600é"}
