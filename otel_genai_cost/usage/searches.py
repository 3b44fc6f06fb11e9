"""Web searches that providers make and bill, where a response shows them beside its usage."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from otel_genai_cost.usage.read import NOTHING
from otel_genai_cost.usage.values import Object, as_object, is_sequence, objects

__all__ = ["billed_searches", "grounded_searches", "may_show_searches"]

_GROUNDING: Final = ("groundingMetadata", "grounding_metadata")
_BY_THE_PROMPT: Final = re.compile(r"(?:models/)?gemini-[12]\b")
_QUERIES_MAX: Final = 256
_PLACES: Final = frozenset({"tool_usage", "output", *_GROUNDING})


def may_show_searches(response: Object, usage: Object) -> bool:
    """Whether there is anything in a response, or in its usage, that the others look into."""
    if not _PLACES.isdisjoint(response) or "grounding_tool_count" in usage:
        return True
    if "candidates" not in response:
        return False
    return any([not _PLACES.isdisjoint(each) for each in objects(response["candidates"])])


def billed_searches(response: Object) -> int:
    """What OpenAI's Responses API bills of its web searches: it says so, or else shows each. To open a page, or to look
    for something in it, is none."""
    billed = as_object(as_object(response.get("tool_usage")).get("web_search")).get("num_requests")
    return billed if type(billed) is int else sum(map(_is_search, objects(response.get("output"))))


def _is_search(item: Object) -> bool:
    action = as_object(item.get("action")).get("type", "search")
    return item.get("type") == "web_search_call" and action == "search"


def grounded_searches(response: Object, model: str | None) -> int:
    """What Gemini bills of its Google searches: each query that isn't empty, once; before Gemini 3 the prompt, once."""
    queries = {query for each in _groundings(response) for query in _queries(each)}
    count = len(queries) or _counted(response)
    return min(count, 1) if _BY_THE_PROMPT.match(model or "") else count


def _counted(response: Object) -> int:
    """Those that an interaction counts itself."""
    counts = objects(as_object(response.get("usage")).get("grounding_tool_count"))
    found = [each.get("count") for each in counts if each.get("type") == "google_search"]
    return sum(n for n in found if type(n) is int and n > 0)


def _groundings(response: Object) -> Iterable[Object]:
    for place in (response, *objects(response.get("candidates"))):
        yield next((found for key in _GROUNDING if (found := as_object(place.get(key)))), NOTHING)


def _queries(grounding: Object) -> Iterable[str]:
    queries = grounding.get("webSearchQueries", grounding.get("web_search_queries"))
    for query in queries[:_QUERIES_MAX] if is_sequence(queries) else ():
        if isinstance(query, str) and query.strip():
            yield query
