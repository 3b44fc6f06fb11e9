"""Whatever comes, the hop makes of it what it would by protobuf's own library, field by field and line by line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_genai_cost.collector.hop import Hop
from otel_genai_cost.collector.tenants import TenantFrom
from otel_genai_cost.errors import failures
from otel_genai_cost.journal.record import to_record
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.profiles import decorator
from otel_genai_cost.otlp.ancestry import ancestors, span_key
from otel_genai_cost.otlp.protobuf_request import parsed
from otel_genai_cost.transport.fields import WireError, bytes_field, fields
from tests.collector.odd_requests import changed_request, odd_request
from tests.collector.oracle import by_protobuf
from tests.collector.serving import BOOK
from tests.e2e.rig import observations_in
from tests.replay.otlp import chat, protobuf, request, span

_SAID: Final = [("x-tenant", "acme")]
_OPTIONS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"trusts": True},
    {"tenants": TenantFrom("trace")},
    {"tenants": TenantFrom("metadata", metadata="x-tenant")},
)


class _Way:
    """A hop and its journal, for one of the two ways."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        self._folder, self._journal = folder, Journal([folder])
        self.hop = Hop(BOOK, self._journal, decorator(()), **options)

    def passed(self, message: bytes) -> bytes | None:
        """What goes on; None for what is refused."""
        try:
            return self.hop.passed_on(message, _SAID)
        except ValueError:
            return None

    def by_protobuf(self, message: bytes) -> bytes | None:
        passed = by_protobuf(self.hop, message, _SAID)
        return passed if isinstance(passed, bytes) else None

    def journalled(self) -> dict[str, Any]:
        self._journal.close()
        found = observations_in(self._folder)
        return {one.id: to_record(one._replace(duplicate_of=None)) for one in found}


def _check(messages: list[bytes], options: dict[str, Any], step: int) -> None:
    """By steps of so many calls."""
    failures.clear()
    with TemporaryDirectory() as folder, patch("otel_genai_cost.collector.hop._TOGETHER", step):
        ours, theirs = (_Way(Path(folder, name), options) for name in ("ours", "theirs"))
        for message in messages:
            passed, expected = ours.passed(message), theirs.by_protobuf(message)
            if expected is not None:
                assert passed is not None
                assert _fields(passed) == _fields(expected)
            elif passed is not None:
                # What nobody looked at goes on as it came: the receiver says what it thinks of that. Calls beside it
                # have been metered, so that what follows may be taken for another thing.
                assert _is_broken(passed)
                return
        assert ours.journalled() == theirs.journalled()
    assert not failures.keys() & {"collector.hop", "collector.request"}


def _fields(message: bytes) -> bytes:
    """In an order that does not depend on how they were written; nan is not itself in Python, but in bytes."""
    written: bytes = parsed(message).SerializeToString(deterministic=True)
    return written


def _is_broken(message: bytes) -> bool:
    try:
        parsed(message)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("make", [odd_request, changed_request])
@settings(max_examples=120, deadline=None)
@given(
    number=st.integers(0, 2**40),
    which=st.integers(0, len(_OPTIONS) - 1),
    step=st.sampled_from((1, 2, 512)),
)
def test_odd_requests_are_what_protobuf_takes_them_for(
    make: Callable[[int], bytes], number: int, which: int, step: int
) -> None:
    _check([make(number), make(number + 1)], _OPTIONS[which], step)


@pytest.mark.parametrize("tag", [b"\x41", b"\xc1\x00"])
def test_the_order_of_calls_is_by_their_last_end(tag: bytes) -> None:
    """Also across steps, and where it stands twice."""
    said = chat(gen_ai__response__id="r1")
    ends = [
        span(n, said if n in (1, 4) else chat(gen_ai__response__id=f"{n}")) for n in range(1, 5)
    ]
    message = parsed(protobuf(request(*ends)).SerializeToString())
    first = message.resource_spans[0].scope_spans[0].spans[0]
    later = (first.end_time_unix_nano + 10**9).to_bytes(8, "little")
    longer = first.SerializeToString() + tag + later
    part = message.resource_spans[0].scope_spans[0]
    scope = b"".join(
        bytes_field(0x12, longer if one == first else one.SerializeToString()) for one in part.spans
    )
    head = bytes_field(0x0A, part.scope.SerializeToString())
    block = bytes_field(0x0A, message.resource_spans[0].resource.SerializeToString())
    odd = bytes_field(0x0A, block + bytes_field(0x12, head + scope))
    for step in (1, 2, 512):
        _check([odd], {}, step)


def test_a_group_is_a_field_as_any_other() -> None:
    """Nobody writes them, so a sender that has something to hide might."""
    group = b"\x83\x06\x28\x01\x83\x06\x84\x06\x84\x06"
    (field,) = fields(group, 0, len(group))
    assert (field.start, field.end) == (2, len(group))
    deep = b"\x0b" * 100_000
    for broken in (group[:-2], group[:-1] + b"\x07", b"\x84\x06", deep):
        with pytest.raises(WireError):
            list(fields(broken, 0, len(broken)))


def test_a_span_above_itself_has_no_more_above_it() -> None:
    parents = {span_key(1, 2): 2, span_key(1, 3): 4, span_key(1, 4): 3}
    assert ancestors(1, 2, lambda key: parents.get(key, 0)) == (2,)
    assert ancestors(1, 3, lambda key: parents.get(key, 0)) == (3, 4)
