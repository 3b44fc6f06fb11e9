"""Who work is for: bound, carried, read at the end; stale, invalid or missing rather than somebody else's."""

from __future__ import annotations

import asyncio
import os
import random
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from enum import Enum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, context
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context

from otel_genai_cost import for_tenant, otel_api, system, tenant
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.tenancy import binding
from otel_genai_cost.tenancy.attribution import Attribution, tenant_id_of, trust_rank
from otel_genai_cost.tenancy.binding import attribution_of, capture, configure
from otel_genai_cost.tenancy.inbound import came_in
from otel_genai_cost.tenancy.refusals import refusals
from otel_genai_cost.vocabulary import ATTRIBUTION_SOURCES
from tests.forking import printed_by


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    yield
    configure()


def _now() -> Attribution:
    return attribution_of(capture(None))


def test_nothing_said_is_missing() -> None:
    assert capture(Context()) is None
    assert _now() == Attribution(absent="missing")


def test_tenant_and_labels_are_bound_for_the_block() -> None:
    with tenant("acme", plan="pro", feature="search"):
        assert _now() == Attribution(
            "acme", "edge", None, "user", {"plan": "pro", "feature": "search"}
        )
    assert _now().tenant is None


def test_labels_are_inherited_from_the_same_tenant_only() -> None:
    with tenant("acme", feature="search", plan="pro"):
        with tenant("acme", feature="chat"):
            assert dict(_now().labels) == {"feature": "chat", "plan": "pro"}
        with tenant("globex"):
            assert dict(_now().labels) == {}
        assert dict(_now().labels) == {"feature": "search", "plan": "pro"}


def test_system_work_for_a_tenant_and_for_nobody() -> None:
    with for_tenant("acme", reason="nightly digest"):
        found = _now()
        assert (found.tenant, found.source, found.initiator) == ("acme", "for_tenant", "system")
    with tenant("acme"), system("reindex"):
        found = _now()
        assert (found.tenant, found.absent, found.initiator) == (None, "system", "system")
        assert baggage.get_baggage("tenant.id") is None


@pytest.mark.parametrize("bad", ["", "a b", "a+b", "x" * 129, "a;b", "a,b", "é", "a\n", 7, None])
def test_id_that_baggage_would_change_is_refused(bad: str) -> None:
    with pytest.raises(ConfigurationError, match="A-Za-z0-9"):
        tenant(bad)
    with pytest.raises(ConfigurationError):
        for_tenant(bad, reason="x")


def test_baggage_is_what_other_services_need_with_the_tenant_first() -> None:
    junk = Context()
    for n in range(100):
        junk = baggage.set_baggage(f"junk{n}", "x" * 40, junk)
    token = context.attach(junk)
    try:
        with tenant("acme", feature="search"):
            carrier: dict[str, str] = {}
            W3CBaggagePropagator().inject(carrier)
    finally:
        context.detach(token)
    assert carrier["baggage"].startswith("tenant.id=acme,")
    sent = W3CBaggagePropagator().extract(carrier, Context())
    assert baggage.get_baggage("tenant.id", sent) == "acme"
    assert baggage.get_baggage("genai_cost.feature", sent) == "search"


def test_binding_is_believed_before_baggage() -> None:
    with tenant("acme"):
        spoofed = baggage.set_baggage("tenant.id", "victim")
        assert attribution_of(capture(spoofed)).tenant == "acme"


def _message(header: str) -> Context:
    """The context of a message with this baggage, whether or not what is extracted is watched in this process."""
    return came_in(W3CBaggagePropagator().extract({"baggage": header}, Context()), "message")


def _inbound(header: str) -> Attribution:
    extracted = _message(header)
    return attribution_of(capture(extracted))


def test_tenant_from_another_service_comes_by_baggage() -> None:
    found = _inbound("tenant.id=acme,tenant.plan=pro,genai_cost.initiator=system,user.email=x")
    assert found == Attribution("acme", "baggage", None, "system", {"plan": "pro"})


@pytest.mark.parametrize(
    ("header", "tenant_id", "absent"),
    [
        ("tenant.id=acme;signed=1", "acme", None),
        ("tenant.id=a%20b", None, "invalid"),
        ("tenant.id=a%0d%0ab", None, "invalid"),
        ("tenant.id=" + "x" * 200, None, "invalid"),
        ("gen_ai.request.model=zzz", None, "missing"),
    ],
)
def test_odd_baggage(header: str, tenant_id: str | None, absent: str | None) -> None:
    found = _inbound(header)
    assert (found.tenant, found.absent) == (tenant_id, absent)


