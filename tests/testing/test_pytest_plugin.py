"""The pytest plugin, in test sessions of its own: the real client, real threads, and what a team would see."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.testing.suite import CONFTEST, run

pytest_plugins = ["pytester"]

_DOCS: Final = Path(__file__).resolve().parents[2] / "docs" / "testing.md"

_TESTS: Final = """
import asyncio, threading, unittest
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
import app
from otel_genai_cost import system, tenant as in_the_name_of

def test_right(tenant):
    assert tenant.startswith("canary-test_right-")
    app.ask()

def test_pool_and_loop():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(app.ask).result()
    asyncio.run(app.ask_later())

@pytest.mark.anyio
async def test_async():
    await app.ask_later()
    await asyncio.gather(asyncio.create_task(app.ask_later()), asyncio.to_thread(app.ask))

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
@pytest.mark.parametrize("size", [1, 2])
@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers())
async def test_property(size, n):
    await app.ask_later()

class TestOld(unittest.TestCase):
    def test_old_style(self):
        app.ask()

class TestOldAsync(unittest.IsolatedAsyncioTestCase):
    async def test_old_style_async(self):
        await app.ask_later()

def test_own_names():
    with in_the_name_of("acme"):
        app.ask()
    with system("health"):
        app.ask()

def test_missing():
    Context().run(app.ask)

@pytest.mark.tenant_exempt("a health check")
def test_exempt():
    Context().run(app.ask)

@pytest.mark.tenant_exempt
def test_exempt_without_a_reason():
    app.ask()

def test_starts_a_worker():
    app.micro_batch()

def test_uses_its_worker():
    app.micro_batch()

def test_fails_by_itself():
    Context().run(app.ask)
    assert 1 == 2
"""


def test_a_call_without_the_tests_own_tenant_fails_it(suite: pytest.Pytester) -> None:
    outcomes, output = run(suite, _TESTS, "-p", "no:xdist")
    assert outcomes == {"passed": 10, "failed": 4}, output
    failed = set(re.findall(r"^FAILED test_app\.py::(\w+)", output, re.MULTILINE))
    assert failed == {
        "test_missing",
        "test_exempt_without_a_reason",
        "test_uses_its_worker",
        "test_fails_by_itself",
    }
    missing = output.index("MISSING: 'chat gpt-4o' at ")
    assert re.match(r".+app\.py:\d+ in ask \(thread MainThread\) has no tenant", output[missing:])
    assert re.search(r"through \S+test_app\.py:\d+ in test_missing\n", output), "the stack"
    assert "site-packages" not in output
    assert "fix: no tenant was bound where it ran" in output
    assert "STALE: 'chat gpt-4o'" in output
    assert "runs in the name of test_app.py::test_starts_a_worker" in output
    assert "say why: @pytest.mark.tenant_exempt(" in output
    assert "assert 1 == 2" in output, "its own failure stays what it is"
    sites = output.partition("where calls of models were made")[2]
    assert re.search(r"12 calls, +4 without a tenant +\S+app\.py:\d+ in ask\n", sites), sites
    assert re.search(r"8 calls, +0 without a tenant +\S+app\.py:\d+ in ask_later\n", sites), sites


_LATE: Final = """
import threading
import app

go, started = threading.Event(), []

def test_leaves_a_thread():
    started.append(threading.Thread(target=later, name="left-behind"))
    started[0].start()

def later():
    go.wait(60)
    app.ask()

def teardown_module():
    go.set()
    started[0].join()
"""


@pytest.mark.parametrize("options", [("-p", "no:xdist"), ("-n", "1")], ids=["alone", "xdist"])
def test_what_outlives_its_test_is_reported_at_the_end(
    suite: pytest.Pytester, options: tuple[str, ...]
) -> None:
    suite.makepyfile(test_app=_LATE)
    done = suite.runpytest_subprocess(*options, timeout=120)
    assert done.parseoutcomes() == {"passed": 1}
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    end = str(done.stdout).partition("calls that were made when their test had ended")[2]
    assert "test_app.py::test_leaves_a_thread started what made:" in end
    assert re.search(r"1 x chat gpt-4o at \S+app\.py:\d+ in ask \(thread left-behind\)", end)
    assert "1 calls,      1 without a tenant" in str(done.stdout)


_ROUND_TRIP: Final = """
import app, pytest

def test_right(tenant_round_trip):
    tenant_round_trip(app.send, app.work)

