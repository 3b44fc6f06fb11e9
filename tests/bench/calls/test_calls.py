"""The measured program makes the calls it is said to make, and its figures become the rows they are said to become."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from tests.bench.calls import compare
from tests.bench.calls.measure import Added, calls_of
from tests.bench.calls.mocked import CALLS, SHAPES, Shape
from tests.bench.calls.program import SETUPS, WARM_UP
from tests.bench.calls.variants import (
    ALONE,
    OPENAI,
    OPENTELEMETRY,
    OTHERS,
    OURS,
    VARIANTS,
    Client,
    Variant,
)
from tests.bench.counting import counter, million_instructions
from tests.bench.measure import Result
from tests.e2e.rig import observations_in

_CALLS = 3
_HERE = Path(sys.executable)
_CLIENT: Final = Client("openai", "3", OPENTELEMETRY)
_METERED: Final[tuple[tuple[str, Shape], ...]] = (
    ("openai", "plain"),
    ("openai", "short_stream"),
    ("openai", "async"),
    ("anthropic", "plain"),
    ("anthropic", "short_stream"),
    ("google-genai", "async"),
    ("google-genai", "short_stream"),
    ("botocore", "plain"),
    ("botocore", "short_stream"),
)


def _added(variant: Variant, shape: Shape, minstr: float | None, cpu_us: float) -> Added:
    """On top of a client that takes 100 million instructions for a stream of 200 chunks, 10 for any other call."""
    client = 100.0 if shape == "stream" else 10.0
    alone = None if minstr is None else client
    return Added(variant.name, "openai 3", shape, minstr, cpu_us, alone, client * 100)


@pytest.mark.parametrize(("library", "shape"), _METERED)
def test_each_call_of_the_program_is_metered(tmp_path: Path, library: str, shape: Shape) -> None:
    done = calls_of(library, OURS, _HERE, shape, _CALLS, tmp_path)
    assert float(done.stdout) > 0
    metered = observations_in(tmp_path)
    assert len(metered) == WARM_UP + _CALLS
    assert len({one.reading.response_id for one in metered}) == len(metered)
    for one in metered:
        assert one.attribution.tenant == "acme" and one.cost.status == "priced"
        assert one.reading.usage.leaves["cache_read"] == 1024


def test_the_client_alone_is_alone(tmp_path: Path) -> None:
    calls_of("openai", ALONE, _HERE, "plain", _CALLS, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_program_that_fails_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="invalid literal for int"):
        calls_of("openai", ALONE, _HERE, "plain", "many", tmp_path)  # type: ignore[arg-type]


def test_every_variant_and_every_client_is_in_the_program() -> None:
    assert {variant.setup for variant in (ALONE, *VARIANTS)} == set(SETUPS)
    assert {client.library for client in (*OPENAI, *OTHERS)} == set(CALLS)


def _rows(monkeypatch: pytest.MonkeyPatch, figures: dict[tuple[str, Shape], Added]) -> list[Result]:
    def measured(variants: tuple[Variant, ...], client: Client, shape: Shape) -> list[Added]:
        return [figures[variant.name, shape] for variant in variants]

    monkeypatch.setattr(compare, "added", measured)
    return list(compare.calls((_CLIENT,)))


def _figures(ours: float | None, theirs: float | None) -> dict[tuple[str, Shape], Added]:
    return {
        (variant.name, shape): _added(variant, shape, figure, cpu_us)
        for variant, figure, cpu_us in ((OURS, ours, 300.0), (OPENTELEMETRY, theirs, 200.0))
        for shape in SHAPES
    }


def test_instructions_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = _figures(0.6, 0.8)
    figures[OURS.name, "stream"] = _added(OURS, "stream", 2.4, 900.0)
    call, _, stream, chunk = _rows(monkeypatch, figures)
    assert call.unit == "Minstr" and call.ratio == pytest.approx(0.75) and call.met
    assert stream.ratio == pytest.approx(3.0) and not stream.met
    assert chunk.peer == "the client" and chunk.ours == pytest.approx(1.8 / 180)
    assert chunk.theirs == pytest.approx(0.5) and chunk.ratio == pytest.approx(0.02)


def test_without_a_counter_there_are_times_and_the_table_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compare, "counter", lambda: None)
    call, *_ = _rows(monkeypatch, _figures(None, None))
    assert call.unit == "us" and call.ratio == pytest.approx(1.5) and not call.met
    assert "CPU times, not instructions" in capsys.readouterr().out


@pytest.mark.environments
@pytest.mark.skipif(counter() is None, reason="needs valgrind and a C compiler")
def test_counted_twice_is_the_same(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    one, other = (
        million_instructions(calls_of("openai", OURS, _HERE, "plain", 40, folder, counter()))
        for folder in folders
    )
    assert one / 40 > 1  # the client's own work and ours
    assert other == pytest.approx(one, rel=0.02)
