"""Getting a bundle's bytes: from a file, an HTTP(S) address or an object store. Never called by an application."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, url2pathname, urlopen

from otel_genai_cost.errors import ConfigurationError, MissingExtraError

__all__ = ["LIMIT_BYTES", "fetch"]

LIMIT_BYTES: Final = 64 * 1024 * 1024
_TIMEOUT_S: Final = 30.0
_CHUNK_BYTES: Final = 1024 * 1024
_OBJECT_STORES: Final = ("s3", "gs", "az")


def fetch(source: str) -> bytes:
    """The bytes at a path, `file:`, `http(s)://`, `s3://`, `gs://` or `az://` address.

    Raises:
        ConfigurationError: if they cannot be had, or are too many.
        MissingExtraError: if the address needs `obstore`.
    """
    scheme = urlsplit(source).scheme.lower()
    try:
        if scheme in ("http", "https"):
            return _over_http(source)
        if scheme in _OBJECT_STORES:
            return _from_store(source)
        if scheme not in ("", "file"):
            raise _refused(
                source, f"no way to {scheme}://", "use a file, https://, s3://, gs:// or az://"
            )
        path = Path(url2pathname(urlsplit(source).path)) if scheme else Path(source)
        with path.open("rb") as file:
            return _limited(iter(lambda: file.read(_CHUNK_BYTES), b""), source)
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigurationError):
            raise
        reason = error.reason if type(error) is URLError else error
        raise _refused(source, str(reason), "what was installed before stays in use") from None


def _refused(source: str, where: str, remedy: str) -> ConfigurationError:
    return ConfigurationError("cannot get the bundle", value=source, where=where, remedy=remedy)


def _limited(chunks: Iterable[bytes], source: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > LIMIT_BYTES:
            raise _refused(source, f"larger than {LIMIT_BYTES:,} bytes", "is it the right file?")
        parts.append(chunk)
    return b"".join(parts)


def _over_http(source: str) -> bytes:
    request = Request(source, headers={"User-Agent": "otel-genai-cost", "Accept": "*/*"})
    with urlopen(request, timeout=_TIMEOUT_S) as reply:
        return _limited(iter(lambda: reply.read(_CHUNK_BYTES), b""), source)


def _from_store(source: str) -> bytes:
    """By the credentials of the environment, as the store's own tools read them."""
    try:
        import obstore
        from obstore.exceptions import BaseError
        from obstore.store import from_url
    except ImportError:
        raise MissingExtraError("an object store", "obstore", "bundles") from None
    place, _, name = source.rpartition("/")
    if not urlsplit(source).netloc or not name or place.endswith(":/"):
        raise _refused(source, "no object is named", "write s3://bucket/path/to/the.bundle")
    try:
        store: Any = from_url(place)
        return _limited((bytes(chunk) for chunk in obstore.get(store, name)), source)
    except BaseError as error:
        first = str(error).splitlines()[0]
        raise _refused(source, first, "what was installed before stays in use") from None