def test_careless(tenant_round_trip):
    tenant_round_trip(app.send, app.work_carelessly)

def test_no_call(tenant_round_trip):
    tenant_round_trip(app.send, app.mailbox.clear)

@pytest.mark.anyio
async def test_async(tenant_round_trip, anyio_backend):
    async def send():
        app.send()
    async def work():
        app.work()
    await tenant_round_trip.later(send, work)
    with pytest.raises(TypeError, match="later"):
        tenant_round_trip(send, work)

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


def test_a_queue_of_the_teams_own_goes_round(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:xdist\n")
    outcomes, output = run(suite, _ROUND_TRIP)
    assert outcomes == {"passed": 2, "failed": 2}, output
    assert "messages of acme were worked on for nobody" in output
    assert "`with job(headers):`" in output
    assert "no call was seen" in output


def test_a_consumer_that_takes_the_tenant_around_it_is_found(suite: pytest.Pytester) -> None:
    """Alone, a message without a tenant is nobody's with such a consumer, too."""
    tests = """
import app
from otel_genai_cost import job, tenant

def work():
    while app.mailbox:
        headers = app.mailbox.pop(0)["headers"]
        if "baggage" in headers:
            with job(headers):
                app.ask()
        else:
            app.ask()

def test_it(tenant_round_trip):
    tenant_round_trip(app.send, work)
"""
    outcomes, output = run(suite, tests, "-p", "no:xdist")
    assert outcomes == {"failed": 1}
    assert "messages of nobody were worked on by a worker in the name of bystander" in output


def test_nothing_is_done_unless_it_is_turned_on(suite: pytest.Pytester) -> None:
    suite.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:xdist\n")
    tests = """
from contextvars import Context
import sys
import app, pytest

def test_nobodys():
    Context().run(app.ask)
    assert not [name for name in sys.modules if name.startswith("otel_genai_instrumentors")]

class TestOfATeam:
    @pytest.fixture
    def tenant(self):
        return "a fixture of their own"

    def test_theirs(self, tenant):
        Context().run(app.ask)

def test_one_that_asks(tenant):
    Context().run(app.ask)
"""
    outcomes, output = run(suite, tests)
    assert outcomes == {"passed": 2, "failed": 1}, output
    assert "MISSING" in output


def test_loading_it_loads_nothing_else() -> None:
    code = (
        "import sys, pytest; import otel_genai_cost.testing.pytest_plugin\n"
        "print(*(name for name in sys.modules if name.startswith(('opentelemetry', 'otel_genai'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == [
        "otel_genai_cost",
        "otel_genai_cost.testing",
        "otel_genai_cost.testing.pytest_plugin",
    ]


_SHOP: Final = """
import app

def enqueue(name, text):
    app.send()

work_on_all = app.work
search = app.ask
"""
_SHOP_FIXTURES: Final = """
from fastapi import FastAPI
from fastapi.testclient import TestClient

@pytest.fixture
def client():
    api = FastAPI()
    api.get("/search")(app.ask_nicely)
    api.get("/health")(app.ask_nicely)
    return TestClient(api)

class Sends:
    async def send_one(self):
        app.send()

    async def read_all(self):
        app.work()

@pytest.fixture
def producer():
    return Sends()

consumer = producer

def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.anyio)

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


def test_the_documentations_examplesrun(suite: pytest.Pytester) -> None:
    suite.makeconftest(f"import app\n{CONFTEST}{_SHOP_FIXTURES}")
    suite.mkpydir("shop").joinpath("jobs.py").write_text(_SHOP, "utf-8")
    suite.path.joinpath("shop", "app.py").write_text(_SHOP, "utf-8")
    blocks = re.findall(r"```python\n(.*?)```", _DOCS.read_text("utf-8"), re.DOTALL)
    examples = [block for block in blocks if "from shop." in block]
    [ini] = re.findall(r"```ini\n(.*?)```", _DOCS.read_text("utf-8"), re.DOTALL)
    suite.makeini(ini)
    assert len(examples) == 2
    outcomes, output = run(suite, "\n".join(examples), "-p", "no:xdist")
    assert outcomes.keys() == {"passed"}, output
    ran = set(re.findall(r"^PASSED test_app\.py::(\w+)", output, re.MULTILINE))
    assert len(ran) == 4, "where trio is installed, one of them runs by that as well"
