"""Tokens of senders: from the first one on everybody needs one, whatever becomes of their file."""

from __future__ import annotations

from pathlib import Path

import pytest

from otel_genai_cost.intake.receiver import LOCAL
from otel_genai_cost.intake.replica import RefusedError
from otel_genai_cost.intake.sender_tokens import SenderTokens, sender_token_file


def test_who_takes_the_file_away_lets_nobody_in(tmp_path: Path) -> None:
    path = tmp_path / "sender-tokens.json"
    tokens = SenderTokens(path)
    assert tokens.sender("") == LOCAL
    given = sender_token_file(path).add("checkout", None)
    assert tokens.sender(f"Bearer {given}") == "checkout"
    path.unlink()
    unknown = "Bearer send_00_unknown"  # of which the file is looked at again
    for said in (unknown, "", f"Bearer {given}"):
        with pytest.raises(RefusedError) as refused:
            tokens.sender(said)
        assert refused.value.refusal.reason == "UNAUTHENTICATED"
    another = sender_token_file(path).add("checkout", None)
    assert tokens.sender(f"Bearer {another}") == "checkout"


def test_revoking_the_last_one_lets_nobody_in(tmp_path: Path) -> None:
    file = sender_token_file(tmp_path / "sender-tokens.json")
    given = file.add("checkout", None)
    file.revoke(given.split("_")[1])
    with pytest.raises(RefusedError):
        SenderTokens(file.path).sender("")
