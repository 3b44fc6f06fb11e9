"""The hop as processes: two at one address, ended gently and by force, fed more than they hold, with prices that change
under way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import grpc
import pytest

from otel_genai_cost.whole_files import replace_file
from tests.cli.command import PROGRAM, rows
from tests.collector.hop_process import HopProcess, hop_process
from tests.collector.http import PROTOBUF, post
from tests.collector.receiving import DONE, GRPC, Received
from tests.demo.processes import Children, children, wait_until
from tests.demo.stage import clean_environment
from tests.pricing.books import price_file
from tests.replay.otlp import chat, protobuf, request, span

_EXPORT: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_ALONE: Final = (("grpc.use_local_subchannel_pool", 1),)
"""Each channel has a connection of its own."""


@pytest.fixture
def family() -> Iterator[Children]:
    with children() as started:
        yield started


def _message(number: int) -> bytes:
    call = span(number, chat(tenant__id="acme"), start_s=9 * number, end_s=9 * number + 1)
    written: bytes = protobuf(request(call)).SerializeToString()
    return written


def _by_grpc(endpoint: str, message: bytes) -> str:
    """The word for the answer's code."""
    with GRPC.insecure_channel(endpoint, options=_ALONE) as channel:
        try:
            channel.unary_unary(_EXPORT)(message, timeout=20)
        except grpc.RpcError as error:
            refused: Any = error
            return str(refused.code().name)
    return "OK"


def _by_http(address: str, message: bytes) -> int:
    """The answer's status; 0 if there was none."""
    try:
        return post(address, message, PROTOBUF).status
    except OSError:
        return 0


def _get(address: str) -> tuple[int, str]:
    answer = post(address, None, {}, "GET")
    return answer.status, answer.body.decode()


