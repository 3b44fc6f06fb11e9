"""Bundles: nothing in one is believed before it is checked, and what is installed is whole."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from otel_genai_cost.errors import ConfigurationError, FormatTooNewError
from otel_genai_cost.pricing.bundle import Bundle, install, pack, unpack
from otel_genai_cost.pricing.fetch import fetch

_PAYLOAD = b'{"a":1}\n'
_MADE_US = 1_795_000_000_000_000


def make_keys() -> tuple[bytes, bytes]:
    """A private and a public key, PEM."""
    key = Ed25519PrivateKey.generate()
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


_PRIVATE, _PUBLIC = make_keys()


def _packed(payload: bytes = _PAYLOAD, made_at_us: int = _MADE_US) -> bytes:
    return pack(payload, kind="book", made_at_us=made_at_us, private_key=_PRIVATE)


def _unpacked(content: bytes, key: bytes | None = _PUBLIC, digest: str | None = None) -> Bundle:
    return unpack(content, source="a bundle", public_key=key, digest=digest)


def test_what_was_packed_is_unpacked() -> None:
    bundle = _unpacked(_packed())
    assert bundle == Bundle("book", _MADE_US, sha256(_PAYLOAD).hexdigest(), _PAYLOAD)
    assert _packed() == _packed()


def test_another_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="the key did not sign it"):
        _unpacked(_packed(), make_keys()[1])


def test_every_changed_byte_is_noticed() -> None:
    packed = _packed()
    for at in range(len(packed)):
        changed = packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :]
        with pytest.raises(ConfigurationError):
            _unpacked(changed)


@pytest.mark.parametrize("content", [b"", b"{}", b"{}\n\n", b"x" * 100, b"{\n" * 9, b"\xff{\n\n"])
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    for key in (_PUBLIC, None):
        with pytest.raises(ConfigurationError, match="the bundle is refused"):
            _unpacked(content, key)


def test_pinned_digest_needs_no_key() -> None:
    digest = sha256(_PAYLOAD).hexdigest()
    assert _unpacked(_packed(), None, digest.upper()).payload == _PAYLOAD
    with pytest.raises(ConfigurationError, match="not the digest that was asked for"):
        _unpacked(_packed(b"{}"), None, digest)
    with pytest.raises(ConfigurationError, match="not the digest"):
        _unpacked(_packed(b"{}"), _PUBLIC, digest)


def test_newer_format_is_refused_with_the_remedy() -> None:
    newer = _packed().replace(b"bundle/1", b"bundle/2")
    with pytest.raises(FormatTooNewError, match="upgrade"):
        _unpacked(newer, None, sha256(_PAYLOAD).hexdigest())


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"nonsense",
        generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
        _PUBLIC,
    ],
    ids=["empty", "nonsense", "another kind", "the public half"],
)
def test_key_that_is_none_is_told(key: bytes) -> None:
    with pytest.raises(ConfigurationError, match="no Ed25519 private key"):
        pack(_PAYLOAD, kind="book", made_at_us=1, private_key=key)
    if key != _PUBLIC:
        with pytest.raises(ConfigurationError, match="no Ed25519 public key"):
            _unpacked(_packed(), key)


def test_installed_whole_and_again_without_a_change(tmp_path: Path) -> None:
    bundle = _unpacked(_packed())
    path, changed = install(bundle, tmp_path / "prices")
    assert (path.read_bytes(), changed) == (_PAYLOAD, True)
    before = path.stat()
    assert install(bundle, tmp_path / "prices") == (path, False)
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert not [each for each in path.parent.iterdir() if each.suffix == ".new"]


def test_older_bundle_is_refused_unless_asked_for(tmp_path: Path) -> None:
    install(_unpacked(_packed()), tmp_path)
    older = _unpacked(_packed(b"{}", _MADE_US - 1))
    with pytest.raises(ConfigurationError, match="older than the one installed"):
        install(older, tmp_path)
    assert (tmp_path / "book.json").read_bytes() == _PAYLOAD
    assert install(older, tmp_path, older=True)[1]


def test_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be installed"):
        install(_unpacked(_packed()), tmp_path / "file")


@pytest.mark.parametrize(
    "source",
    ["/no/such/file", "", "ftp://example.com/x", "s3://bucket", "s3:///x", "http://127.0.0.1:1/x"],
)
def test_source_that_cannot_be_had_is_told(source: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot get the bundle"):
        fetch(source)


def test_file_by_path_and_by_address(tmp_path: Path) -> None:
    path = tmp_path / "a bundle"
    path.write_bytes(b"bytes")
    assert fetch(str(path)) == fetch(path.as_uri()) == b"bytes"
