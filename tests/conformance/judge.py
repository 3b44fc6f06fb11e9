"""What settled charges are worth, against what the provider billed: leaf by leaf, reply by reply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from otel_genai_cost.collector.replay import Replayed
from otel_genai_cost.ledger.verdict import Verdict
from otel_genai_cost.usage.leaves import Usage
from tests.conformance.recorded import Case

__all__ = ["MARKS", "Judgement", "differences", "judge"]

MARKS: Final = ("exact", "coarse", "flagged", "unseen", "missed", "wrong", "doubled")
"""`exact`: every leaf is what the provider billed. `coarse`: but for reasoning, which no span tells apart from the
output, whose price it has. `flagged`: said not to be sure, or not priced. `unseen`: no span tells of the call.
`missed`: a span does, and no charge came of it. `wrong`: said to be sure, and isn't. `doubled`: a charge too many."""

_FLAGS: Final = frozenset(
    {"untrusted_usage", "missing_usage", "invalid_usage", "unpriced_component", "poll_without_call"}
)
_LEAVES: Final[Mapping[str, tuple[str, ...]]] = {
    "cache_read": ("cache_read", "cache_read_audio"),
    "cache_write": ("cache_write", "cache_write_5m", "cache_write_1h"),
    "reasoning": ("reasoning",),
    "audio_in": ("input_audio", "cache_read_audio"),
    "audio_out": ("output_audio",),
    "web_search_requests": ("web_searches",),
}
"""A number the provider billed, and the leaves that make it up."""


class Judgement(NamedTuple):
    """One reply or one charge too many: a mark, and why."""

    case_id: str
    mark: str
    why: str = ""


def judge(case: Case, replayed: Sequence[Replayed]) -> Iterator[Judgement]:
    """Pair the charges of a case with the replies billed; the exact pairs first."""
    left = [one.verdict for one in replayed if one.kind == "charge" and one.verdict is not None]
    open_replies: list[Mapping[str, Any]] = []
    for billed in case.billable:
        exact = [v for v in left if not _flag(v) and not differences(_usage(v), billed)]
        if exact:
            left.remove(exact[0])
            yield Judgement(case.case_id, "exact")
        else:
            open_replies.append(billed)
    inputs = {_usage(verdict).input_total for verdict in left}
    for billed in sorted(open_replies, key=lambda one: one.get("input_total") not in inputs):
        yield _second_best(case, billed, left, replayed)
    for verdict in left:
        if _usage(verdict).leaves and verdict.cost.reason != "poll_without_call":
            yield Judgement(case.case_id, "doubled", _told(verdict))


def _second_best(
    case: Case, billed: Mapping[str, Any], left: list[Verdict], replayed: Sequence[Replayed]
) -> Judgement:
    """A reply without an exact charge: of those left, one with its input, else one that is flagged, else any."""
    if not left:
        return Judgement(case.case_id, "missed" if _is_seen(billed, replayed) else "unseen")
    same = [v for v in left if _usage(v).input_total == billed.get("input_total")]
    chosen = (same or [v for v in left if _flag(v)] or left)[0]
    left.remove(chosen)
    flag = _flag(chosen)
    found = differences(_usage(chosen), billed)
    told = ", ".join(f"{leaf} {ours} for {theirs}" for leaf, (ours, theirs) in found.items())
    if flag:
        return Judgement(case.case_id, "flagged", flag)
    if set(found) == {"reasoning"} and not _usage(chosen).leaves.get("reasoning"):
        return Judgement(case.case_id, "coarse", "reasoning is not told apart")
    return Judgement(case.case_id, "wrong", f"{told}; {_told(chosen)}")


def _is_seen(billed: Mapping[str, Any], replayed: Sequence[Replayed]) -> bool:
    """Whether a span tells of this reply that was taken for another's."""
    inputs = {billed.get("input_total"), billed.get("raw_input_field")}
    return any(
        one.kind in ("duplicate", "ignored") and one.observation.reading.usage.input_total in inputs
        for one in replayed
    )


def differences(usage: Usage, billed: Mapping[str, Any]) -> dict[str, tuple[object, object]]:
    """Numbers that are not what was billed: ours and theirs."""
    leaves = usage.leaves
    ours: dict[str, object] = {
        "input_total": usage.input_total or 0,
        "output_total": usage.output_total or 0,
    }
    for name, parts in _LEAVES.items():
        ours[name] = sum(leaves.get(leaf, 0) for leaf in parts)
    for name in ("cache_write_5m", "cache_write_1h"):
        if "cache_write" not in leaves:
            ours[name] = leaves.get(name, 0)
    found: dict[str, tuple[object, object]] = {}
    for name, told in ours.items():
        theirs = billed.get(name) or 0
        known = name in billed or name in ("input_total", "output_total")
        if known and told != theirs:
            found[name] = (told, theirs)
    return found


def _usage(verdict: Verdict) -> Usage:
    return verdict.richest.reading.usage


def _flag(verdict: Verdict) -> str:
    """Why a charge says that it is not sure; empty if it says nothing."""
    quality, reason = _usage(verdict).quality, verdict.cost.reason
    if reason in _FLAGS:
        return str(reason)
    return "" if quality == "reported" else quality


def _told(verdict: Verdict) -> str:
    one = verdict.richest
    return f"{one.scope} {one.dialect} {dict(_usage(verdict).leaves)} {verdict.cost.status}"
