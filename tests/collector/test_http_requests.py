"""What the hop is sent by HTTP that is bad, too large or too much, or comes oddly."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.transport.receiver import Receiver
from tests.collector.http import JSON, PROTOBUF, call, message, post
from tests.collector.receiving import (
    DONE,
    Received,
    export,
)
from tests.collector.serving import NARROW, Served, serving
from tests.e2e.rig import observations_in
from tests.replay.otlp import protobuf, request, span

_STATUS: Final[Any] = status_pb2.Status


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/v1/traces", PROTOBUF, 405),
        ("POST", "/v1/metrics", PROTOBUF, 404),
        ("POST", "/v1/traces", {"Content-Type": "text/plain"}, 415),
        ("POST", "/v1/traces", {**PROTOBUF, "Content-Encoding": "zstd"}, 415),
        ("POST", "/v1/traces", {**PROTOBUF, "Content-Encoding": "gzip"}, 400),
        ("POST", "/v1/traces", {**PROTOBUF, "Transfer-Encoding": "chunked, gzip"}, 400),
    ],
)
def test_what_is_no_request_for_spans_is_refused(
    received: Received,
    served: Served,
    method: str,
    path: str,
    headers: Mapping[str, str],
    status: int,
) -> None:
    address = served.http.replace("/v1/traces", path)
    assert post(address, message(), headers, method).status == status
    assert received.requests == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (message()[:-2], PROTOBUF),
        (gzip.compress(message())[:-9], {**PROTOBUF, "Content-Encoding": "gzip"}),
        (b"{", JSON),
        (b"[]", JSON),
        (b'{"resourceSpans": 7}', JSON),
        (b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}', JSON),
        (b'{"resourceSpans": ' + b"[" * 50_000, JSON),
        (b"\xff", JSON),
    ],
)
def test_bad_input_is_refused_for_good_with_the_reason(
    received: Received, served: Served, body: bytes, headers: Mapping[str, str], tmp_path: Path
) -> None:
    answer = post(served.http, body, headers)
    assert answer.status == 400
    if headers is JSON:
        assert json.loads(answer.body)["code"] == 3
        assert json.loads(answer.body)["message"]
    else:
        status: Any = _STATUS.FromString(answer.body)
        assert (status.code, bool(status.message)) == (3, True)
    assert received.requests == []
    assert not list(observations_in(tmp_path / "journal"))


def test_chunks_are_one_request(received: Received, served: Served) -> None:
    """As Node sends what it does not know the length of."""
    packed = gzip.compress(message())
    chunks = iter([packed[:7], packed[7:]])
    assert post(served.http, chunks, {**PROTOBUF, "Content-Encoding": "gzip"}).status == 200
    assert len(received.spans) == 1


def test_what_is_too_large_is_refused_for_good_however_it_is_packed(
    received: Received, served: Served
) -> None:
    large = bytes(NARROW.request_max_bytes + 1)
    packed = {**PROTOBUF, "Content-Encoding": "gzip"}
    assert post(served.http, large).status == 413
    assert post(served.http, gzip.compress(large), packed).status == 413
    assert post(served.http, gzip.compress(bytes(1 << 26)), packed).status == 413
    assert post(served.http, json.dumps(call(text="x" * (1 << 17))).encode(), JSON).status == 413
    with pytest.raises(grpc.RpcError) as refused:
        export(served.grpc, large)
    error: Any = refused.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert received.requests == []


@pytest.mark.parametrize("by_bytes", [False, True])
def test_more_than_there_is_room_for_is_told_when_to_come_again(
    received: Received, served: Served, by_bytes: bool
) -> None:
    """By requests, whichever protocol the others came by, and by bytes."""
    release, busy = threading.Event(), threading.Semaphore(0)

    def wait(context: Any) -> Any:
        busy.release()
        release.wait(10)
        return DONE()

    received.answer = wait
    large = protobuf(
        request(span(1, {"http.route": "x" * 400_000}), scope="shop")
    ).SerializeToString()
    with ThreadPoolExecutor(2) as pool:
        if by_bytes:
            waiting: list[Any] = [pool.submit(post, served.http, large) for _ in range(2)]
        else:
            waiting = [pool.submit(export, served.grpc, message()) for _ in range(2)]
        for _ in waiting:
            assert busy.acquire(timeout=10)
        answer = post(served.http, large if by_bytes else message())
        release.set()
        for one in waiting:
            one.result()
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
    retry: Any = error_details_pb2.RetryInfo()
    assert _STATUS.FromString(answer.body).details[0].Unpack(retry)
    assert post(served.http, message()).status == 200


def test_a_sender_that_dribbles_is_given_up_and_harms_nobody(
    received: Received, journal: Journal
) -> None:
    with serving(journal, Receiver(received.endpoint)) as served:
        parts = urlsplit(served.http)
        slow = socket.create_connection((parts.hostname, parts.port), timeout=10)
        slow.sendall(b"POST /v1/traces HTTP/1.1\r\nContent-Type: application/x-protobuf\r\n")
        assert post(served.http, message()).status == 200
        slow.sendall(b"Content-Length: 100\r\n\r\nabc")
        assert post(served.http, message()).status == 200
        slow.close()
    assert len(received.requests) == 2


def test_a_connection_carries_many_requests_and_what_was_refused_does_not_stay_in_it(
    received: Received, served: Served
) -> None:
    parts = urlsplit(served.http)
    assert parts.hostname is not None
    connection = HTTPConnection(parts.hostname, parts.port, timeout=10)
    statuses: list[int] = []
    for path in ("/v1/traces", "/elsewhere", "/v1/traces"):
        connection.request("POST", path, message(), dict(PROTOBUF))
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
    connection.close()
    assert statuses == [200, 404, 200]
    assert len(received.requests) == 2
