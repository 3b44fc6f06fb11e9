"""Which observations are one response: each rule, its guards, and that order never matters."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.settlement.settle import Settlement, settle
from otel_genai_cost.ledger.settlement.verdict import Verdict
from otel_genai_cost.tenancy.attribution import Attribution
from tests.ledger.build import observe, tenant


def groups_of(settlement: Settlement) -> list[list[str]]:
    return sorted(
        sorted(member.observation.span_id[-2:] for member in verdict.members)
        for verdict in settlement.verdicts
    )


def _one(*observations: Observation) -> Verdict:
    (verdict,) = settle(observations).verdicts
    return verdict


def test_two_calls_are_two_charges() -> None:
    assert groups_of(settle([observe(1), observe(2, trace=2, start_s=60, end_s=61)])) == [
        ["01"],
        ["02"],
    ]


def test_copies_of_one_span_are_one_charge() -> None:
    live = observe(1)
    replayed = live._replace(scope_version="2.0")
    verdict = _one(live, replayed)
    assert [member.rule for member in verdict.members] == [None, 0]
    assert verdict.flags == ()


def test_copies_that_differ_in_usage_are_a_conflict_and_the_richest_wins() -> None:
    live = observe(1)
    other = observe(1, parts={"cache_read": 900})
    verdict = _one(live, other)
    assert verdict.flags == ("conflict",)
    assert verdict.richest is other


def _client_without_usage(response_id: str = "r1") -> Observation:
    scope = "otel_genai_instrumentors.openai"
    return observe(1, tokens=None, response_id=response_id, scope=scope)


def test_usage_that_our_client_did_not_see_is_an_estimate() -> None:
    """Of a stream that was not asked for its usage, LiteLLM's own callback tells what it has counted from the text."""
    counted = observe(2, trace=2, tokens=(8, 6), response_id="r1", scope="litellm")
    verdict = _one(_client_without_usage(), counted)
    assert verdict.richest.id == counted.id
    assert verdict.richest.reading.usage == counted.reading.usage._replace(quality="estimated")
    assert verdict.cost == counted.cost
    assert not verdict.is_patched


def test_a_stream_that_our_client_saw_left_is_an_estimate_whoever_takes_its_part_for_the_whole() -> (
    None
):
    scope = "otel_genai_instrumentors.google-genai"
    left = observe(1, tokens=(347, 0), response_id="r1", scope=scope, error="unfinished")
    whole = observe(2, trace=2, tokens=(347, 0), response_id="r1", scope="framework")
    assert _one(left, whole).richest.reading.usage.quality == "estimated"


def test_usage_from_elsewhere_is_reported_where_our_client_says_nothing_of_it() -> None:
    told = observe(2, trace=2, response_id="r1", scope="litellm")
    other = observe(3, trace=3, tokens=None, response_id="r1", scope="framework")
    assert _one(told, other).richest == told
    polled = observe(2, trace=2, response_id="r1", scope="litellm", role="poll")
    assert _one(_client_without_usage(), polled).richest.reading.usage.quality == "reported"
    gateway = observe(2, trace=2, response_id="r1", scope="litellm", process="gateway")
    assert _one(_client_without_usage(), gateway).richest == gateway
    read = observe(1, response_id="r1", scope="otel_genai_instrumentors.openai")
    assert _one(read, told).richest.reading.usage.quality == "reported"


def test_framework_and_client_span_with_equal_usage_are_one() -> None:
    inner = observe(2, above=(1,), end_s=2, parts={"cache_read": 512})
    outer = observe(1, end_s=3, scope="framework", model=None)
    verdict = _one(outer, inner)
    assert verdict.charge_id == inner.id
    assert verdict.occurred_us == inner.end_us
    assert verdict.richest is inner


def test_llm_called_inside_an_llm_call_is_a_charge_of_its_own() -> None:
    outer = observe(1, end_s=9, tokens=(500, 50))
    inner = observe(2, above=(1,), end_s=5, tokens=(80, 8))
    assert groups_of(settle([outer, inner])) == [["01"], ["02"]]


def test_ancestor_that_is_the_sum_of_two_below_counts_for_none() -> None:
    outer = observe(1, end_s=9, tokens=(300, 30), scope="framework")
    below = [observe(n, above=(1,), start_s=n, end_s=n + 1, tokens=(100 * n, 10)) for n in (2, 1)]
    below[1] = observe(3, above=(1,), start_s=5, end_s=6, tokens=(100, 10))
    settlement = settle([outer, *below])
    assert groups_of(settlement) == [["02"], ["03"]]
    assert settlement.ignored == {outer.id: "sum"}


