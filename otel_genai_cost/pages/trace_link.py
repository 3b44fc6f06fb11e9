"""The address of a call's trace in the team's own interface of traces, from a template that they configure. Pure."""

from __future__ import annotations

from string import Formatter
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.journal.observation import Observation

__all__ = ["PLACEHOLDERS", "TraceLink", "trace_link"]

PLACEHOLDERS: Final = ("trace_id", "span_id", "start_ms", "end_ms")
"""What a template may name: ids as hexadecimal digits, and when the span began and ended, in unix milliseconds."""

_SCHEMES: Final = ("https", "http")
_EXAMPLE: Final = "https://traces.example.com/trace/{trace_id}?span={span_id}"
_LENGTH_MAX: Final = 2_000

_Parts = tuple[tuple[str, str], ...]


class TraceLink(NamedTuple):
    """A template that was read: what stands before each placeholder, and its name, "" at the end."""

    parts: _Parts

    def of(self, one: Observation) -> str:
        """The address for an observation; each value is percent-encoded, so that it is never more than a value.

        Args:
            one: of the call.
        """
        values = {
            "": "",
            "trace_id": one.trace_id,
            "span_id": one.span_id,
            "start_ms": str(one.start_us // 1_000),
            "end_ms": str(-(-one.end_us // 1_000)),
        }
        return "".join(text + quote(values[name], safe="") for text, name in self.parts)


def trace_link(template: str, where: str = "--trace-url") -> TraceLink:
    """What a template says.

    Args:
        template: an address of http or https, with names of `PLACEHOLDERS` in braces behind its host.
        where: where it was written, for the error.

    Raises:
        ConfigurationError: if it is none.
    """
    parts = _parts(template)
    problem = _problem(template) if parts is not None else "braces have other things than names"
    names = [name for _, name in parts or () if name]
    if problem is None and (strange := [name for name in names if name not in PLACEHOLDERS]):
        problem = f"it names {strange[0]!r}, not one of {', '.join(PLACEHOLDERS)}"
    if problem is None and "trace_id" not in names:
        problem = "it does not name {trace_id}"
    if problem is not None or parts is None:
        raise ConfigurationError(
            f"no address of traces: {problem}",
            value=template[:_LENGTH_MAX],
            where=where,
            remedy=f"write it as {_EXAMPLE}",
        )
    return TraceLink(parts)


def _problem(template: str) -> str | None:
    """What is wrong with the address, whatever it names."""
    if not template.isascii() or not template.isprintable() or set(template) & set(" \\\"'<>`"):
        return "it has characters that an address has not"
    if len(template) > _LENGTH_MAX:
        return f"it is longer than {_LENGTH_MAX:,} characters"
    try:
        found = urlsplit(template)
        host = found.hostname
    except ValueError:
        return "it cannot be read"
    if found.scheme not in _SCHEMES or not host:
        return "it does not begin with https:// or http:// and a host"
    if "@" in found.netloc or "{" in found.netloc:
        return "its host is a host alone, without a user or a placeholder"
    return None


def _parts(template: str) -> _Parts | None:
    """Text and the name behind it; None where braces do not hold a name alone."""
    found: list[tuple[str, str]] = []
    try:
        for text, name, form, conversion in Formatter().parse(template):
            if name == "" or form or conversion:
                return None
            found.append((text, name or ""))
    except ValueError:
        return None
    return tuple(found)
