"""What the hop journals of a request, and what it makes of it: the very charges of a replay of the same spans."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost import attributes as names
from otel_genai_cost.collector.hop import Hop
from otel_genai_cost.errors import failures
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.ledger.settlement.settle import settle
from otel_genai_cost.metering.profiles import PROFILES, decorator
from otel_genai_cost.otlp.json_request import json_request
from otel_genai_cost.otlp.protobuf_request import parsed, protobuf_request
from otel_genai_cost.otlp.span import WireSpan
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.replay.batch import replay
from otel_genai_cost.replay.recordings import Recording
from tests.collector.oracle import by_protobuf
from tests.collector.requests import requests
from tests.conformance.recorded import cases, replayed
from tests.e2e.rig import observations_in
from tests.replay.otlp import chat, protobuf, request, span

_BOOK = load_book()


class _Hops:
    """A hop with its journal."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._folder = folder
        self._journal = Journal([folder])
        self.hop = Hop(_BOOK, self._journal, decorator(()), **options)

    def passed(self, message: Mapping[str, Any]) -> tuple[WireSpan, ...]:
        return _passed(self.hop, message)

    def journalled(self) -> list[Observation]:
        self._journal.close()
        return list(observations_in(self._folder))


def _passed(hop: Hop, message: Mapping[str, Any]) -> tuple[WireSpan, ...]:
    return protobuf_request(hop.passed_on(protobuf(message).SerializeToString())).spans


@pytest.fixture
def hops(tmp_path: Path) -> Iterator[_Hops]:
    made = _Hops(tmp_path / "journal")
    yield made
    made.journalled()


def _acme(**more: object) -> dict[str, object]:
    return chat(tenant__id="acme", gen_ai__response__id="r1") | {
        key.replace("__", "."): value for key, value in more.items()
    }


def test_a_call_is_priced_and_journalled(hops: _Hops) -> None:
    (shown,) = hops.passed(request(span(1, _acme())))
    (one,) = hops.journalled()
    assert one.cost.total is not None
    assert shown.attributes[names.COST_STATUS] == "priced"
    assert shown.attributes[names.COST_CHARGE_ID] == one.id
    assert shown.attributes[names.GEN_AI_USAGE_COST] == one.cost.total / 10**18
    assert one.attribution.tenant == "acme"
    assert hops.hop.counts["priced"] == 1


def test_of_a_sampled_service_the_threshold_is_journalled_and_no_cost_is_made_up(
    hops: _Hops,
) -> None:
    sampled = {**span(1, _acme()), "traceState": "congo=t61rcWkgMzE,ot=rv:ffffffffffffff;th:c"}
    whole = span(2, _acme(gen_ai__response__id="r2"))
    shown = hops.passed(request(sampled, whole))
    first, second = hops.journalled()
    assert (first.threshold, second.threshold) == ("c", None)
    assert first.cost.total == second.cost.total
    assert shown[0].attributes[names.COST_TOTAL] == shown[1].attributes[names.COST_TOTAL]
    assert [one.threshold for one in json_request(request(sampled, whole)).spans] == ["c", None]


def test_what_is_no_call_goes_on_as_the_bytes_it_came_in(hops: _Hops) -> None:
    message = protobuf(request(span(1, {"http.route": "/"}), scope="shop")).SerializeToString()
    assert hops.hop.passed_on(message) is message
    assert hops.journalled() == []


def test_a_replay_of_the_same_spans_has_the_same_observations(hops: _Hops) -> None:
    message = request(
        span(1, _acme(), parent=2, end_s=1),
        span(2, _acme(gen_ai__response__id=""), parent=3, end_s=2),
        span(3, {"http.route": "/", "tenant.id": "acme"}, end_s=3),
        span(4, chat(gen_ai__request__model="unheard-of", gen_ai__response__model=""), end_s=3),
    )
    hops.passed(message)
    assert _records(hops.journalled()) == _records(
        one.observation for one in replay([Recording(1, json_request(message))], _BOOK)
    )


