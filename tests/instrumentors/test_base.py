"""What every instrumentor keeps to: the manifest, versions, failing patches, standing back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Any

import openai
import pytest
import wrapt
from opentelemetry.instrumentation.dependencies import DependencyConflictError

from otel_genai_cost import in_place, versions
from otel_genai_cost.errors import failures
from otel_genai_cost.testing.standin.openai import OpenAIStandIn
from otel_genai_instrumentors import entry
from otel_genai_instrumentors.clients.openai import OpenAIInstrumentor
from otel_genai_instrumentors.manifest import MANIFEST
from otel_genai_instrumentors.patching import Patch, PatchingInstrumentor
from tests.instrumentors.conftest import Recorder

_OF_PYTHON = ("multiprocessing", "concurrent.futures", "queue", "asyncio.queues")


def _registered() -> dict[str, Any]:
    group = entry_points(group="opentelemetry_instrumentor")
    return {entry.name: entry for entry in group if entry.name.startswith("genai_cost_")}


def test_manifest_is_what_is_registered() -> None:
    assert {row.entry_point for row in MANIFEST} == set(_registered())


@pytest.mark.parametrize("row", MANIFEST, ids=lambda row: row.library)
def test_entry_point_loads_and_names_its_requirement(row: Any) -> None:
    instrumentor = _registered()[row.entry_point].load()()
    if row.library in _OF_PYTHON:
        assert instrumentor.instrumentation_dependencies() == ()
        return
    (requirement,) = instrumentor.instrumentation_dependencies()
    assert requirement.startswith(row.library)
    assert row.versions in requirement


def test_an_instrumentor_of_what_is_not_here_is_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "version_of", lambda name: None)
    monkeypatch.setattr(entry, "import_module", lambda name: pytest.fail(name))
    absent: Any = entry.OpenAIInstrumentor
    absent().instrument(skip_dep_check=True)
    absent().uninstrument()
    with pytest.raises(pytest.fail.Exception):
        absent().instrumentation_dependencies()


@pytest.mark.parametrize("name", entry._HOMES)
def test_what_is_said_of_an_instrumentor_without_loading_it_is_so(name: str) -> None:
    library = entry._HOMES[name].library
    requirements = entry._load(name)().instrumentation_dependencies()
    assert [re.split("[ <>=~!]", one)[0] for one in requirements] == [library][: bool(library)]


class _Absent(PatchingInstrumentor):
    requirements = ("no-such-library >= 1",)

    def patches(self, **options: Any) -> Iterable[Patch]:
        raise AssertionError("must not be asked")


class _Moved(PatchingInstrumentor):
    requirements = ("openai",)
    library = "moved"

    def patches(self, **options: Any) -> Iterable[Patch]:
        for path in ("Embeddings.create", "NoSuchClass.create"):
            yield Patch("openai.resources.embeddings", path, lambda w, i, a, k: w(*a, **k))
        yield Patch("openai.resources.embeddings", "Embeddings.nothing", _foreign, optional=True)


def test_absent_library_is_a_dependency_conflict() -> None:
    with pytest.raises(DependencyConflictError):
        _Absent()._instrument()


def test_a_place_that_moved_is_one_line_and_the_rest_stays_patched(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from openai.resources.embeddings import Embeddings

    before = Embeddings.create
    moved = _Moved()
    moved._instrument()
    assert "no NoSuchClass.create in openai.resources.embeddings" in caplog.text
    assert len(caplog.records) == 1 and failures.pop("instrumentor.patch moved") == 1
    assert in_place.Place("client", "moved", "failed") in in_place.places()
    assert isinstance(vars(Embeddings)["create"], wrapt.FunctionWrapper)
    moved._uninstrument()
    assert Embeddings.create is before
    assert "moved" not in [place.library for place in in_place.places()]


def test_what_others_wrapped_stays_outside_of_ours_and_is_left_as_it_was() -> None:
    from openai.resources.embeddings import Embeddings

    before = Embeddings.create
    theirs = wrapt.wrap_function_wrapper(Embeddings, "create", _foreign)
    moved = _Moved()
    moved._instrument()
    assert vars(Embeddings)["create"] is theirs
    moved._uninstrument()
    assert vars(Embeddings)["create"] is theirs and theirs.__wrapped__ is before
    failures.clear()
    setattr(Embeddings, "create", before)  # noqa: B010 -- mypy knows a method there


def test_a_class_is_patched_where_it_is_defined_whatever_stands_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A team's own subclass in its place is left as it is, and what it calls is seen."""
    from openai.resources import embeddings

    own = embeddings.Embeddings
    monkeypatch.setattr(embeddings, "Embeddings", type("Guarded", (own,), {}))
    moved = _Moved()
    moved._instrument()
    assert "create" not in vars(embeddings.Embeddings)
    assert isinstance(vars(own)["create"], wrapt.FunctionWrapper)
    moved._uninstrument()
    assert not isinstance(vars(own)["create"], wrapt.FunctionWrapper)
    failures.clear()


def _call(standin: OpenAIStandIn) -> None:
    with openai.OpenAI(base_url=standin.url, api_key="k") as client:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hi"}])


def _foreign(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


def test_instrumenting_twice_makes_one_span(recorder: Recorder, standin: OpenAIStandIn) -> None:
    OpenAIInstrumentor().instrument(tracer_provider=recorder.provider)
    _call(standin)
    assert len(recorder.spans) == 1
