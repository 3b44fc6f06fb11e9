"""From prices to a transform processor of the collector: the statements that price a span, in their order.

Every number is a whole one until the last division, so that what a span shows is the double next to the exact cost.
A price that is not sure is none: a call that cannot be priced here says so, with a reason, and no statement fails,
since a failed one is skipped and says nothing on the span.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from otel_genai_cost import attributes as names
from otel_genai_cost.collector.claims import SHOWN_CLAIMS
from otel_genai_cost.collector.expressible import PARTS, PriceRow, Prices, counts_kinds
from otel_genai_cost.collector.ottl import (
    assign,
    attribute,
    either,
    first,
    kept,
    literal,
    picked,
    quoted,
    table_of,
)
from otel_genai_cost.hosts import other_hosts, regional_hosts
from otel_genai_cost.usage.conventions import ROLES, SPELLING, TIERS
from otel_genai_cost.usage.dialects import genai_cost
from otel_genai_cost.usage.leaves import QUANTITY_LIMIT
from otel_genai_cost.usage.seen import TOTALS, WILD
from otel_genai_cost.vocabulary import Reason

__all__ = ["PROCESSOR", "compiled"]

PROCESSOR: Final = "transform/genai_cost"
"""The processor's name in the collector's configuration."""

_COUNT_END: Final = 10**10
"""Tokens; more cannot be multiplied by each price in 64 bits."""

_DOUBLE_END: Final = 2**53
"""Whole numbers below are doubles."""

_POLL: Final = "fetch_response"
_NEVER_US: Final = 2**62
_COMMON: Final = (
    *("openai", "anthropic", "azure.ai.openai", "aws.bedrock", "gcp.gemini", "gcp.vertex_ai"),
    *("mistral_ai", "cohere", "groq", "deepseek", "x_ai", "perplexity"),
)
"""Providers by the conventions' names: no alias is looked for."""

_USUAL_TIERS: Final = ("standard", "auto")
"""Words for a service tier that mean every provider's standard."""

_THOUGHTS_APART: Final = ("gcp.gemini", "gcp.vertex_ai")
"""Who counts reasoning beside the output."""

_WHY: Final = kept("why")
_OPEN: Final = f"{_WHY} == nil"
_ROW: Final = kept("row")
_KIND: Final = kept("kind")
_PROVIDER: Final = kept("provider")
_PLACE: Final = kept("place")
_SUM: Final = kept("sum")
_SCOPE: Final = "instrumentation_scope.name"
_ENDED_US: Final = "span.end_time_unix_nano / 1000"
_OPERATION: Final = attribute(names.GEN_AI_OPERATION_NAME)
_REQUESTED: Final = attribute(names.GEN_AI_REQUEST_MODEL)
_RETURNED: Final = attribute(names.GEN_AI_RESPONSE_MODEL)
_HOST: Final = attribute(names.SERVER_ADDRESS)
_TOTAL: Final = attribute(names.GEN_AI_USAGE_TOTAL_TOKENS)
_SPELLED: Final[Mapping[str, tuple[str, ...]]] = {
    "input": SPELLING.inputs,
    "output": SPELLING.outputs,
    **{
        part: tuple(name for name, leaf in SPELLING.parts.items() if leaf == part) for part in PARTS
    },
}
"""Leaf -> the attributes that count it, the first that is there."""

_USUAL: Final = ("input", "output", "cache_read", "cache_write")
_RARE: Final = tuple(part for part in PARTS if part not in _USUAL)
"""Leaves that most calls do not have: what is asked of them is asked of those calls only."""

_MARKS: Final = (
    names.GEN_AI_OPERATION_NAME,
    names.GEN_AI_REQUEST_MODEL,
    names.GEN_AI_USAGE_INPUT_TOKENS,
    names.GEN_AI_USAGE_COST,
    names.COST_TOTAL,
)
"""A span with none of these is left alone; each is asked of every span that the collector sees, calls or not."""

_HARMLESS: Final = frozenset(
    {names.MODEL_ASKED, names.ATTEMPTS, names.HTTP_RESPONSE_STATUS_CODE, names.UNFINISHED}
)
"""What our own instrumentors say without a change to the price."""