def test_recorded_spans_of_every_instrumentation_are_metered_as_by_a_replay(tmp_path: Path) -> None:
    """By the bytes as by protobuf's JSON, each recording for itself."""
    for case in cases():
        hops = _Hops(tmp_path / case.case_id.replace("/", "-"))
        hops.passed(case.otlp)
        by_replay = _records(one.observation for one in replayed(case, _BOOK))
        assert _records(hops.journalled()) == by_replay, case.case_id


@settings(max_examples=150)
@given(sent=st.lists(requests(), max_size=3))
def test_by_protobuf_the_same_is_journalled_and_passed_on(sent: list[bytes]) -> None:
    """Requests as they come from anybody: the way of nearly all, and the one for what no exporter writes."""
    with TemporaryDirectory() as folder:
        spliced, rewritten = _Hops(Path(folder, "a")), _Hops(Path(folder, "b"))
        for message in sent:
            expected = by_protobuf(rewritten.hop, message)
            assert isinstance(expected, bytes)
            assert parsed(spliced.hop.passed_on(message)) == parsed(expected)
        for hops in (spliced, rewritten):
            hops.hop.counts.pop(
                "malformed", None
            )  # of spans that are looked at, and protobuf looks at all
        assert spliced.hop.counts == rewritten.hop.counts
        assert _records(spliced.journalled()) == _records(rewritten.journalled())
    assert not failures.keys() & {"collector.hop", "collector.request"}


def _records(observations: Iterable[Observation]) -> dict[str, Any]:
    return {one.id: to_record(one._replace(duplicate_of=None)) for one in observations}


def test_of_two_spans_of_one_response_the_later_shows_no_cost(hops: _Hops) -> None:
    """Whatever their order in the request."""
    outer, inner = hops.passed(
        request(span(2, _acme(), end_s=2), span(1, _acme(), parent=2, end_s=1))
    )
    assert inner.attributes[names.COST_STATUS] == "priced"
    assert outer.attributes[names.COST_STATUS] == "duplicate"
    assert outer.attributes[names.COST_CHARGE_ID] == inner.attributes[names.COST_CHARGE_ID]


def test_a_tenant_that_only_a_span_above_names_may_come_later(hops: _Hops) -> None:
    hops.passed(request(span(1, chat(), parent=2)))
    hops.passed(request(span(3, {"tenant.id": "globex"}), scope="shop"))
    hops.passed(request(span(2, {"tenant.id": "acme"}, end_s=2), scope="shop"))
    call, above = hops.journalled()
    assert (call.attribution.tenant, above.attribution.tenant) == (None, "acme")
    (verdict,) = settle([call, above]).verdicts
    assert verdict.attribution.tenant == "acme"


def test_a_senders_word_on_costs_is_not_believed(hops: _Hops) -> None:
    lies = {
        names.COST_TOTAL: "0",
        names.COST_BOOK: "f" * 64,
        names.GEN_AI_USAGE_COST: 0.0,
        names.COST_STATUS: "priced",
    }
    for attributes in ({**_acme(), **lies}, {"http.route": "/", **lies}):
        (shown,) = hops.passed(request(span(1, attributes), scope="shop"))
        assert shown.attributes.get(names.COST_TOTAL) != "0"
        assert names.COST_BOOK not in shown.attributes


def test_no_name_that_a_trace_ui_believes_is_left_to_senders(tmp_path: Path) -> None:
    """All that any profile writes is taken off where that profile is not chosen."""
    call, written = _acme(), set[str]()
    for profiles in ([one for one in PROFILES if one != "semconv-draft"], ["semconv-draft"]):
        hop = Hop(_BOOK, Journal([tmp_path / profiles[0]]), decorator(profiles))
        (shown,) = _passed(hop, request(span(1, call)))
        written |= shown.attributes.keys() - call.keys()
    assert {"mlflow.llm.cost", "gen_ai.usage.cost.amount"} <= written
    claims = dict.fromkeys(written, "9.99")
    (shown,) = _passed(
        Hop(_BOOK, Journal([tmp_path / "claims"]), None), request(span(1, {**call, **claims}))
    )
    assert shown.attributes.keys() == call.keys()


