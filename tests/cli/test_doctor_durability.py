"""What `doctor` says of the declared durability, and of whoever is to keep it."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.cli.doctor.check import Found
from otel_genai_cost.cli.doctor.durability import durability
from otel_genai_cost.cli.home import Home
from tests.forwarding.receivers import running


def _said(monkeypatch: pytest.MonkeyPatch, **settings: str) -> Found:
    for name, value in settings.items():
        monkeypatch.setenv(f"OTEL_GENAI_COST_{name}", value)
    [found] = durability(Home(Path(), ()))
    return found


def test_the_level_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _said(monkeypatch) == ("durability", "ok", "process", "")


def test_a_level_without_a_receiver_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    found = _said(monkeypatch, DURABILITY="node")
    assert (found.state, found.seen) == ("failure", "node, and sent nowhere")
    assert "OTEL_GENAI_COST_SHIP_TO" in found.remedy


def test_a_receiver_is_asked_and_sent_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "there") as receiver:
        found = _said(monkeypatch, DURABILITY="node", SHIP_TO=receiver.url)
        assert found.state == "ok"
        assert found.seen == f"node, sent to {receiver.url}: ledger ledger of epoch 1 answers"
        assert list(receiver.folder.iterdir()) == []


def test_a_token_that_does_not_hold_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path / "there") as receiver:
        (receiver.folder / "token").write_text("right")
        found = _said(monkeypatch, DURABILITY="pod", SHIP_TO=receiver.url, SHIP_TOKEN="wrong")
        assert (found.state, "UNAUTHENTICATED" in found.seen) == ("failure", True)
        assert "OTEL_GENAI_COST_SHIP_TOKEN" in found.remedy
        assert "wrong" not in found.seen


def test_nobody_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = _said(monkeypatch, DURABILITY="pod", SHIP_TO=f"unix://{tmp_path}/no.sock")
    assert (found.state, "no answer: FileNotFoundError" in found.seen) == ("failure", True)
    assert "genai-cost agent" in found.remedy
