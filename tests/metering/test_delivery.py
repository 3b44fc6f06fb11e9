"""How durable calls are that have ended, beside receivers that refuse, are silent or are not there."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forwarding.receivers import Running, running
from tests.metering.programs import run

_STARTED = """
trace.set_tracer_provider(TracerProvider())
install()
import otel_genai_cost
"""
_QUIET = {"OTEL_GENAI_COST_QUIET": "true"}


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "there") as made:
        yield made


def _at(receiver: Running, level: str = "node", **more: str) -> dict[str, str]:
    return {
        **_QUIET,
        "OTEL_GENAI_COST_DURABILITY": level,
        "OTEL_GENAI_COST_SHIP_TO": receiver.url,
        **more,
    }


def _written(tmp_path: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (tmp_path / "journal").glob("*.jsonl")}


def _calls(receiver: Running) -> int:
    """How many observations it keeps: books and beginnings are none."""
    lines = b"".join(receiver.kept().values()).splitlines()
    return sum(b'"type"' not in line for line in lines)


def test_written_is_durable_where_nothing_else_is_asked_for(tmp_path: Path) -> None:
    ran = run(
        _STARTED
        + """
call()
say(otel_genai_cost.force_flush(1))
say(trace.get_tracer_provider().force_flush(1000))
import threading
say([thread.name for thread in threading.enumerate()])
""",
        tmp_path,
        _QUIET,
    )
    assert ran.said == [True, True, ["MainThread"]]


def test_lost_calls_are_said_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nowhere = str(tmp_path / "file" / "below")
    ran = run(
        _STARTED
        + """
say(otel_genai_cost.force_flush(0.1))
call()
say(otel_genai_cost.force_flush(0.1))
for _ in range(10_003): call()
os.unlink(os.environ["OTEL_GENAI_COST_JOURNAL"].removesuffix("/below"))
say(otel_genai_cost.force_flush(30))
say(otel_genai_cost.force_flush(30))
""",
        tmp_path,
        {
            **_QUIET,
            "OTEL_GENAI_COST_JOURNAL": nowhere,
            "TMPDIR": nowhere,
            "XDG_STATE_HOME": nowhere,
        },
    )
    assert ran.said == [True, False, False, True]


@pytest.mark.parametrize("level", ["pod", "node"])
def test_true_means_acknowledged(tmp_path: Path, receiver: Running, level: str) -> None:
    ran = run(
        _STARTED
        + """
for _ in range(3): call()
say(otel_genai_cost.force_flush(30))
say(trace.get_tracer_provider().force_flush(30_000))
os._exit(0)
""",
        tmp_path,
        _at(receiver, level),
    )
    assert ran.said == [True, True]
    assert receiver.kept() == _written(tmp_path)
    assert _calls(receiver) == 3


def test_false_means_that_something_is_not(tmp_path: Path, receiver: Running) -> None:
    receiver.answer("BUSY")
    ran = run(
        _STARTED
        + """
call()
say(otel_genai_cost.force_flush(0.5))
os._exit(0)
""",
        tmp_path,
        _at(receiver),
    )
    assert ran.said == [False]
    assert "Traceback" not in ran.stderr


def test_another_processor_that_hangs_does_not_hold_it_up(
    tmp_path: Path, receiver: Running
) -> None:
    ran = run(
        """
import time
from opentelemetry.sdk.trace import SpanProcessor
class Hanging(SpanProcessor):
    def force_flush(self, timeout_millis=30000):
        time.sleep(timeout_millis / 1000)
        return False