def test_a_trusted_senders_costs_stay_where_they_name_their_book(tmp_path: Path) -> None:
    hops = _Hops(tmp_path / "journal", trusts=True)
    priced = {**_acme(), names.COST_TOTAL: "7", names.COST_BOOK: "f" * 64}
    (kept,) = hops.passed(request(span(1, priced)))
    assert kept.attributes[names.COST_TOTAL] == "7"
    (priced_anew,) = hops.passed(
        request(span(2, {**_acme(gen_ai__response__id="r2"), names.COST_TOTAL: "7"}))
    )
    assert priced_anew.attributes[names.COST_TOTAL] != "7"
    assert len(hops.journalled()) == 2


def test_a_request_that_comes_twice_is_the_same_observations(hops: _Hops) -> None:
    message = request(span(1, _acme()))
    first, second = hops.passed(message), hops.passed(message)
    assert first[0].attributes[names.COST_CHARGE_ID] == second[0].attributes[names.COST_CHARGE_ID]
    assert len({one.id for one in hops.journalled()}) == 1


def test_a_request_that_comes_twice_shows_its_costs_twice(hops: _Hops) -> None:
    """It was not taken the first time."""
    message = request(span(2, _acme(), end_s=2), span(1, _acme(), parent=2, end_s=1))
    assert hops.passed(message) == hops.passed(message)
    assert hops.hop.spans == 4


def test_what_our_own_reader_fails_at_is_read_by_protobuf(
    hops: _Hops, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures.clear()
    monkeypatch.setattr("otel_genai_cost.collector.hop.spliced", lambda *_: 1 // 0)
    (shown,) = hops.passed(request(span(1, {**_acme(), names.COST_TOTAL: "0"})))
    assert shown.attributes[names.COST_STATUS] == "priced"
    assert shown.attributes[names.COST_TOTAL] != "0"
    assert failures.pop("collector.request") == 1


def test_no_request_is_an_error_and_nothing_is_journalled(hops: _Hops) -> None:
    whole = protobuf(request(span(1, _acme()))).SerializeToString()
    for broken in (whole[:-3], b"\xff\xff", b"\x0a\x05abc"):
        with pytest.raises(ValueError, match=r".+"):
            hops.hop.passed_on(broken)
    assert hops.journalled() == []


class _Watched(bytes):
    """Says when it is gone; bytes cannot be looked at weakly."""

    gone = 0

    def __del__(self) -> None:
        _Watched.gone += 1


def test_nothing_is_left_of_a_request_that_is_refused(hops: _Hops) -> None:
    """Python looks for cycles seldom in this process."""
    gc.disable()
    try:
        for _ in range(5):
            with pytest.raises(ValueError, match=r".+"):
                hops.hop.passed_on(_Watched(b"\x0f" * 1_000))
        assert _Watched.gone == 5
    finally:
        gc.enable()


def test_spans_without_ids_and_absurd_ones_go_on(hops: _Hops) -> None:
    many = {f"k{n}": "x" for n in range(10_000)}
    nameless = {**span(1, _acme()), "traceId": ""}
    sent = request(
        nameless,
        span(2, {**_acme(), **many}),
        span(3, _acme(gen_ai__usage__input_tokens=-5, gen_ai__response__id="r3")),
    )
    shown = protobuf_request(hops.hop.passed_on(protobuf(sent).SerializeToString()))
    assert shown.malformed == 1
    assert len(shown.spans[0].attributes) > 10_000
    assert shown.spans[1].attributes[names.COST_STATUS] == "unpriced"
    assert hops.hop.counts["malformed"] == 1
