"""Signed bundles: a price book or contracts that travel apart from the wheel.

A bundle is one file: a line of JSON that says what follows, its sha256 and when it was made; a line with the Ed25519
signature of that first line; then the canonical JSON itself. Nothing in it is believed before the signature, or a
digest that somebody pinned, has been checked.
"""

from __future__ import annotations

import base64
import binascii
import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.errors import ConfigurationError, FormatTooNewError, MissingExtraError
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.whole_files import replace_file

__all__ = ["KINDS", "Bundle", "install", "installed", "pack", "unpack"]

SCHEMA: Final = "otel-genai-cost-bundle/1"
KINDS: Final = ("book", "contracts")
_HEAD_LIMIT_BYTES: Final = 4_096
_NOTE: Final = "bundle.json"


class Bundle(NamedTuple):
    """What a bundle holds. `digest` is the sha256 of `payload`, the book's or the contracts' own."""

    kind: str
    made_at_us: int
    digest: str
    payload: bytes


def pack(payload: bytes, *, kind: str, made_at_us: int, private_key: bytes) -> bytes:
    """Sign a payload.

    Args:
        payload: the canonical JSON of a book or of contracts.
        kind: `book` or `contracts`.
        made_at_us: when, unix microseconds.
        private_key: an Ed25519 key, PEM.

    Returns:
        The bundle: a description, its signature, the payload.

    Raises:
        ConfigurationError: if it is no such key.
        MissingExtraError: without `cryptography`.
    """
    head = json.dumps(
        {
            "digest": sha256(payload).hexdigest(),
            "kind": kind,
            "made_at": rfc3339(made_at_us),
            "schema": SCHEMA,
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode()
    signature = _private_key(private_key).sign(head)
    return b"\n".join((head, base64.b64encode(signature), payload))


def unpack(
    content: bytes, *, source: str, public_key: bytes | None, digest: str | None = None
) -> Bundle:
    """Check a bundle and take its payload out.

    Args:
        content: the whole bundle.
        source: where it came from, for errors.
        public_key: the Ed25519 key, PEM, that must have signed it; None if only the digest vouches for it.
        digest: sha256, hex, that the payload must have.

    Raises:
        ConfigurationError: if it is not what was signed, or not what was asked for.
        FormatTooNewError: if a newer version wrote it.
        MissingExtraError: without `cryptography`.
    """
    head, signature, payload = _split(content, source)
    if public_key is not None:
        _verify(_public_key(public_key), signature, head, source)
    described = _description(head, source)
    found = sha256(payload).hexdigest()
    if found != described["digest"]:
        raise _refused("its content was changed after it was signed", source)
    if digest is not None and digest.lower() != found:
        raise _refused(f"it holds {found}, not the digest that was asked for", source)
    return Bundle(described["kind"], microseconds(described["made_at"]), found, payload)


def _split(content: bytes, source: str) -> tuple[bytes, bytes, bytes]:
    head, _, rest = content.partition(b"\n")
    signature, line_feed, payload = rest.partition(b"\n")
    if not line_feed or not head.startswith(b"{") or len(head) > _HEAD_LIMIT_BYTES:
        raise _refused("it is no bundle", source)
    return head, signature, payload


def _description(head: bytes, source: str) -> dict[str, str]:
    """The first line, by now signed or about to be compared with a pinned digest."""
    try:
        found: object = json.loads(head)
        described = cast("dict[str, Any]", found if isinstance(found, dict) else {})
        schema = described.get("schema")
        if (
            isinstance(schema, str)
            and schema != SCHEMA
            and schema.startswith("otel-genai-cost-bundle/")
        ):
            raise FormatTooNewError(f"bundle {source}", schema, SCHEMA)
        if schema != SCHEMA or described["kind"] not in KINDS:
            raise _refused("its first line is none of a bundle", source)
        microseconds(str(described["made_at"]))
    except (KeyError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise _refused("its first line is none of a bundle", source) from None
    return {key: str(value) for key, value in described.items()}


def _refused(what: str, source: str) -> ConfigurationError:
    return ConfigurationError(
        f"the bundle is refused: {what}",
        value=source,
        remedy="what was installed before stays in use; get it again, or ask who signs it",
    )


def _verify(key: Any, signature: bytes, head: bytes, source: str) -> None:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(base64.b64decode(signature, validate=True), head)
    except (InvalidSignature, binascii.Error, ValueError):
        raise _refused("the key did not sign it", source) from None


def _private_key(pem: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise MissingExtraError("signing a bundle", "cryptography", "bundles") from None
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise _no_key("private", str(error)) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _no_key("private", type(key).__name__)
    return key


def _public_key(pem: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise MissingExtraError("checking a signature", "cryptography", "bundles") from None
    try:
        key = load_pem_public_key(pem)
    except ValueError as error:
        raise _no_key("public", str(error)) from None
    if not isinstance(key, Ed25519PublicKey):
        raise _no_key("public", type(key).__name__)
    return key


def _no_key(half: str, found: str) -> ConfigurationError:
    return ConfigurationError(
        f"no Ed25519 {half} key",
        value=found[:80],
        remedy="give a PEM file: `openssl genpkey -algorithm ed25519`, `openssl pkey -pubout`",
    )


def install(bundle: Bundle, folder: Path, *, older: bool = False) -> tuple[Path, bool]:
    """Put the payload at `folder/book.json` or `contracts.json`, whole or not at all.

    Args:
        bundle: checked by `unpack`.
        folder: made if it is not there.
        older: also if a newer one is installed, which else is refused: somebody may be replaying an old bundle.

    Returns:
        The file, and whether it changed.

    Raises:
        ConfigurationError: for an older bundle, or a folder that cannot be written.
    """
    path, note = folder / f"{bundle.kind}.json", folder / f"{bundle.kind}-{_NOTE}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = _noted(note)
        if before is not None and bundle.made_at_us < before and not older:
            raise ConfigurationError(
                "the bundle is older than the one installed",
                value=rfc3339(bundle.made_at_us),
                where=str(path),
                remedy=f"that one was made at {rfc3339(before)}; pass --older to go back to it",
            )
        changed = not path.exists() or sha256(path.read_bytes()).hexdigest() != bundle.digest
        if changed:
            replace_file(path, bundle.payload)
        text = json.dumps({"digest": bundle.digest, "made_at": rfc3339(bundle.made_at_us)})
        replace_file(note, text.encode())
    except OSError as error:
        raise ConfigurationError(
            "the bundle cannot be installed",
            value=str(folder),
            where=str(error),
            remedy="name a folder that can be written",
        ) from None
    return path, changed


def installed(path: Path) -> bytes | None:
    """The content of `path`, if `install` put it there: it was checked then, row by row, and is what it was."""
    try:
        digest = json.loads(path.with_name(f"{path.stem}-{_NOTE}").read_bytes())["digest"]
        content = path.read_bytes()
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return content if sha256(content).hexdigest() == digest else None


def _noted(note: Path) -> int | None:
    """When the installed bundle was made."""
    try:
        return microseconds(json.loads(note.read_bytes())["made_at"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
