"""What two observations prove of one another, and what becomes of it where more than two are about."""

from __future__ import annotations

from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.same_response import may_be_one
from otel_genai_cost.ledger.settlement.rules import may_join
from otel_genai_cost.ledger.settlement.settle import settle
from tests.ledger.build import observe, tenant
from tests.ledger.settlement.test_settle import groups_of


def test_what_two_observations_prove() -> None:
    """Each rule between two, also where their keys would never bring them together."""
    call = observe(1, response_id="r1")
    same_id = observe(2, trace=2, response_id="r1", process="p2")
    assert may_join(call, same_id) == 1
    other = same_id._replace(reading=same_id.reading._replace(provider="azure.ai.openai"))
    assert may_join(call, other) is None
    assert may_join(call, observe(2, trace=2, response_id="r1", tokens=(7, 7))) is None
    assert may_join(call, observe(2, above=(1,))) == 2
    assert may_join(call, observe(2, above=(1,), tokens=(7, 7))) is None
    assert may_join(call, observe(2, trace=2, above=(1,))) is None
    twin = observe(2, trace=2, scope="framework")
    assert may_join(call, twin) == 3
    assert may_join(call, observe(2, trace=2)) is None
    assert may_join(call, twin._replace(origin=same_id.origin)) is None
    assert may_join(call, observe(2, trace=2, scope="framework", tokens=(999, 100))) is None
    assert may_join(call, observe(2, trace=2, scope="framework", tokens=(1_000, 99))) is None
    assert may_join(call, observe(2, trace=2, scope="framework", start_s=60, end_s=61)) is None


def test_what_speaks_against_two_being_one() -> None:
    call = observe(1)
    assert may_be_one(call, observe(2, trace=2, scope="framework", process="p2"))
    assert may_be_one(call, observe(2, above=(1,)))
    assert may_be_one(call, observe(2, trace=2, start_s=60, end_s=61, role="poll"))
    assert not may_be_one(call, observe(2, trace=2))
    assert not may_be_one(call, observe(2, above=(1,), tokens=(7, 7)))
    assert not may_be_one(call, observe(2, trace=2, scope="framework", start_s=60, end_s=61))


def test_span_that_repeats_one_of_two_calls_makes_them_no_one() -> None:
    calls = [observe(n, above=(1,), start_s=n, end_s=n + 1) for n in (2, 20)]
    repeats = observe(1, end_s=30, scope="framework")
    assert sorted(map(len, groups_of(settle([*calls, repeats])))) == [1, 2]


def test_stronger_rule_goes_first_where_two_disagree() -> None:
    first = observe(1, response_id="r1", end_s=2)
    other = observe(2, trace=2, end_s=3)
    both = observe(3, trace=2, above=(2,), scope="native", response_id="r1", end_s=4)
    assert groups_of(settle([first, other, both])) == [["01", "03"], ["02"]]


def test_parallel_twin_takes_no_span_from_another_call() -> None:
    """The second call's inner span ends before its outer one, and looks like the first call."""
    first = observe(1, end_s=2)
    inner = observe(3, trace=2, above=(2,), end_s=3, scope="native")
    second = observe(2, trace=2, end_s=4)
    assert groups_of(settle([first, inner, second])) == [["01"], ["02", "03"]]


def test_response_of_two_tenants_draws_no_twin() -> None:
    """What is proved one is nobody's where tenants differ; what only looks alike stays out of it."""
    inner = observe(2, above=(1,), attribution=tenant("acme"))
    outer = observe(1, end_s=2, scope="framework", attribution=tenant("globex"))
    alike = observe(3, trace=3, end_s=3, scope="other", attribution=tenant(None))
    assert groups_of(settle([inner, outer, alike])) == [["01", "02"], ["03"]]


def test_span_that_proves_two_to_be_one_joins_them() -> None:
    """The gateway shares the response id, the SDK's own span the place in the trace; both ended first."""
    gateway = observe(1, trace=9, response_id="r1", scope="gateway", process="p2")
    native = observe(2, above=(3,), end_s=2, scope="native")
    client = observe(3, end_s=3, response_id="r1")
    (verdict,) = settle([gateway, native, client]).verdicts
    assert sorted((m.observation.scope, m.rule) for m in verdict.members if m.rule) == [
        ("client", 1),
        ("native", 2),
    ]


def test_clocks_may_differ_by_two_seconds() -> None:
    def later(start_us: int) -> Observation:
        one = observe(2, trace=2, scope="framework", end_s=9)
        return one._replace(start_us=call.end_us + start_us)

    call = observe(1)
    assert len(settle([call, later(2_000_000)]).verdicts) == 1
    assert len(settle([call, later(2_000_001)]).verdicts) == 2


def test_call_after_another_with_its_id_is_a_call_of_its_own() -> None:
    """Whoever draws from few ids, or gives every embedding the same: two scopes see two calls in turn."""
    seen = [
        observe(n, trace=n, start_s=start, end_s=start + 1, scope=scope, response_id="emb1")
        for n, start, scope in (
            (1, 0, "client"),
            (2, 0, "framework"),
            (3, 2, "client"),
            (4, 2, "framework"),
        )
    ]
    assert groups_of(settle(seen)) == [["01", "02"], ["03", "04"]]


def test_our_own_clients_see_different_responses() -> None:
    """Two providers may be asked the same at once, and count the same."""
    ours = [
        observe(n, trace=n, scope=f"otel_genai_instrumentors.{name}")
        for n, name in enumerate(("openai", "anthropic"), start=1)
    ]
    assert len(settle(ours).verdicts) == 2
    framework = observe(3, trace=3, scope="framework")
    assert sorted(map(len, groups_of(settle([*ours, framework])))) == [1, 2]