class _Customer(str, Enum):
    ACME = "acme"


def test_a_member_of_an_enum_is_its_text_here_and_in_other_services() -> None:
    carrier: dict[str, str] = {}
    with tenant(_Customer.ACME):
        W3CBaggagePropagator().inject(carrier)
        told = [_now(), attribution_of(None, _Customer.ACME)]
    with for_tenant(_Customer.ACME, reason="digest"):
        told.append(_now())
    assert carrier["baggage"] == "tenant.id=acme"
    assert [type(one.tenant) for one in told] == [str] * 3


def test_what_spans_of_a_request_share_is_found_once_and_never_for_another() -> None:
    extracted = _message("tenant.id=acme")
    assert attribution_of(capture(extracted)) is attribution_of(capture(extracted))
    renamed = baggage.set_baggage("tenant.id", "globex", extracted)
    assert attribution_of(capture(renamed)).tenant == "globex"
    with tenant("acme"):
        assert _now() is _now()
        labelled = baggage.set_baggage("genai_cost.feature", "search")
        assert attribution_of(capture(labelled)).labels == {"feature": "search"}
        unbound = context.set_value(binding._BINDING, None)
        assert attribution_of(capture(unbound)).source == "baggage"
        assert _now().source == "edge"


def test_what_was_found_is_bounded_and_forgotten_with_its_settings() -> None:
    inbound = [f"tenant.id=t{n}" for n in range(1_000)]
    assert [_inbound(header).tenant for header in inbound] == [f"t{n}" for n in range(1_000)]
    assert len(binding._found) <= binding._FOUND_MAX
    kept = capture(_message("tenant.id=a,org=b"))
    assert attribution_of(kept).tenant == "a"
    configure(tenant_key="org")
    assert attribution_of(kept).tenant == "b"


def test_an_api_that_hides_its_baggage_key_is_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel_api, "_BAGGAGE_KEY", None)
    with tenant("acme", plan="pro"):
        assert _now() == Attribution("acme", "edge", None, "user", {"plan": "pro"})
    assert _inbound("tenant.id=acme").tenant == "acme"
    assert capture(Context()) is None


def test_span_and_resource_speak_only_where_nobody_else_does() -> None:
    assert attribution_of(None, "acme").source == "span"
    assert attribution_of(None, None, None, "acme").source == "resource"
    assert attribution_of(None, "not valid!", None, "acme").tenant == "acme"
    assert attribution_of(None, 17).absent == "invalid"
    with tenant("acme"):
        assert attribution_of(capture(None), "globex").tenant == "acme"


def test_labels_of_the_span_fill_in() -> None:
    with tenant("acme", feature="search"):
        found = attribution_of(capture(None), None, {"feature": "x", "agent": "planner"})
    assert dict(found.labels) == {"feature": "search", "agent": "planner"}


def test_another_baggage_key_can_hold_the_tenant() -> None:
    configure(tenant_key="org_id", labels=("shop.region",))
    found = _inbound("org_id=acme,tenant.id=victim,shop.region=eu")
    assert (found.tenant, found.labels["region"]) == ("acme", "eu")


def test_scope_that_closed_long_ago_is_stale() -> None:
    configure()
    with tenant("acme"):
        kept = context.get_current()
        assert attribution_of(capture(kept)).tenant == "acme"
    assert attribution_of(capture(kept)) == Attribution(absent="stale")


def test_thread_that_outlives_its_request_is_stale_not_somebodys() -> None:
    configure()
    go, found = threading.Event(), list[Attribution]()

    def work(inherited: Context) -> None:
        context.attach(inherited)
        go.wait()
        found.append(_now())

    with tenant("acme"):
        thread = threading.Thread(target=work, args=(context.get_current(),))
        thread.start()
    go.set()
    thread.join()
    assert found[0].absent == "stale"


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_binding_of_another_process_is_stale() -> None:
    with tenant("acme"):
        assert _now().tenant == "acme"
        pid = os.fork()
        if pid == 0:
            os._exit(0 if _now().absent == "stale" else 1)
        assert os.waitpid(pid, 0)[1] == 0