def _is_closed(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except OSError:
        return True
    return False


def _metric(hop: HopProcess, line: str) -> float:
    for one in _get(f"{hop.status}/metrics")[1].splitlines():
        name, _, value = one.rpartition(" ")
        if name == line:
            return float(value)
    return 0.0


def test_two_processes_at_one_address_answer_each_request_once(
    family: Children, received: Received, tmp_path: Path
) -> None:
    first = hop_process(family, tmp_path, received.endpoint)
    http = first.http.removeprefix("http://").removesuffix("/v1/traces")
    second = hop_process(family, tmp_path, received.endpoint, grpc=first.grpc, http=http)
    with ThreadPoolExecutor(4) as pool:
        by_grpc = list(pool.map(lambda n: _by_grpc(first.grpc, _message(n)), range(1, 25)))
        by_http = list(pool.map(lambda n: _by_http(first.http, _message(n)), range(25, 49)))
    assert (set(by_grpc), set(by_http)) == ({"OK"}, {200})
    for protocol in ("grpc", "http"):
        line = f'genai_cost_hop_requests_total{{protocol="{protocol}",answer="OK"}}'
        counts = [_metric(one, line) for one in (first, second)]
        assert sum(counts) == 24
        assert min(counts) > 0, "the system gave one process all connections"
    assert sum(_metric(one, "genai_cost_hop_spans_total") for one in (first, second)) == 48
    assert [hop.child.stop() for hop in (first, second)] == [0, 0]
    assert sorted(one.span_id for one in received.spans) == list(range(1, 49))
    assert len(list((tmp_path / "journal").glob("*.jsonl*"))) >= 2
    seen = [one.span_id for one in first.observations()]
    assert sorted(int(one, 16) for one in seen) == list(range(1, 49))


def test_processes_that_bind_by_trace_do_not_share_an_address(
    family: Children, received: Received, tmp_path: Path
) -> None:
    by_trace = ("--tenant-from", "trace")
    first = hop_process(family, tmp_path, received.endpoint, *by_trace)
    for listen in (("--listen", first.grpc), ("--listen-http", first.http.split("/")[2])):
        command = [PROGRAM, "collector", "serve", *listen, "--to", received.endpoint, *by_trace]
        second = family.start("second", command, tmp_path / "second.log", clean_environment())
        assert second.wait(20) == 2
        assert "the address cannot be had" in second.output()
        assert len(second.output().splitlines()) == 1


def test_sigterm_waits_for_requests_on_their_way(
    family: Children, received: Received, tmp_path: Path
) -> None:
    busy, release = threading.Semaphore(0), threading.Event()

    def wait(context: Any) -> Any:
        busy.release()
        release.wait(10)
        return DONE()

    received.answer = wait
    hop = hop_process(family, tmp_path, received.endpoint)
    with ThreadPoolExecutor(6) as pool:
        by_grpc = [pool.submit(_by_grpc, hop.grpc, _message(n)) for n in range(1, 4)]
        by_http = [pool.submit(_by_http, hop.http, _message(n)) for n in range(4, 7)]
        for _ in range(6):
            assert busy.acquire(timeout=10)
        hop.child.process.terminate()
        health = wait_until(
            lambda: (found := _get(f"{hop.status}/healthz"))[0] == 503 and found, "503", 10
        )
        assert health == (503, "ending\n")
        for address in (hop.grpc, hop.http.split("/")[2]):
            wait_until(lambda: _is_closed(address), f"{address} to be closed", 10)  # noqa: B023
        release.set()
        assert [one.result() for one in by_grpc] == ["OK"] * 3
        assert [one.result() for one in by_http] == [200] * 3
    assert hop.child.wait(10) == 0
    assert hop.child.output().splitlines()[-1] == "6 priced"
    assert len(hop.observations()) == 6


def test_a_kill_under_traffic_loses_and_doubles_nothing(
    family: Children, received: Received, tmp_path: Path
) -> None:
    """Senders send again what was not answered, as they do."""
    hop = hop_process(family, tmp_path, received.endpoint)
    http = hop.http.split("/")[2]
    answered: list[int] = []

    def send(number: int) -> None:
        message = _message(number)
        while not (
            _by_grpc(hop.grpc, message) == "OK"
            if number % 2
            else _by_http(hop.http, message) == 200
        ):
            time.sleep(0.05)
        answered.append(number)

    with ThreadPoolExecutor(6) as pool:
        sent = [pool.submit(send, number) for number in range(1, 121)]
        for at_least in (20, 60):
            wait_until(lambda: len(answered) > at_least, "traffic", 30)  # noqa: B023
            family[-1].kill()
            hop_process(family, tmp_path, received.endpoint, grpc=hop.grpc, http=http)
        for one in sent:
            one.result(60)
    assert family[-1].stop() == 0
    assert {one.span_id for one in received.spans} == set(range(1, 121))
    assert {int(one.span_id, 16) for one in hop.observations()} == set(range(1, 121))
    charges = rows("charges", "--json", "--ledger", str(tmp_path))
    assert len(charges) == 120


def test_memory_is_bounded_however_much_comes(
    family: Children, received: Received, tmp_path: Path
) -> None:
    """Ten times what it may hold, to a receiver that takes its time: what is refused is told to come again.

    Four times what it holds, and twice what its ten threads take in of 8 MiB each, is 288 MiB; the allocator keeps some
    more. All at once would be 240, three times: 720.
    """
    sizes = ("--in-flight-max-mib", "32", "--request-max-mib", "8", "--requests-max", "8")
    hop = hop_process(family, tmp_path, received.endpoint, *sizes)
    assert _by_grpc(hop.grpc, _message(1)) == "OK"
    idle_mib = hop.memory_mib()

    def slow(context: Any) -> Any:
        time.sleep(0.3)
        return DONE()

    received.answer = slow
    filler = protobuf(request(span(2, {"http.route": "x" * (6 << 20)}), scope="shop"))
    large = filler.SerializeToString() + _message(3)
    with ThreadPoolExecutor(40) as pool:
        by_grpc = list(pool.map(lambda _: _by_grpc(hop.grpc, large), range(40)))
        by_http = list(pool.map(lambda _: _by_http(hop.http, large), range(40)))
    assert set(by_grpc) == {"OK", "RESOURCE_EXHAUSTED"}
    assert set(by_http) == {200, 429}
    grown_mib = hop.memory_mib() - idle_mib
    assert grown_mib < 400, f"{grown_mib} MiB more than {idle_mib}"
    for protocol, ok in (("grpc", by_grpc.count("OK")), ("http", by_http.count(200))):
        counted = f'genai_cost_hop_requests_total{{protocol="{protocol}"'
        assert _metric(hop, f'{counted},answer="RESOURCE_EXHAUSTED"}}') == 40 - ok
    assert (_metric(hop, "genai_cost_hop_requests"), _metric(hop, "genai_cost_hop_bytes")) == (0, 0)
    assert hop.child.stop() == 0


def test_prices_change_under_traffic_and_broken_ones_do_not(
    family: Children, received: Received, tmp_path: Path
) -> None:
    file = tmp_path / "prices.toml"
    book = price_file("gpt-4o-mini-2024-07-18", "input = 1\noutput = 1")
    file.write_text(book)
    env = {"OTEL_GENAI_COST_BOOK": str(file), "OTEL_GENAI_COST_RELOAD_EVERY_S": "1"}
    hop = hop_process(family, tmp_path, received.endpoint, env=env)
    stop, numbers = threading.Event(), iter(range(1, 100_000))

    def send() -> None:
        while not stop.is_set():
            assert _by_http(hop.http, _message(next(numbers))) == 200

    def last_total() -> str:
        return str(received.spans[-1].attributes["genai_cost.total"])

    with ThreadPoolExecutor(2) as pool:
        senders = [pool.submit(send) for _ in range(2)]
        try:
            wait_until(lambda: received.requests, "traffic", 20)
            assert last_total() == "0.00128"
            replace_file(file, b"broken")
            failed = 'genai_cost_reloads_total{outcome="failed"}'
            wait_until(lambda: _metric(hop, failed) == 1, "a look at the broken book", 20)
            time.sleep(2.2)
            assert (_metric(hop, failed), last_total()) == (1, "0.00128")
            replace_file(file, book.replace("input = 1", "input = 3").encode())
            wait_until(lambda: last_total() == "0.00368", "the new prices", 20)
        finally:
            stop.set()
        for one in senders:
            one.result()
    assert hop.child.stop() == 0
    assert hop.child.output().count("stays in use") == 1
    totals = [str(one.attributes["genai_cost.total"]) for one in received.spans]
    assert set(totals) == {"0.00128", "0.00368"}
