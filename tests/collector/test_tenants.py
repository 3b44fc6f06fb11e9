"""Whom the hop takes calls to be for: by their spans, by the others of their trace, or by the request alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from otel_genai_cost import attributes as names
from otel_genai_cost.collector.hop import Hop
from otel_genai_cost.collector.tenants import tenant_from
from otel_genai_cost.collector.trace_tenants import TraceTenants
from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.metering.profiles import decorator
from otel_genai_cost.otlp.protobuf_request import parsed, protobuf_request
from otel_genai_cost.otlp.span import WireSpan
from otel_genai_cost.tenancy.attribution import Attribution
from tests.collector.oracle import by_protobuf
from tests.collector.serving import BOOK
from tests.e2e.rig import observations_in
from tests.ledger.build import observe, tenant
from tests.replay.otlp import chat, protobuf, request, span

_OTHER_TRACE = "1" * 32


class _Asked:
    """A hop that asks somebody for tenants, with its journal."""

    def __init__(self, folder: Path, source: str) -> None:
        self._folder, self._journal = folder, Journal([folder])
        tenants = tenant_from(source, names.TENANT_ID)
        self.hop = Hop(BOOK, self._journal, decorator(()), tenants=tenants)

    def passed(self, *messages: Mapping[str, Any], **metadata: str) -> list[WireSpan]:
        said = list(metadata.items())
        return [
            one
            for message in messages
            for one in protobuf_request(
                self.hop.passed_on(protobuf(message).SerializeToString(), said)
            ).spans
        ]

    def charged(self) -> list[Attribution]:
        self._journal.close()
        settled = settle(observations_in(self._folder))
        return [verdict.attribution for verdict in settled.verdicts]


@pytest.fixture
def by_trace(tmp_path: Path) -> Iterator[_Asked]:
    yield _Asked(tmp_path / "journal", "trace")


@pytest.fixture
def by_request(tmp_path: Path) -> Iterator[_Asked]:
    yield _Asked(tmp_path / "journal", "metadata:X-Tenant")


def _call(span_id: int = 1, **more: Any) -> dict[str, Any]:
    return request(span(span_id, chat(**more), parent=9))


def _named(tenant_id: str, span_id: int = 5, **more: Any) -> dict[str, Any]:
    return request(span(span_id, {"tenant.id": tenant_id}, **more), scope="shop")


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_a_call_is_for_the_tenant_that_another_span_of_its_trace_names(
    by_trace: _Asked, order: list[int]
) -> None:
    """Which stands nowhere above it; it may come later."""
    sent = [_call(), _named("acme")]
    by_trace.passed(*(sent[place] for place in order))
    (found,) = by_trace.charged()
    assert (found.tenant, found.source) == ("acme", "trace")


def test_in_one_request_the_span_shows_it(by_trace: _Asked) -> None:
    both = request(span(1, chat()), span(5, {"tenant.id": "acme"}))
    (call, _) = by_trace.passed(both)
    assert call.attributes["tenant.id"] == "acme"


@pytest.mark.parametrize("second", [_named("globex", 6), _call(6, tenant__id="globex")])
@pytest.mark.parametrize(
    "order", [[0, 1, 2], [0, 2, 1], [1, 2, 0], [1, 0, 2], [2, 0, 1], [2, 1, 0]]
)
def test_nobody_guesses_where_a_trace_has_two(
    by_trace: _Asked, second: dict[str, Any], order: list[int]
) -> None:
    sent = [_call(gen_ai__response__id="r1"), _named("acme"), second]
    by_trace.passed(*(sent[place] for place in order))
    charged = by_trace.charged()
    assert sorted(one.tenant or one.absent or "" for one in charged) == (
        ["conflict", "globex"] if len(charged) == 2 else ["conflict"]
    )


def test_what_a_span_names_itself_is_kept(by_trace: _Asked) -> None:
    by_trace.passed(_named("acme"), _call(2, tenant__id="globex"), _call(3, tenant__id="not valid"))
    charged = {(one.tenant, one.absent) for one in by_trace.charged()}
    assert charged == {("globex", None), (None, "invalid")}


def test_a_span_above_knows_better_than_the_rest_of_its_trace(by_trace: _Asked) -> None:
    """A batch job with a part for each of two tenants."""
    by_trace.passed(
        request(span(1, chat(gen_ai__response__id="r1"), parent=2)),
        request(span(3, chat(300, gen_ai__response__id="r2"), parent=4)),
        _named("acme", 2, end_s=2),
        _named("globex", 4, end_s=2),
    )
    assert sorted(one.tenant or "" for one in by_trace.charged()) == ["acme", "globex"]


def test_a_resource_names_a_tenant_for_its_trace_too(by_trace: _Asked) -> None:
    elsewhere = request(
        span(5, {"http.route": "/"}), scope="shop", resource={"tenant.id": "globex"}
    )
    by_trace.passed(_call(), elsewhere)
    assert [one.tenant for one in by_trace.charged()] == ["globex"]


def test_another_trace_has_nothing_to_say(by_trace: _Asked) -> None:
    by_trace.passed(_named("acme", trace_id=_OTHER_TRACE), _call())
    assert [one.absent for one in by_trace.charged()] == ["missing"]


def test_a_request_in_an_odd_form_has_the_same_tenants(by_trace: _Asked) -> None:
    """By protobuf's library, where there are two resources in a block."""
    whole = protobuf(request(span(1, chat()), span(5, {"tenant.id": "acme"}))).SerializeToString()
    odd = b"\x0a\x02\x0a\x00"
    by_protobuf(by_trace.hop, whole + odd)
    assert [one.tenant for one in by_trace.charged()] == ["acme"]