_BY_HOST: Final = {
    "openai": ("api.openai.com", ("openai",)),
    "gcp.gemini": ("generativelanguage.googleapis.com", ("gcp.gemini", "gcp.vertex_ai")),
}
"""Providers whose clients are pointed at another's endpoint: the usual host, and whose hosts are the same to the book.
"""


def compiled(prices: Prices, *, trusts: bool = False) -> str:
    """A transform processor that prices spans, as a configuration of the collector.

    Args:
        prices: What it knows.
        trusts: Whether spans that name the book that they were priced by are left as they are.
    """
    lines = ["processors:", f"  {PROCESSOR}:", "    error_mode: ignore", "    trace_statements:"]
    condition = f"{first(_MARKS)} != nil"
    if trusts:
        condition += f" and {attribute(names.COST_BOOK)} == nil"
    lines += ["      - conditions:", f"          - {quoted(condition)}", "        statements:"]
    lines += [f"          - {quoted(statement)}" for statement in _statements(prices)]
    return "\n".join(lines) + "\n"


def _statements(prices: Prices) -> Iterator[str]:
    rows = _rows(prices)
    yield _without_claims()
    yield from _counts()
    yield from _roles()
    yield from _instrumentation()
    yield from _model(prices, rows)
    yield from _conditions(rows)
    yield from _usage()
    yield from _rare_usage()
    yield from _row(rows)
    yield from _price(rows)
    yield from _shown(prices)


def _refuse(why: Reason, *conditions: str) -> str:
    """A statement that says why there is no price, if nothing was said before."""
    return assign(_WHY, literal(why), _OPEN, *conditions)


def _without_claims() -> str:
    pattern = f"^(?:{'|'.join(map(re.escape, sorted(SHOWN_CLAIMS)))})$"
    pair = f"span.attributes, {literal(pattern)}"
    return f"delete_matching_keys({pair}) where {first(sorted(SHOWN_CLAIMS))} != nil"


def _counts() -> Iterator[str]:
    for leaf in _USUAL[:2]:
        yield assign(kept(leaf), first(_SPELLED[leaf]), f"{first(_SPELLED[leaf])} != nil")
    for leaf in _USUAL[2:]:
        yield assign(kept(leaf), first(_SPELLED[leaf], "0"))
    rare = [name for leaf in _RARE for name in _SPELLED[leaf]]
    yield assign(kept("rare"), "true", f"{first(rare)} != nil")
    for leaf in _RARE:
        yield assign(kept(leaf), first(_SPELLED[leaf], "0"), f"{kept('rare')} != nil")


def _roles() -> Iterator[str]:
    """Spans that are no call say nothing: the reason is empty. A span above calls repeats or adds up what is below it,
    and nobody knows here whether that was priced."""
    other = [name for name, (role, _) in ROLES.items() if role in ("aggregate", "context")]
    is_other = either(*(f"{_OPERATION} == {literal(name)}" for name in other))
    is_poll = f"{_OPERATION} == {literal(_POLL)}"
    is_nothing = f"({_OPERATION} == nil and {_REQUESTED} == nil)"
    not_chat = f"{_OPERATION} != {literal('chat')}"
    without = [f"{kept(leaf)} == nil" for leaf in _USUAL[:2]]
    yield assign(_WHY, '""', not_chat, *without, either(is_nothing, is_other))
    yield _refuse("poll_without_call", not_chat, is_poll, *without)
    yield _refuse("not_compiled", not_chat, either(is_other, is_poll))


