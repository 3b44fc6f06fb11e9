"""Keys are read from a variable, code or a file, and stand in no message."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.metering.config import load_settings, replace_settings
from otel_genai_cost.tenancy.tokens import NO_KEYS

_KEYS = "OTEL_GENAI_COST_TOKEN_KEYS"
_SECRET = base64.b64encode(b"secret" * 8).decode()


def test_keys_come_from_a_variable_or_a_file(tmp_path: Path) -> None:
    line = f"k1:hmac-sha256:{_SECRET}"
    direct = load_settings({_KEYS: line}).settings.token_keys
    (tmp_path / "keys").write_text(f"{line} # mine\n", "utf-8")
    filed = load_settings({_KEYS: f"file:{tmp_path / 'keys'}"})
    assert filed.settings.token_keys == direct
    assert direct.minting is not None
    assert _SECRET not in repr(filed)
    assert "secret" not in repr(filed)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (_SECRET, "ID:ALGORITHM:KEY"),
        (f"k1:rot13:{_SECRET}", "ID:ALGORITHM:KEY"),
        ("file:/nowhere/keys", "can be read"),
        (f"file:{__file__}/..", "can be read"),
    ],
)
def test_what_cannot_be_used_is_said_without_showing_it(text: str, remedy: str) -> None:
    loaded = load_settings({_KEYS: text})
    [problem] = loaded.problems
    assert loaded.settings.token_keys == NO_KEYS
    assert remedy in str(problem)
    assert _SECRET not in str(problem)
    with pytest.raises(ConfigurationError, match=remedy) as refused:
        replace_settings(loaded.settings, {"token_keys": text})
    assert _SECRET not in str(refused.value)


def test_an_audience_fits_into_a_token() -> None:
    assert load_settings({"OTEL_GENAI_COST_TOKEN_AUDIENCE": "prod-eu"}).problems == ()
    assert len(load_settings({"OTEL_GENAI_COST_TOKEN_AUDIENCE": "prod~eu"}).problems) == 1