def test_sum_of_sums_counts_for_none() -> None:
    """Two steps of two calls each: each step is the sum of its calls, the run is the sum of its steps."""
    calls = [
        observe(10 + n, above=(2 + n // 2, 1), end_s=n + 1, tokens=(100, 10)) for n in range(4)
    ]
    steps = [observe(n, above=(1,), end_s=9, tokens=(200, 20), scope="framework") for n in (2, 3)]
    run = observe(1, end_s=10, tokens=(400, 40), scope="framework")
    settlement = settle([*calls, *steps, run])
    assert len(settlement.verdicts) == 4
    assert set(settlement.ignored.values()) == {"sum"}
    assert len(settlement.ignored) == 3


def test_failed_attempt_takes_nothing_from_a_sum() -> None:
    below = [observe(n, above=(1,), start_s=n, end_s=n + 1, tokens=(100, 10)) for n in (2, 4)]
    failed = observe(3, above=(1,), start_s=3, end_s=4, tokens=None, error="RateLimitError")
    run = observe(1, end_s=9, tokens=(200, 20), scope="framework")
    assert settle([*below, failed, run]).ignored == {run.id: "sum"}


def test_silent_span_joins_the_one_response_below_it() -> None:
    outer = observe(1, end_s=3, tokens=None, scope="framework")
    inner = observe(2, above=(1,), end_s=2)
    assert groups_of(settle([outer, inner])) == [["01", "02"]]


def test_silent_span_joins_the_stream_below_it_that_was_left() -> None:
    outer = observe(1, end_s=2, tokens=None, scope="framework")
    inner = observe(2, above=(1,), end_s=3, tokens=None, error="unfinished")
    assert groups_of(settle([outer, inner])) == [["01", "02"]]


def test_silent_span_above_two_responses_joins_neither() -> None:
    outer = observe(1, end_s=30, tokens=None, scope="framework")
    inner = [observe(n, above=(1,), start_s=n, end_s=n + 1, tokens=(n, 1)) for n in (2, 20)]
    assert len(settle([outer, *inner]).verdicts) == 3


def test_failed_attempt_is_no_part_of_the_answer_that_followed() -> None:
    failed = observe(2, above=(1,), end_s=1, tokens=None, error="openai.RateLimitError")
    answered = observe(3, above=(1,), start_s=1, end_s=2)
    outer = observe(1, end_s=3, scope="framework")
    assert groups_of(settle([failed, answered, outer])) == [["01", "03"], ["02"]]


def test_same_response_id_joins_only_with_equal_usage_and_overlap() -> None:
    one = observe(1, response_id="r1")
    again = observe(2, trace=2, response_id="r1", scope="gateway", process="p2")
    later = observe(3, trace=3, response_id="r1", start_s=600, end_s=601)
    other = observe(4, trace=4, response_id="r1", tokens=(7, 7))
    assert groups_of(settle([one, again, later, other])) == [["01", "02"], ["03"], ["04"]]


def test_same_id_one_after_the_other_on_one_clock_is_two_calls() -> None:
    """Ids may repeat, and two seconds are for clocks that differ."""
    first = observe(1, response_id="emb-1")
    next_one = observe(2, trace=2, start_s=2, end_s=3, response_id="emb-1")
    assert len(settle([first, next_one]).verdicts) == 2
    gateway = observe(3, trace=3, start_s=2, end_s=3, response_id="emb-1", process="p2")
    assert len(settle([first, gateway]).verdicts) == 1


def test_poll_joins_its_call_and_its_tenant_is_ignored() -> None:
    call = observe(1, response_id="r1", attribution=tenant("acme", "baggage"))
    poll = observe(
        2,
        trace=2,
        start_s=300,
        end_s=301,
        response_id="r1",
        role="poll",
        attribution=tenant("globex", "for_tenant"),
    )
    verdict = _one(call, poll)
    assert verdict.attribution.tenant == "acme"


def test_poll_brings_the_usage_that_its_call_did_not_have() -> None:
    call = observe(1, response_id="r1", tokens=None)
    poll = observe(2, trace=2, start_s=300, end_s=301, response_id="r1", role="poll")
    verdict = _one(call, poll)
    assert (verdict.charge_id, verdict.richest) == (call.id, poll)
    assert verdict.cost.status == "priced"


def test_results_of_a_batch_fetched_twice_are_one_each() -> None:
    fetched = [
        observe(n, trace=n, start_s=600 * n, end_s=600 * n + 1, response_id=name, batch=True)
        for n, name in enumerate(("r1", "r2", "r1", "r2"))
    ]
    assert groups_of(settle(fetched)) == [["00", "02"], ["01", "03"]]


def test_equal_ids_of_two_providers_prove_nothing() -> None:
    one, other = observe(1, response_id="r1"), observe(2, trace=2, response_id="r1", process="p2")
    other = other._replace(reading=other.reading._replace(provider="ollama"))
    assert len(settle([one, other]).verdicts) == 2


def test_rewritten_id_of_a_gateway_joins_by_what_stands_above() -> None:
    """The gateway gives a response an id of its own; its span is below the client's, in another process."""
    client = observe(1, response_id="chatcmpl-1", end_s=3)
    gateway = observe(2, above=(1,), end_s=2, response_id="msg-1", scope="gateway", process="p2")
    assert [member.rule for member in _one(client, gateway).members] == [None, 2]


def test_poll_alone_is_unpriced() -> None:
    verdict = _one(observe(1, response_id="r1", role="poll"))
    assert (verdict.cost.status, verdict.cost.reason) == ("unpriced", "poll_without_call")


def test_identical_parallel_calls_seen_by_two_scopes_stay_two() -> None:
    seen = [
        observe(n, trace=n, start_s=0, end_s=5, scope=scope)
        for n, scope in enumerate(("client", "client", "framework", "framework"), start=1)
    ]
    assert sorted(map(len, groups_of(settle(seen)))) == [2, 2]


def test_side_by_side_never_joins_two_tenants_or_two_processes() -> None:
    mine = observe(1)
    theirs = observe(2, trace=2, scope="framework", attribution=tenant("globex"))
    elsewhere = observe(3, trace=3, scope="framework", process="p2")
    assert len(settle([mine, theirs, elsewhere]).verdicts) == 3


def test_twin_of_the_same_trace_comes_first() -> None:
    clients = [observe(n, trace=n, end_s=n, attribution=tenant(None)) for n in (1, 2)]
    frameworks = [
        observe(10 + n, trace=n, end_s=end_s, scope="framework", attribution=tenant(who))
        for n, end_s, who in ((2, 3, "globex"), (1, 4, "acme"))
    ]
    assert groups_of(settle([*clients, *frameworks])) == [["01", "0b"], ["02", "0c"]]


def test_response_that_no_member_but_one_of_two_names_a_tenant_joins_no_other() -> None:
    """Rule 3 looks at the whole response: the member without a tenant is no bridge between two."""
    inner = observe(2, above=(1,), attribution=tenant(None))
    outer = observe(1, end_s=2, scope="framework", attribution=tenant("acme"))
    stranger = observe(3, trace=3, end_s=3, scope="other", attribution=tenant("globex"))
    assert groups_of(settle([inner, outer, stranger])) == [["01", "02"], ["03"]]


def test_tenant_of_a_context_keeps_twins_apart() -> None:
    mine = observe(2, above=(1,), attribution=tenant(None))
    context = observe(1, end_s=9, role="context", tokens=None, attribution=tenant("acme"))
    theirs = observe(3, trace=3, scope="framework", attribution=tenant("globex"))
    assert len(settle([mine, context, theirs]).verdicts) == 2


def test_outputs_that_differ_keep_twins_apart_and_one_unknown_does_not() -> None:
    client, other = observe(1), observe(2, trace=2, scope="framework", tokens=(1_000, 7))
    assert len(settle([client, other]).verdicts) == 2
    usage = other.reading.usage._replace(output_total=None)
    unknown = other._replace(reading=other.reading._replace(usage=usage))
    assert len(settle([client, unknown]).verdicts) == 1


def test_cumulative_span_never_counts() -> None:
    alone = observe(1, role="cumulative", tokens=(4_000, 400))
    assert settle([alone]).ignored == {alone.id: "cumulative"}


def test_aggregate_that_counts_has_twins_too() -> None:
    aggregate = observe(1, end_s=3, role="aggregate", scope="framework")
    assert groups_of(settle([aggregate, observe(2, trace=2, end_s=2)])) == [["01", "02"]]


def test_aggregate_counts_only_if_nothing_below_was_seen() -> None:
    aggregate = observe(1, end_s=9, role="aggregate", tokens=(4_000, 400), scope="framework")
    below = observe(2, above=(1,), end_s=2)
    assert settle([aggregate, below]).ignored == {aggregate.id: "aggregate"}
    assert _one(aggregate).charge_id == aggregate.id


def test_tenant_of_the_most_trusted_source_wins() -> None:
    inner = observe(2, above=(1,), end_s=2, attribution=tenant("acme", "baggage"))
    outer = observe(1, end_s=3, scope="framework", attribution=tenant("globex", "edge"))
    assert _one(inner, outer).attribution.tenant == "globex"


def test_equally_trusted_tenants_that_differ_are_nobodys() -> None:
    inner = observe(2, above=(1,), end_s=2, attribution=tenant("acme"))
    outer = observe(1, end_s=3, scope="framework", attribution=tenant("globex"))
    verdict = _one(inner, outer)
    assert (verdict.attribution.tenant, verdict.attribution.absent) == (None, "conflict")
    assert verdict.flags == ("tenant_conflict",)


def test_tenant_that_only_an_ancestor_has_is_taken() -> None:
    call = observe(2, above=(9, 1), attribution=tenant(None))
    context = observe(
        1, end_s=9, role="context", tokens=None, attribution=tenant("acme", "span", feature="chat")
    )
    verdict = _one(call, context)
    assert verdict.attribution.tenant == "acme"
    assert verdict.attribution.labels == {"feature": "chat"}


def test_labels_that_only_an_ancestor_has_are_taken_where_nobody_has_a_tenant() -> None:
    call = observe(2, above=(1,), attribution=tenant(None))
    context = observe(
        1, end_s=9, role="context", tokens=None, attribution=tenant(None, feature="chat")
    )
    assert _one(call, context).attribution == tenant(None, feature="chat")


def test_labels_of_another_tenant_are_not_taken() -> None:
    inner = observe(2, above=(1,), attribution=tenant("acme", "baggage", plan="gold"))
    outer = observe(1, end_s=3, scope="framework", attribution=tenant("globex", feature="chat"))
    assert _one(inner, outer).attribution == tenant("globex", feature="chat")


def test_call_inside_a_call_inherits_the_tenant() -> None:
    outer = observe(1, end_s=9, tokens=(500, 50), attribution=tenant("acme"))
    inner = observe(2, above=(1,), end_s=5, tokens=(80, 8), attribution=tenant(None))
    assert [v.attribution.tenant for v in settle([outer, inner]).verdicts] == ["acme", "acme"]


def test_what_the_platform_does_for_itself_stays_its_own() -> None:
    own = Attribution(None, "for_tenant", "system", "system")
    inner = observe(2, above=(1,), attribution=own)
    outer = observe(1, end_s=3, scope="framework", attribution=tenant("acme", "resource"))
    assert _one(inner, outer).attribution == own


def test_unlinked_sum_and_aggregate_count_again() -> None:
    below = [observe(n, above=(1,), start_s=n, end_s=n + 1, tokens=(100, 10)) for n in (2, 4)]
    for role in ("response", "aggregate"):
        run = observe(1, end_s=9, tokens=(200, 20), scope="framework", role=role)
        assert len(settle([*below, run]).verdicts) == 2
        assert len(settle([*below, run], frozenset({run.id})).verdicts) == 3


def test_unlinked_observation_stands_alone() -> None:
    inner, outer = observe(2, above=(1,), end_s=2), observe(1, end_s=3, scope="framework")
    assert len(settle([inner, outer], frozenset({outer.id})).verdicts) == 2


SPANS = st.builds(
    observe,
    st.integers(1, 6),
    trace=st.integers(1, 2),
    above=st.lists(st.integers(1, 6), max_size=3, unique=True).map(tuple),
    start_s=st.integers(0, 3),
    end_s=st.integers(4, 8),
    tokens=st.none() | st.tuples(st.sampled_from([10, 20, 30]), st.sampled_from([1, 2])),
    scope=st.sampled_from(["client", "framework"]),
    role=st.sampled_from(["response"] * 3 + ["aggregate", "context", "poll", "cumulative"]),
    response_id=st.none() | st.sampled_from(["r1", "r2"]),
    attribution=st.sampled_from(
        [tenant("acme"), tenant("globex"), tenant(None), tenant("acme", "span")]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(SPANS, max_size=9), st.randoms(use_true_random=False))
def test_order_never_matters(observations: list[Observation], draw: random.Random) -> None:
    expected = settle(observations)
    shuffled = list(observations)
    draw.shuffle(shuffled)
    assert settle(shuffled) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(SPANS, max_size=8))
def test_every_response_is_in_exactly_one_charge(observations: list[Observation]) -> None:
    settlement = settle(observations)
    members = [member.observation.id for v in settlement.verdicts for member in v.members]
    assert {*members, *settlement.ignored} == {one.id for one in observations}


@settings(max_examples=200, deadline=None)
@given(st.lists(SPANS, max_size=8))
def test_unrelated_observation_changes_nothing(observations: list[Observation]) -> None:
    stranger = observe(99, trace=99, process="elsewhere", start_s=900, end_s=901)
    with_it = settle([*observations, stranger]).verdicts
    assert [v for v in with_it if v.charge_id != stranger.id] == list(settle(observations).verdicts)
