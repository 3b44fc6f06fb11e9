"""Batches of Gemini's API: each result is observed once, with the batch's price, for whom the batch was made."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from otel_genai_cost import tenant
from otel_genai_cost.testing.standin.script import Answer, Usage
from tests.instrumentors.google.conftest import Metered

_ASKED: Any = [{"contents": [{"parts": [{"text": text}], "role": "user"}]} for text in "ab"]
_USAGE = Usage(347, 158, 131, reasoning_tokens=61)


def _is_as_billed(metered: Metered) -> None:
    assert metered.observed == metered.billed
    assert len(metered.observed) == len(_ASKED)
    for one, bill in zip(metered.observations, metered.standin.bills, strict=True):
        assert one.reading.context == {"batch": True}
        assert one.reading.response_id == bill["response_id"]
        assert (one.reading.usage.quality, one.attribution.tenant) == ("reported", "acme")


@pytest.mark.parametrize("is_file", [False, True], ids=["inlined", "file"])
def test_results(metered: Metered, *, is_file: bool) -> None:
    metered.standin.script.next(Answer(_USAGE, options={"file": is_file}))
    client = metered.client()
    with tenant("acme"):
        begun = client.batches.create(model="gemini-2.5-flash", src=_ASKED)
    assert not metered.observations
    for _ in range(2):
        done: Any = client.batches.get(name=str(begun.name))
        if is_file:
            assert client.files.download(file=done.dest.file_name)
        else:
            assert len(done.dest.inlined_responses) == len(_ASKED)
    _is_as_billed(metered)


def test_async(metered: Metered) -> None:
    async def run() -> None:
        async with metered.client().aio as client:
            with tenant("acme"):
                begun = await client.batches.create(model="gemini-2.5-flash", src=_ASKED)
            await client.batches.get(name=str(begun.name))

    metered.standin.script.next(Answer(_USAGE))
    asyncio.run(run())
    _is_as_billed(metered)


def test_any_other_file_is_none(metered: Metered) -> None:
    metered.standin.script.next(Answer(_USAGE, options={"file": True}))
    client = metered.client()
    begun = client.batches.create(model="gemini-2.5-flash", src=_ASKED)
    done: Any = client.batches.get(name=str(begun.name))
    kept = metered.standin._kept
    kept[done.dest.file_name] = b'{"response": 7}\nno JSON'
    client.files.download(file=done.dest.file_name)
    assert not metered.observations
