"""Responses that are read again, and the results of batches: what is charged, by a ledger of their own."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from otel_genai_cost import attach, tenant
from otel_genai_cost.cli.app import run
from otel_genai_cost.errors import UnattributedCallError
from otel_genai_cost.tenancy import strict
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_instrumentors.openai_batches import Batches
from otel_genai_instrumentors.spans import CallTracer
from tests.instrumentors.conftest import Recorder

Charges = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def charges(recorder: Recorder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Charges:
    """Settles what was metered until now, and gives the charges."""
    attach(recorder.provider, ledger=tmp_path, quiet=True)

    def settled() -> list[dict[str, Any]]:
        assert run(["ship", "--drain", "--ledger", str(tmp_path)]) == 0
        capsys.readouterr()
        assert run(["charges", "--json", "--ledger", str(tmp_path)]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return settled


@pytest.fixture
def client(standin: OpenAIStandIn, recorder: Recorder) -> Iterator[openai.OpenAI]:
    """Made when the client is instrumented: older ones hold on to what they send with."""
    assert recorder.spans == ()
    with openai.OpenAI(base_url=standin.url, api_key="k", max_retries=0) as client:
        yield client


def _amounts(charges: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    return {one["response_id"]: (one["tenant"], one["status"], one["amount"]) for one in charges}


@pytest.mark.parametrize("polls", [0, 1, 3])
def test_a_background_response_is_charged_once_however_often_it_is_read(
    client: openai.OpenAI, charges: Charges, polls: int
) -> None:
    with tenant("acme"):
        begun = client.responses.create(model="gpt-4o", input="hello", background=True)
    assert begun.usage is None
    for n in range(polls):
        if n == 2:
            assert list(client.responses.retrieve(begun.id, stream=True))
        else:
            client.responses.retrieve(begun.id)
    found = charges()
    assert len(found) == 1
    priced = ("acme", "priced", "0.0001025") if polls else ("acme", "unpriced", "0")
    assert _amounts(found) == {begun.id: priced}  # 9 tokens in at 2.50 USD and 8 out at 10


def test_what_is_left_or_cancelled_and_read_later_is_charged_by_what_is_read(
    client: openai.OpenAI, charges: Charges
) -> None:
    with tenant("acme"):
        stream = client.responses.create(
            model="gpt-4o", input="hello", background=True, stream=True
        )
        begun = next(stream)
        stream.close()
    response_id: str = getattr(begun, "response").id  # noqa: B009 -- of some events only
    client.responses.cancel(response_id)
    assert _amounts(charges()) == {response_id: ("acme", "priced", "0.0001025")}


def test_what_cannot_be_read_again_is_no_charge(client: openai.OpenAI, charges: Charges) -> None:
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_unknown")
    assert charges() == []


def test_reading_again_needs_no_tenant_where_calls_do(client: openai.OpenAI) -> None:
    with tenant("acme"):
        made = client.responses.create(model="gpt-4o", input="hello")
    strict.configure(strict=True)
    try:
        with pytest.raises(UnattributedCallError):
            client.responses.create(model="gpt-4o", input="hello")
        assert client.responses.retrieve(made.id).id == made.id
    finally:
        strict.configure(strict=False)


def test_a_response_of_elsewhere_is_nobodys(
    client: openai.OpenAI, recorder: Recorder, charges: Charges
) -> None:
    """Who only reads it again does not pay for it."""
    made = client.responses.create(model="gpt-4o", input="hello")
    assert recorder.only["gen_ai.response.id"] == made.id
    with tenant("reader"):
        raw = client.responses.with_raw_response.retrieve(made.id)
    assert raw.parse().id == made.id
    assert [one["tenant"] for one in charges()] == [None]


def test_a_moderation_costs_nothing_and_says_so(client: openai.OpenAI, charges: Charges) -> None:
    client.moderations.create(input="hello")
    (found,) = charges()
    assert (found["status"], found["amount"]) == ("priced", "0")


# --- batches ---

_LINES = (
    ("/v1/chat/completions", {"model": "gpt-4o", "messages": [{"role": "user", "content": "a"}]}),
    ("/v1/responses", {"model": "gpt-4o", "input": "hello"}),
    ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "hello"}),
)
_PRICES = ["0.00000009", "0.00005125", "0.00007"]
"""Half of what they cost alone."""


def _batch(client: openai.OpenAI, **more: Any) -> Any:
    lines = (
        json.dumps({"custom_id": f"{n}", "method": "POST", "url": url, "body": body})
        for n, (url, body) in enumerate(_LINES)
    )
    content = io.BytesIO("\n".join(lines).encode())
    source = client.files.create(file=("lines.jsonl", content), purpose="batch")
    endpoint: Any = _LINES[0][0]
    made = client.batches.create(
        input_file_id=source.id, endpoint=endpoint, completion_window="24h", **more
    )
    assert made.output_file_id is None
    return made


def _tenants(charges: list[dict[str, Any]]) -> list[str | None]:
    return [one["tenant"] for one in charges]


def test_each_line_is_charged_once_to_whom_the_batch_was_made_for(
    client: openai.OpenAI, charges: Charges, standin: OpenAIStandIn
) -> None:
    with tenant("acme"):
        made = _batch(client)
    for _ in range(2):
        done = client.batches.retrieve(made.id)
        assert client.files.content(done.output_file_id or "").text.count("\n") == len(_LINES)
    found = charges()
    assert _tenants(found) == ["acme"] * 3
    assert sorted(one["amount"] for one in found) == _PRICES


def test_the_batchs_metadata_names_its_tenant_to_any_process(
    client: openai.OpenAI, recorder: Recorder, charges: Charges
) -> None:
    made = _batch(client, metadata={"tenant.id": "globex"})
    with tenant("reader"):
        (done,) = (one for one in client.batches.list() if one.id == made.id)
        files = client.files.with_streaming_response
        with files.content(done.output_file_id or "") as response:
            assert b"".join(response.iter_bytes()).count(b"\n") == len(_LINES)
    assert _tenants(charges()) == ["globex"] * 3
    assert all((span.attributes or {})["genai_cost.batch"] for span in recorder.spans)


def test_else_it_is_whoever_reads_it(
    client: openai.OpenAI, charges: Charges, standin: OpenAIStandIn
) -> None:
    made = _batch(client)

    async def read() -> None:
        async with openai.AsyncOpenAI(base_url=standin.url, api_key="k") as reading:
            done = await reading.batches.retrieve(made.id)
            with tenant("reader"):
                assert (await reading.files.content(done.output_file_id or "")).text

    asyncio.run(read())
    assert _tenants(charges()) == ["reader"] * 3


def test_other_files_are_left_alone(
    client: openai.OpenAI, recorder: Recorder, standin: OpenAIStandIn
) -> None:
    source = client.files.create(file=("a.jsonl", io.BytesIO(b'{"id": "x"}\n')), purpose="batch")
    assert client.files.content(source.id).text == '{"id": "x"}\n'
    assert recorder.spans == ()


def test_junk_in_a_file_of_results_harms_nothing(recorder: Recorder) -> None:
    lines = (
        b'{"id": "batch_req_1", "response": null, "error": {"code": "batch_expired"}}',
        b'{"id": "batch_req_2", "response": {"status_code": 400, "body": {"error": {}}}}',
        b'{"id": "batch_req_3", "response": {"status_code": 200, "body": []}}',
        b'{"id": "batch_req_4", "resp',
        b"[7]",
        b'{"id": "batch_req_5", "response": {"status_code": 200, "body": {"model": "gpt-4o", '
        b'"object": "chat.completion", "usage": {"prompt_tokens": 5, "completion_tokens": 1}}}}',
    )
    with openai.OpenAI(api_key="k") as client:
        path, response = "/files/file-1/content", _Response(b"\n".join(lines))
        Batches(_tracer(recorder), lambda *_: "openai").seen(client, path, response, None)
    assert recorder.only["gen_ai.response.id"] == "batch_req_5"
    assert recorder.only["gen_ai.usage.input_tokens"] == 5


class _Response:
    is_closed = True

    def __init__(self, content: bytes) -> None:
        self.content = content


def _tracer(recorder: Recorder) -> CallTracer:
    return CallTracer("openai", recorder.provider)