def test_binding_of_another_process_is_stale_if_nobody_was_told_of_the_fork() -> None:
    program = """
from otel_genai_cost import tenant
from otel_genai_cost.tenancy.binding import attribution_of, capture

def now():
    return attribution_of(capture(None))

def says():
    stale = now().absent
    with tenant("globex"):
        return int((stale, now().tenant) == ("stale", "globex"))

with tenant("acme"):
    print(now().tenant, in_child(says), now().tenant)
"""
    assert printed_by(program) == ["acme", "1", "acme"]


def test_decorates_every_kind_of_function() -> None:
    @tenant("acme")
    def plain(x: int) -> tuple[int, str | None]:
        return x, _now().tenant

    @tenant("acme")
    async def coroutine() -> str | None:
        await asyncio.sleep(0)
        return _now().tenant

    @tenant("acme")
    def generator() -> Iterator[str | None]:
        yield _now().tenant
        yield _now().tenant

    @tenant("acme")
    async def async_generator() -> AsyncIterator[str | None]:
        yield _now().tenant

    assert plain(3) == (3, "acme")
    assert plain.__name__ == "plain"
    assert asyncio.run(coroutine()) == "acme"
    steps = generator()
    assert next(steps) == "acme"
    assert _now().tenant is None  # the consumer is not acme
    assert list(steps) == ["acme"]

    async def collect() -> list[str | None]:
        return [one async for one in async_generator()]

    assert asyncio.run(collect()) == ["acme"]


def test_decorated_generator_gets_what_is_sent_and_thrown() -> None:
    @tenant("acme")
    def echo() -> Iterator[object]:
        got: object = None
        while True:
            try:
                got = yield got
            except KeyError:
                got = "caught"

    steps = echo()
    next(steps)
    assert steps.send("a") == "a"  # type: ignore[attr-defined]
    assert steps.throw(KeyError("k")) == "caught"  # type: ignore[attr-defined]
    steps.close()  # type: ignore[attr-defined]


def test_tasks_and_threads_never_cross() -> None:
    draw = random.Random(5)

    async def one(name: str) -> bool:
        with tenant(name):
            for _ in range(5):
                await asyncio.sleep(draw.random() / 500)
                if _now().tenant != name:
                    return False
        return _now().tenant is None

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(one(f"t{n % 3}") for n in range(60)))

    assert all(asyncio.run(all_of_them()))
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda n: asyncio.run(one(f"t{n % 3}")), range(24)))


def test_one_scope_may_be_shared_by_tasks_that_overlap() -> None:
    acme = tenant("acme")

    async def task(entered: asyncio.Event, leave: asyncio.Event) -> tuple[str | None, str | None]:
        with acme:
            entered.set()
            await leave.wait()
            inside = _now().tenant
        return inside, _now().tenant

    async def main() -> list[tuple[str | None, str | None]]:
        events = [asyncio.Event() for _ in range(4)]
        first = asyncio.create_task(task(events[0], events[1]))
        await events[0].wait()
        second = asyncio.create_task(task(events[2], events[3]))
        await events[2].wait()
        events[1].set()  # the one that came first leaves first
        found = [await first]
        events[3].set()
        return [*found, await second]

    assert asyncio.run(main()) == [("acme", None), ("acme", None)]


def test_scope_left_in_another_context_than_it_was_entered_in() -> None:
    acme = tenant("acme")
    copy_context().run(acme.__enter__)
    acme.__exit__(None, None, None)
    assert _now().tenant is None


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_no_header_ever_makes_an_impossible_tenant(header: str) -> None:
    found = _inbound(header)
    assert found.tenant is None or tenant_id_of(found.tenant) == found.tenant
    assert (found.tenant is None) == (found.absent is not None)


def test_trust_falls_in_the_documented_order() -> None:
    documented = (
        *("for_tenant", "token", "edge", "envelope", "baggage", "span", "resource"),
        "trace",
    )
    assert documented == ATTRIBUTION_SOURCES
    ranks = [trust_rank(source) for source in (*ATTRIBUTION_SOURCES, None)]
    assert ranks == list(range(len(documented) + 1))


def test_refusals_are_counted() -> None:
    before = refusals.get("invalid", 0)
    _inbound("tenant.id=a%20b")
    assert refusals["invalid"] == before + 1
