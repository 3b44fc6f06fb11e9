"""What a process that is started in a request is given, and how it learns that the request has ended."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextvars import Context
from pathlib import Path
from typing import TypeVar

import pytest
from opentelemetry import context

from otel_genai_cost import detached, job, tenant
from otel_genai_cost.tenancy.binding import attribution_of, capture, configure
from otel_genai_cost.tenancy.processes import process_envelope, process_job

_T = TypeVar("_T")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    configure()


def _now(start_ns: int | None = None) -> str | None:
    found = attribution_of(capture(None, start_ns))
    return found.tenant or found.absent


def test_it_holds_until_the_request_ends(folder: Path) -> None:
    with tenant("acme"):
        envelopes = [process_envelope() for _ in range(2)]
        assert len([*folder.iterdir()]) == 2
    assert [*folder.iterdir()] == []
    with process_job(envelopes[0]):
        assert _now() == "stale", "it begins when the request is over"


class _Child:
    """A process while it runs, which has a context of its own."""

    def __init__(self, envelope: dict[str, str] | None) -> None:
        self._context, self._job = Context(), process_job(envelope)
        self.run(self._job.__enter__)

    def run(self, function: Callable[..., _T], *args: object) -> _T:
        return self._context.run(function, *args)

    def end(self) -> None:
        self.run(self._job.__exit__, None, None, None)


def test_a_call_that_began_before_the_end_is_the_requests() -> None:
    with tenant("acme"):
        child = _Child(process_envelope())
        assert child.run(_now) == "acme"
        before_ns = time.time_ns()
        time.sleep(0.01)
    time.sleep(0.01)
    assert (child.run(_now, before_ns), child.run(_now)) == ("acme", "stale")
    child.end()


def test_a_process_of_that_process_looks_at_the_same(folder: Path) -> None:
    with tenant("acme"):
        envelope = process_envelope()
        with process_job(envelope):
            again = process_envelope()
    assert again is not None
    assert envelope is not None
    assert again["_genai_cost_scope"] == envelope["_genai_cost_scope"]
    with process_job(again):
        assert _now() == "stale"


def test_detached_work_has_no_end(folder: Path) -> None:
    with tenant("acme"), detached():
        envelope = process_envelope()
    assert [*folder.iterdir()] == []
    with process_job(envelope):
        assert _now() == "acme"


def test_nobodys_and_a_request_that_is_over_give_nothing(folder: Path) -> None:
    with tenant("acme"):
        kept = context.get_current()
    for inside in (None, kept):
        token = context.attach(inside) if inside is not None else None
        envelope = process_envelope()
        if token is not None:
            context.detach(token)
        with tenant("globex"), process_job(envelope):
            assert _now() == "missing"
    assert [*folder.iterdir()] == []


def test_where_no_file_can_be_made_it_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere/at/all")
    with tenant("acme"):
        envelope = process_envelope()
    assert envelope is None
    with process_job(envelope), job(None):
        assert _now() == "missing"


def test_teams_whose_tasks_follow_say_so_for_processes_too() -> None:
    configure(grace_s=None)
    with tenant("acme"):
        child = _Child(process_envelope())
    assert child.run(_now) == "acme"
    child.end()