def _instrumentation() -> Iterator[str]:
    """How the instrumentation counts, and that it counts nothing else."""
    kinds = counts_kinds()
    for kind in ("included", "left_out", "own", "other"):
        scopes = sorted(scope for scope, one in kinds.items() if one == kind)
        yield assign(_KIND, literal(kind), f"{_KIND} == nil", either(*map(_is_scope, scopes)))
    yield _refuse("not_compiled", f'{_KIND} == "other"')
    read = SPELLING.names() | {names.GEN_AI_USAGE_TOTAL_TOKENS}
    unread = sorted((WILD.names() | {*TOTALS}) - read)
    yield _refuse("not_compiled", f"{_KIND} == nil", f"{first(unread)} != nil")
    more = sorted(genai_cost.READS - read - _HARMLESS)
    yield _refuse("not_compiled", f'{_KIND} == "own"', f"{first(more)} != nil")
    left = sorted(name for name, leaf in SPELLING.parts.items() if leaf not in _SPELLED)
    some = either(*(f"{attribute(name)} > 0" for name in left))
    yield _refuse("not_compiled", f"{first(left)} != nil", some)
    invoked = attribute("rpc.method")
    yield _refuse("not_compiled", f'{_KIND} == "left_out"', f'IsMatch({invoked}, "^InvokeModel")')


def _is_scope(scope: str) -> str:
    if scope.endswith((".", "-")):
        return f"HasPrefix({_SCOPE}, {literal(scope)})"
    return f"{_SCOPE} == {literal(scope)}"


def _model(prices: Prices, rows: Mapping[PriceRow, int]) -> Iterator[str]:
    """The row of the call's model; 0 for one that is left out."""
    said = first((names.GEN_AI_PROVIDER_NAME, names.GEN_AI_SYSTEM), '""')
    yield assign(_PROVIDER, f'ToLowerCase(Concat([{said}], ""))')
    odd, aliases = kept("alias"), table_of(prices.aliases)
    yield assign(odd, "true", *(f"{_PROVIDER} != {literal(name)}" for name in _COMMON))
    yield from aliases.lookup(_PROVIDER, _PLACE, f"{odd} != nil")
    yield assign(_PROVIDER, aliases.value(_PLACE), f"{odd} != nil", aliases.has(_PROVIDER, _PLACE))
    asked = first((names.GEN_AI_RESPONSE_MODEL, names.GEN_AI_REQUEST_MODEL), '""')
    model, table = kept("model"), table_of(_numbers(prices, rows))
    yield assign(model, f'ToLowerCase(Concat([{_PROVIDER}, {asked}], "/"))')
    yield from table.lookup(model, _PLACE)
    yield assign(_ROW, table.value(_PLACE), table.has(model, _PLACE))
    wanted = f"{_ROW} == nil"
    yield _refuse("missing_model", f"{_RETURNED} == nil and {_REQUESTED} == nil")
    yield _refuse("not_compiled", f'{_PROVIDER} == ""')
    every = sorted(name for known in prices.usual.values() for name in known)
    unheard = " and ".join(f"{_PROVIDER} != {literal(name)}" for name in every)
    yield _refuse("unknown_provider", wanted, unheard)
    yield _refuse("unknown_model", wanted)
    yield assign(_ROW, "0", wanted)
    yield _refuse("not_compiled", f"{_ROW} == 0")
    # Which of two names counts on Bedrock is told by their form.
    yield _refuse(
        "not_compiled",
        f'{_PROVIDER} == "aws.bedrock"',
        f"{_RETURNED} != nil and {_REQUESTED} != nil and {_RETURNED} != {_REQUESTED}",
    )


def _numbers(prices: Prices, rows: Mapping[PriceRow, int]) -> dict[str, int]:
    """PROVIDER/MODEL, by every name that calls are expected under, and the number of its row."""
    return {
        f"{provider}/{one.name}": 0 if isinstance(one.price, str) else rows[one.price]
        for one in prices.models
        for provider in prices.usual.get(one.provider, ())
    }


def _conditions(rows: Mapping[PriceRow, int]) -> Iterator[str]:
    """A call under conditions of its own, or by another provider's endpoint, is not priced as one of the standard."""
    usual = [f"{first(TIERS)} != {literal(word)}" for word in ("default", *_USUAL_TIERS)]
    yield _refuse("not_compiled", f"{first(TIERS)} != nil", *usual)
    for provider, (own, same) in _BY_HOST.items():
        yield _refuse(
            "not_compiled",
            f"{_PROVIDER} == {literal(provider)}",
            f"{_HOST} != nil and {_HOST} != {literal(own)}",
            f"IsMatch({_HOST}, {literal(other_hosts(same))})",
        )
    placed = picked([0, *(int(row.is_placed) for row in rows)], _ROW)
    there = f"({_HOST} != nil and IsMatch({_HOST}, {literal(regional_hosts())}))"
    named = f"{attribute('cloud.region')} != nil"
    yield _refuse("not_compiled", f"{placed} == 1", either(named, there))
    apart = picked([0, *(int(row.counts_apart) for row in rows)], _ROW)
    yield _refuse("not_compiled", f"{kept('reasoning')} > 0", f"{apart} == 1")


