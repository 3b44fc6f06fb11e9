"""What settled charges are worth, against what the provider billed: leaf by leaf, reply by reply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost.pricing.cost import quality_of
from otel_genai_cost.replay.batch import Charged, Replayed
from otel_genai_cost.usage.leaves import NO_USAGE, Usage
from tests.conformance.recorded import Case
from tests.usage.judge import billed_leaves, tells, told

__all__ = ["MARKS", "Judgement", "judge"]

MARKS: Final[Mapping[str, str]] = {
    "exact": "every leaf is what the provider billed",
    "cautious": "so it is, but the charge is marked `estimated`, or partly priced",
    "merged": "but for reasoning, which no span separates from the output, whose price it has",
    "flagged": "numbers are lost or made up, and the charge says so: `estimated` or `untrusted_usage`",
    "short": "but for web searches, which no span reports",
    "silent": "no span has usage: the charge is `unpriced`",
    "unseen": "no span is of the call",
    "missed": "its span was taken for another's",
    "wrong": "said to be sure, and isn't",
    "doubled": "a charge too many",
}
_FLAGS: Final = frozenset({"untrusted_usage", "missing_usage", "invalid_usage"})
_NEARLY: Final = ("merged", "short")


class Judgement(NamedTuple):
    """One reply or one charge too many: a mark, and why."""

    case_id: str
    mark: str
    why: str = ""

    @property
    def instrumentation(self) -> str:
        return self.case_id.partition("/")[0]


def judge(case: Case, replayed: Sequence[Replayed]) -> Iterator[Judgement]:
    """Pair the charges of a case with the replies billed: the exact pairs first, then those with the same input."""
    left = [one.verdict for one in replayed if one.kind == "charge" and one.verdict is not None]
    open_replies: list[Mapping[str, Any]] = []
    for billed in case.billable:
        exact = [v for v in left if tells(told(_usage(v)), billed_leaves(billed), "exact")]
        if exact:
            best = min(exact, key=_is_cautious)
            left.remove(best)
            yield Judgement(case.case_id, "cautious" if _is_cautious(best) else "exact")
        else:
            open_replies.append(billed)
    inputs = {_usage(verdict).input_total for verdict in left}
    for billed in sorted(open_replies, key=lambda one: one.get("input_total") not in inputs):
        yield _second_best(case, billed, left, replayed)
    for verdict in left:
        if _usage(verdict).leaves and verdict.cost.reason != "poll_without_call":
            yield Judgement(case.case_id, "doubled", _described(verdict))


def _second_best(
    case: Case, billed: Mapping[str, Any], left: list[Charged], replayed: Sequence[Replayed]
) -> Judgement:
    """A reply without an exact charge: of those left, one with its input, else one that is flagged, else any."""
    if not left:
        return Judgement(case.case_id, "missed" if _is_seen(billed, replayed) else "unseen")
    same = [v for v in left if _usage(v).input_total == billed.get("input_total")]
    chosen = (same or [v for v in left if _is_flagged(v)] or left)[0]
    left.remove(chosen)
    usage = _usage(chosen)
    if usage is NO_USAGE:
        return Judgement(case.case_id, "silent")
    nearly = [mark for mark in _NEARLY if tells(told(usage), billed_leaves(billed), mark)]
    if usage.quality == "reported" and nearly:
        return Judgement(case.case_id, nearly[0])
    if _is_flagged(chosen):
        return Judgement(case.case_id, "flagged", chosen.cost.reason or _quality(chosen))
    return Judgement(case.case_id, "wrong", f"{_described(chosen)} for {billed_leaves(billed)}")


def _is_seen(billed: Mapping[str, Any], replayed: Sequence[Replayed]) -> bool:
    """Whether this reply's span was taken for another's."""
    inputs = {billed.get("input_total"), billed.get("raw_input_field")}
    return any(
        one.kind in ("duplicate", "ignored") and one.observation.reading.usage.input_total in inputs
        for one in replayed
    )


def _usage(verdict: Charged) -> Usage:
    return verdict.richest.reading.usage


def _is_flagged(verdict: Charged) -> bool:
    return verdict.cost.reason in _FLAGS or _quality(verdict) != "reported"


def _quality(verdict: Charged) -> str:
    return quality_of(_usage(verdict), verdict.cost)


def _is_cautious(verdict: Charged) -> bool:
    return _is_flagged(verdict) or verdict.cost.reason in ("unpriced_component", "untold_fee")


def _described(verdict: Charged) -> str:
    one = verdict.richest
    return f"{one.scope} {one.dialect} {dict(told(_usage(verdict)))} {verdict.cost.status}"