provider = TracerProvider()
provider.add_span_processor(Hanging())
trace.set_tracer_provider(provider)
import otel_genai_cost
install()
call()
begun = time.monotonic()
say(otel_genai_cost.force_flush(30))
say(time.monotonic() - begun < 25)
say(provider.force_flush(200))
os._exit(0)
""",
        tmp_path,
        _at(receiver),
    )
    assert ran.said == [True, True, False]
    assert _calls(receiver) == 1


def test_an_end_in_order_leaves_nothing_behind(tmp_path: Path, receiver: Running) -> None:
    run(_STARTED + "for _ in range(5): call()", tmp_path, _at(receiver, "process"))
    assert receiver.kept() == _written(tmp_path)
    assert receiver.finished() == set(_written(tmp_path))


def test_an_end_does_not_wait_for_who_is_not_there(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        begun_s = time.monotonic()
        ran = run(
            _STARTED + "call(); otel_genai_cost.force_flush(0.5)",
            tmp_path,
            {**_QUIET, "OTEL_GENAI_COST_DURABILITY": "node", "OTEL_GENAI_COST_SHIP_TO": url},
        )
        assert time.monotonic() - begun_s < 45
    assert ran.code == 0
    assert len(ran.journalled) == 1
    assert f"{url} does not take the journal (no answer" in ran.stderr


@pytest.mark.parametrize("level", ["pod", "node"])
def test_a_level_without_a_receiver_is_one_line_and_no_level(tmp_path: Path, level: str) -> None:
    ran = run(
        "trace.set_tracer_provider(TracerProvider())\npre_instrument()\nattach(TracerProvider())\ncall()",
        tmp_path,
        {"OTEL_GENAI_COST_DURABILITY": level},
    )
    [problem] = ran.error_lines
    assert "OTEL_GENAI_COST_DURABILITY is ignored" in problem
    assert f"'{level}'" in problem and "OTEL_GENAI_COST_SHIP_TO" in problem
    assert "durability process" in ran.stderr
    assert len(ran.journalled) == 1


def test_in_code_it_raises(tmp_path: Path) -> None:
    ran = run('install(durability="node")', tmp_path, _QUIET)
    assert ran.code == 1
    assert "name an agent or a ledger in OTEL_GENAI_COST_SHIP_TO" in ran.stderr


def test_the_start_up_line_names_the_level_and_the_receiver(
    tmp_path: Path, receiver: Running
) -> None:
    settings = {**_at(receiver), "OTEL_GENAI_COST_QUIET": "false"}
    ran = run(_STARTED, tmp_path, settings)
    assert f"; durability node, sent to {receiver.url}" in ran.stderr


def test_what_is_not_sent_is_a_metric(tmp_path: Path, receiver: Running) -> None:
    receiver.answer("FULL")
    ran = run(
        """
from pathlib import Path
import time
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
trace.set_tracer_provider(TracerProvider())
install()
import otel_genai_cost
def unshipped():
    return {
        metric.name: point.value
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if "unshipped" in metric.name
    }
for _ in range(2): call()
otel_genai_cost.force_flush(1.5)
say(unshipped())
Path(sys.argv[1] if sys.argv[1:] else os.environ["ANSWER"]).unlink()
otel_genai_cost.force_flush(30)
while unshipped()["genai_cost.unshipped_usd"]: time.sleep(0.05)
say(unshipped())
call()
say(unshipped()["genai_cost.unshipped_usd"])
os._exit(0)
""",
        tmp_path,
        _at(receiver, ANSWER=str(receiver.folder / "answer")),
    )
    before, after, one = ran.said
    assert before["genai_cost.unshipped_usd"] == pytest.approx(0.00042)
    assert before["genai_cost.unshipped_seconds"] > 0.5
    assert after == {"genai_cost.unshipped_usd": 0, "genai_cost.unshipped_seconds": 0}
    assert one == pytest.approx(0.00021)


def test_without_a_receiver_there_is_no_such_metric(tmp_path: Path) -> None:
    ran = run(
        """
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
reader = InMemoryMetricReader()
metrics.set_meter_provider(MeterProvider([reader]))
trace.set_tracer_provider(TracerProvider())
install()
call()
say("unshipped" in reader.get_metrics_data().to_json())
""",
        tmp_path,
        _QUIET,
    )
    assert ran.said == [False]


def test_forked_workers_send_what_they_make(tmp_path: Path, receiver: Running) -> None:
    ran = run(
        _STARTED
        + """
call()
for _ in range(3):
    if os.fork() == 0:
        call()
        os._exit(0 if otel_genai_cost.force_flush(30) else 1)
say([os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(3)])
say(otel_genai_cost.force_flush(30))
os._exit(0)
""",
        tmp_path,
        _at(receiver),
    )
    assert ran.said == [[0, 0, 0], True]
    assert receiver.kept() == _written(tmp_path)
    assert _calls(receiver) == 4


def test_under_gevent(tmp_path: Path, receiver: Running) -> None:
    pytest.importorskip("gevent")
    ran = run(
        """
trace.set_tracer_provider(TracerProvider())
install()
import gevent, otel_genai_cost
def work():
    call()
    return otel_genai_cost.force_flush(30)
jobs = [gevent.spawn(work) for _ in range(3)]
gevent.joinall(jobs)
say([job.value for job in jobs])
os._exit(0)
""",
        tmp_path,
        _at(receiver),
        before="from gevent import monkey; monkey.patch_all()\n",
    )
    assert ran.said == [[True, True, True]]
    assert _calls(receiver) == 3