def _usage() -> Iterator[str]:
    """The counts in the sense of the conventions: totals include their parts."""
    of = {leaf: kept(leaf) for leaf in _USUAL}
    without = [f"{of[leaf]} == nil" for leaf in _USUAL[:2]]
    nothing = f"{of['cache_read']} == 0 and {of['cache_write']} == 0 and {kept('rare')} == nil"
    yield _refuse("missing_usage", *without, nothing)
    for leaf in _USUAL[:2]:
        yield assign(of[leaf], "0", f"{of[leaf]} == nil")
    yield from _within(_USUAL)
    yield assign(_SUM, " + ".join(of.values()), _OPEN)
    yield _refuse("invalid_usage", f"not IsInt({_SUM})")
    nothing = f"{_SUM} == 0 and {kept('rare')} == nil"
    failed = either(
        f"{attribute(names.ERROR_TYPE)} != nil", "span.status.code == STATUS_CODE_ERROR"
    )
    yield _refuse("missing_usage", nothing, failed)
    yield _refuse("untrusted_usage", nothing)
    yield from _settled(of)
    cached = f"{of['cache_read']} + {of['cache_write']}"
    yield _refuse("invalid_usage", f"{cached} > {of['input']}", f"{kept('rare')} == nil")


def _within(leaves: Collection[str], *conditions: str) -> Iterator[str]:
    """Counts are whole numbers from 0, that can be multiplied. What is none is not above 0 and not below either."""
    every = [kept(leaf) for leaf in leaves]
    odd = kept("odd")
    small = " and ".join(f"{one} >= 0 and {one} < {_COUNT_END}" for one in every)
    large = " and ".join(f"{one} >= 0 and {one} < {QUANTITY_LIMIT}" for one in every)
    yield assign(odd, "true", _OPEN, *conditions, f"not ({small})")
    yield _refuse("not_compiled", *conditions, f"{odd} != nil", large)
    yield _refuse("invalid_usage", *conditions, f"{odd} != nil")


def _settled(of: Mapping[str, str]) -> Iterator[str]:
    """Totals of those who leave a part out, as a total beside them shows, or a cache larger than the input."""
    reasoning = kept("reasoning")
    both = f"{of['output']} + {reasoning}"
    shown = f"{_TOTAL} == {of['input']} + {both}"
    yield assign(of["output"], both, f"{reasoning} > 0", _OPEN, shown)
    cached = f"{of['cache_read']} + {of['cache_write']}"
    whole = f"{of['input']} + {cached}"
    shown = either(f"{cached} > {of['input']}", f"{_TOTAL} == {whole} + {of['output']}")
    gemini = either(*(f"{_PROVIDER} == {literal(one)}" for one in _THOUGHTS_APART))
    unknown = f"({_KIND} == nil and {shown} and not ({reasoning} > 0 and {gemini}))"
    yield assign(
        of["input"],
        whole,
        _OPEN,
        f"{cached} > 0",
        f"{first(_SPELLED['input'])} != nil",
        either(f'{_KIND} == "left_out"', unknown),
    )


def _rare_usage() -> Iterator[str]:
    """The same of the leaves that most calls do not have."""
    of = {leaf: kept(leaf) for leaf in (*_USUAL, *_RARE)}
    rare = f"{kept('rare')} != nil"
    yield from _within(_RARE, rare)
    yield assign(_SUM, " + ".join((_SUM, *(of[leaf] for leaf in _RARE))), rare, _OPEN)
    yield _refuse("invalid_usage", rare, f"not IsInt({_SUM})")
    yield _refuse("untrusted_usage", rare, f"{_SUM} == 0")
    audio = of["cache_read_audio"]
    parts = f"{of['cache_read']} + {of['cache_write']} + {of['input_audio']}"
    yield _refuse(
        "invalid_usage",
        rare,
        either(
            f"{parts} > {of['input']} + {audio}",
            f"{of['reasoning']} + {of['output_audio']} > {of['output']}",
            f"{audio} > {of['cache_read']}",
            f"{audio} > {of['input_audio']}",
        ),
    )


