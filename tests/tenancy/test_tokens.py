"""Tokens, pure: what is signed is believed, and nothing else."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from otel_genai_cost.tenancy.tokens import (
    Key,
    Keys,
    RefusedToken,
    Signed,
    TokenFault,
    mint,
    parse_keys,
    verify,
)

_SEED = bytes(range(32))
_PUBLIC = Ed25519PrivateKey.from_private_bytes(_SEED).public_key().public_bytes_raw()
_HMAC = Key("k1", "hmac-sha256", b"s" * 32)
_OWN = Key("e1", "ed25519", _SEED)
_READER = Key("e1", "ed25519-public", _PUBLIC)
_ENTRIES = {"tenant.id": "acme", "genai_cost.feature": "chat", "genai_cost.initiator": "system"}


def _text(secret: bytes) -> str:
    return base64.b64encode(secret).decode()


def _mint(key: Key = _HMAC, audience: str = "prod", expires_s: int = 0) -> Signed:
    return mint(key, _ENTRIES, tenant_key="tenant.id", audience=audience, expires_s=expires_s)


def _verify(
    token: str,
    entries: dict[str, str] | None = None,
    keys: Keys = Keys((_HMAC,)),  # noqa: B008 -- a value
    now_s: float = 1_000,
) -> Signed:
    return verify(
        token,
        _ENTRIES if entries is None else entries,
        keys,
        tenant_key="tenant.id",
        audience="prod",
        now_s=now_s,
    )


def _fault(token: str, entries: dict[str, str] | None = None, now_s: float = 1_000) -> TokenFault:
    with pytest.raises(RefusedToken) as refused:
        _verify(token, entries, now_s=now_s)
    return refused.value.fault


@pytest.mark.parametrize(("minting", "verifying"), [(_HMAC, _HMAC), (_OWN, _OWN), (_OWN, _READER)])
def test_what_was_signed_is_believed(minting: Key, verifying: Key) -> None:
    signed = _mint(minting)
    assert _verify(signed.token, keys=Keys((verifying,))) == signed
    assert signed.entries == _ENTRIES
    more = {**_ENTRIES, "genai_cost.agent": "mallory"}
    assert _verify(signed.token, more, Keys((verifying,))).entries == _ENTRIES


def test_a_key_that_only_verifies_does_not_mint() -> None:
    assert Keys((_READER,)).minting is None
    assert Keys((_READER, _HMAC)).minting == _HMAC


def test_keys_rotate() -> None:
    old, new = _HMAC, Key("k2", "hmac-sha256", b"n" * 32)
    ahead, after = Keys((old, new)), Keys((new, old))
    assert (ahead.minting, after.minting) == (old, new)
    for key in (old, new):
        assert _verify(_mint(key).token, keys=ahead).entries == _ENTRIES
        assert _verify(_mint(key).token, keys=after).entries == _ENTRIES
    assert _fault(_mint(new).token) == "unknown_key"


@pytest.mark.parametrize(
    ("entries", "fault"),
    [
        ({**_ENTRIES, "tenant.id": "victim"}, "forged_token"),
        ({**_ENTRIES, "genai_cost.feature": "search"}, "forged_token"),
        ({k: v for k, v in _ENTRIES.items() if k != "genai_cost.feature"}, "forged_token"),
        ({k: v for k, v in _ENTRIES.items() if k != "tenant.id"}, "forged_token"),
    ],
)
def test_what_differs_from_what_was_signed_is_forged(
    entries: dict[str, str], fault: TokenFault
) -> None:
    assert _fault(_mint().token, entries) == fault


def test_a_token_is_for_somebody_and_for_a_time() -> None:
    assert _fault(_mint(audience="staging").token) == "wrong_audience"
    assert _fault(_mint(audience="").token) == "wrong_audience"
    token = _mint(expires_s=1_001).token
    assert _verify(token).expires_s == 1_001
    assert _fault(token, now_s=1_001) == "expired_token"
    assert _fault(token.replace("~1001~", "~9001~")) == "forged_token"
    assert _fault(_mint(audience="staging").token.replace("~staging~", "~prod~")) == "forged_token"


@pytest.mark.parametrize(
    "broken",
    ["", "1", "1~k1~prod~~", "2~k1~prod~~AA", "1~k1~prod~soon~AA", "1~k1~prod~~AAAAA", "x" * 5_000],
)
def test_what_is_no_token_is_refused(broken: str) -> None:
    assert _fault(broken) in ("malformed_token", "forged_token")


@given(st.data())
def test_a_changed_or_cut_token_is_refused(data: st.DataObject) -> None:
    token = _mint().token
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from("Az0_-~.=% "))
    for changed in (token[:at], token[:at] + letter + token[at + 1 :]):
        try:
            found = _verify(changed)
        except RefusedToken:
            continue
        assert found.entries == _ENTRIES, "bits that base64 leaves unused change nothing"


def test_an_algorithm_follows_from_the_key() -> None:
    """Signing by HMAC with the public key, which everybody has, is the classic forgery."""
    forged = _mint(Key("e1", "hmac-sha256", _PUBLIC)).token
    with pytest.raises(RefusedToken) as refused:
        _verify(forged, keys=Keys((_READER,)))
    assert refused.value.fault == "forged_token"


def test_keys_are_read_from_text_and_shown_nowhere() -> None:
    text = f"k1:hmac-sha256:{_text(b's' * 32)}  # of May\n\ne1:ed25519-public:{_text(_PUBLIC)}\n"
    keys = parse_keys(text)
    assert keys == Keys((_HMAC, _READER))
    assert keys == parse_keys(text.replace("  # of May\n\n", ","))
    assert repr(keys) == "Keys(known=(Key('k1', 'hmac-sha256'), Key('e1', 'ed25519-public')))"


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("SECRETSECRET", "ID:ALGORITHM:KEY"),
        ("k1:rot13:SECRETSECRET", "hmac-sha256, ed25519"),
        ("k 1:hmac-sha256:SECRETSECRET", "ID:ALGORITHM:KEY"),
        ("k1:hmac-sha256:SECRETSECRET", "32 random bytes"),
        ("k1:hmac-sha256:SECRET!SECRET", "base64"),
        ("k1:ed25519:SECRETSECRET", "32 raw bytes"),
        (",".join([f"k1:hmac-sha256:{_text(b'SECRET' * 6)}"] * 2), "id of its own"),
    ],
)
def test_a_key_that_is_none_is_refused_and_not_shown(text: str, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy) as refused:
        parse_keys(text)
    assert "SECRET" not in str(refused.value)


def test_hmac_needs_no_library() -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from otel_genai_cost.tenancy.tokens import parse_keys\n"
        f"print(parse_keys('k1:hmac-sha256:{_text(b's' * 32)}').minting)\n"
        "try:\n"
        f"    parse_keys('e1:ed25519:{_text(_SEED)}')\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    key, error = done.stdout.splitlines()
    assert key == "Key('k1', 'hmac-sha256')"
    assert "pip install 'otel-genai-cost[tokens]'" in error