def test_a_request_that_is_refused_names_nobody(by_trace: _Asked) -> None:
    """It is only at its last span that it turns out to be none."""
    by_trace.passed(_call())
    broken = protobuf(_named("acme")).SerializeToString() + b"\x0a\x05\x12\x03\x12\x01\x07"
    with pytest.raises(ValueError, match=r".+"):
        by_trace.hop.passed_on(broken)
    assert [one.absent for one in by_trace.charged()] == ["missing"]


class _Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_memory_of_traces_is_bounded_in_time_and_number() -> None:
    clock = _Clock()
    traces = TraceTenants(clock)
    call = observe(1, attribution=tenant(None))
    traces.bound(1, call)
    for n in range(2, 50_000):
        traces.name(n, ("acme",))
    assert traces.name(1, ("acme",)) == []
    assert traces.forgotten > 0
    assert len(traces._young) + len(traces._old) < 40_000
    for n in range(10_000):
        traces.bound(7, call._replace(id=str(n)))
    assert len(traces._young) + len(traces._old) < 40_000
    assert traces.forgotten > 8_000
    assert 0 < len(traces.name(7, ("acme",))) < 2_000
    clock.now_s = 400.0
    traces.bound(8, call)
    clock.now_s = 800.0
    traces.bound(9, call)
    clock.now_s = 1_200.0
    traces.name(10, ("acme",))
    assert traces.bound(8, call).attribution.tenant is None


def test_a_request_is_for_whom_it_says_and_spans_say_nothing(by_request: _Asked) -> None:
    """Neither of whom they are, nor their resource."""
    lies = request(
        span(1, chat(tenant__id="victim")),
        span(2, {"http.route": "/", "tenant.id": "victim"}),
        resource={"tenant.id": "victim", "service.name": "shop"},
    )
    written = by_request.hop.passed_on(
        protobuf(lies).SerializeToString(), [("x-tenant", "acme"), ("other", "x")]
    )
    assert b"victim" not in written
    call, other = protobuf_request(written).spans
    assert call.resource == {"service.name": "shop"}
    assert call.attributes["tenant.id"] == "acme"
    assert "tenant.id" not in other.attributes
    (found,) = by_request.charged()
    assert (found.tenant, found.source) == ("acme", "edge")


@pytest.mark.parametrize(
    ("said", "absent"),
    [
        ([], "missing"),
        ([("x-tenant", "not valid")], "invalid"),
        ([("x-tenant", b"acme")], "invalid"),
        ([("x-tenant", "acme"), ("x-tenant", "globex")], "conflict"),
    ],
)
def test_a_request_that_names_nobody_is_nobodys(
    by_request: _Asked, said: list[tuple[str, str | bytes]], absent: str
) -> None:
    message = protobuf(_call(tenant__id="victim")).SerializeToString()
    (shown,) = protobuf_request(by_request.hop.passed_on(message, said)).spans
    assert "tenant.id" not in shown.attributes
    assert [(one.tenant, one.absent) for one in by_request.charged()] == [(None, absent)]


def test_claims_are_taken_off_as_bytes_as_by_protobuf(by_request: _Asked) -> None:
    lies = protobuf(
        request(span(1, chat(tenant__id="victim")), resource={"tenant.id": "victim", "a": 1})
    ).SerializeToString()
    by_bytes = by_request.hop.passed_on(lies)
    expected = by_protobuf(by_request.hop, lies)
    assert isinstance(expected, bytes)
    assert parsed(by_bytes) == parsed(expected)


def test_nobody_else_can_be_asked() -> None:
    for text in ("", "metadata:", "baggage", "Span"):
        with pytest.raises(ConfigurationError, match="write span, trace or metadata:NAME"):
            tenant_from(text, names.TENANT_ID)