def _row(rows: Mapping[PriceRow, int]) -> Iterator[str]:
    """That the row holds at the time of the call, and the row of its tier."""
    yield _refuse("invalid_time", f"{_ENDED_US} <= 0")
    latest = max((row.from_us for row in rows), default=0)
    first_end = min((row.to_us for row in rows), default=_NEVER_US)
    began = picked([0, *(row.from_us for row in rows)], _ROW)
    ends = picked([_NEVER_US, *(row.to_us for row in rows)], _ROW)
    early, late = f"{_ENDED_US} < {latest}", f"{_ENDED_US} >= {first_end}"
    yield _refuse("out_of_effective_range", early, f"{_ENDED_US} < {began}")
    yield _refuse("out_of_effective_range", late, f"{_ENDED_US} >= {ends}")
    least = min((row.tier_from for row in rows if row.tier_from is not None), default=0)
    thresholds = picked([None, *(row.tier_from for row in rows)], _ROW)
    tiers = picked([0, *(0 if row.tier is None else rows[row.tier] for row in rows)], _ROW)
    for _ in range(max(map(_depth, rows), default=0)):
        large = f"{kept('input')} >= {least}"
        yield assign(_ROW, tiers, large, _OPEN, f"{kept('input')} >= {thresholds}")


def _depth(row: PriceRow) -> int:
    return 0 if row.tier is None else 1 + _depth(row.tier)


def _price(rows: Mapping[PriceRow, int]) -> Iterator[str]:
    """The sum: the totals at their prices, and what their parts cost more or less."""
    columns: dict[str, list[int | None]] = {"output": [row.output for row in rows]}
    for at, part in enumerate(PARTS):
        columns[part] = [row.parts[at] for row in rows]
    for leaf, steps in columns.items():
        known = ["" if one is None else one for one in (None, *steps)]
        yield assign(kept(f"{leaf} price"), picked(known, _ROW), f"{kept(leaf)} > 0", _OPEN)
    lacks = (f'{kept(f"{leaf} price")} == ""' for leaf in columns)
    yield _refuse("unpriced_component", either(*lacks))
    inputs = picked([0, *(row.input for row in rows)], _ROW)
    yield assign(_SUM, f"{kept('input')} * {inputs}", _OPEN)
    for leaf in columns:
        more = f"{_SUM} + {kept(leaf)} * {kept(f'{leaf} price')}"
        yield assign(_SUM, more, f"{kept(leaf)} > 0", _OPEN)
    yield _refuse("not_compiled", f"{_SUM} >= {_DOUBLE_END}")
    scale = picked([1.0, *(10.0**row.places for row in rows)], _ROW)
    cost = attribute(names.GEN_AI_USAGE_COST)
    yield assign(cost, f"Double({_SUM}) / {scale}", _OPEN)


def _shown(prices: Prices) -> Iterator[str]:
    status, has_reason = attribute(names.COST_STATUS), f'{_WHY} != nil and {_WHY} != ""'
    yield assign(status, '"priced"', _OPEN)
    yield assign(attribute(names.COST_BOOK), literal(prices.book), _OPEN)
    yield assign(status, '"unpriced"', has_reason)
    some = either(f"{kept('input')} > 0", f"IsInt({kept('output price')})")
    yield assign(status, '"partial"', f'{_WHY} == "unpriced_component"', some)
    yield assign(attribute(names.COST_REASON), _WHY, has_reason)


def _rows(prices: Prices) -> dict[PriceRow, int]:
    """Each price once, and its number from 1; tiers behind the row that they are of."""
    found: dict[PriceRow, int] = {}
    for model in prices.models:
        row = None if isinstance(model.price, str) else model.price
        while row is not None:
            found.setdefault(row, len(found) + 1)
            row = row.tier
    return found
