"""Where files are kept: a folder, or a place in an object store, reached by obstore."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from otel_genai_cost.errors import ConfigurationError, GenAICostError, MissingExtraError
from otel_genai_cost.whole_files import bring_to_disk, owner_only

__all__ = ["Folder", "Found", "ObjectStore", "Place", "place_of"]

_ATTEMPTS: Final = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=10),
    "backoff": {
        "init_backoff": timedelta(milliseconds=100),
        "max_backoff": timedelta(seconds=2),
        "base": 2.0,
    },
}
"""Few, since whoever feeds the sink tries again, and others wait meanwhile."""

_KEYS: Final = {"service_account": "service_account_path"}
_TIMES: Final = {"timeout": "60s", "connect_timeout": "5s"}


_REASON: Final = re.compile("<Code>([^<]{1,80})</Code>.{0,300}?<Message>([^<]{1,300})", re.DOTALL)
"""What a store says in its own words, which stands far behind what the library says of the request."""

_NO_ROOM: Final = re.compile("Full|Quota")


class Found(NamedTuple):
    """A file's content, and which version of it that is; None in a place that does not tell versions apart."""

    content: bytes
    version: Mapping[str, Any] | None


class Place(Protocol):
    """Files by names with slashes. Each is there whole or not at all. Every method raises GenAICostError or OSError."""

    def get(self, name: str) -> Found | None:
        """A file; None if there is none."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Write a file, or replace it. It outlives a power cut."""
        ...

    def swap(self, name: str, content: bytes, known: Found | None) -> None:
        """Write a file that nobody else has replaced.

        Args:
            name: its name.
            content: all of it.
            known: what was read of it.
        """
        ...

    def names(self) -> list[str]:
        """Of every file there is."""
        ...

    def delete(self, names: list[str]) -> None:
        """Have files no longer there; those that are not there are none."""
        ...


class Folder:
    """A folder of this machine, or of a network that it has mounted.

    Args:
        path: it; made when the first file comes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def get(self, name: str) -> Found | None:
        try:
            return Found((self.path / name).read_bytes(), None)
        except FileNotFoundError:
            return None

    def put(self, name: str, content: bytes) -> None:
        path = self.path / name
        self._make(path.parent)
        hidden = path.with_name(f".{path.name}.new")
        try:
            with open(hidden, "wb", opener=owner_only) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            hidden.replace(path)
        except OSError:
            hidden.unlink(missing_ok=True)
            raise
        bring_to_disk(path.parent)

    def swap(self, name: str, content: bytes, known: Found | None) -> None:
        """Replace a file: there is one writer, who holds the ledger's lock.

        Args:
            name: its name.
            content: all of it.
            known: what was read of it.
        """
        self.put(name, content)

    def names(self) -> list[str]:
        files = (path for path in self.path.rglob("*") if path.is_file())
        return [path.relative_to(self.path).as_posix() for path in files]

    def delete(self, names: list[str]) -> None:
        for name in names:
            (self.path / name).unlink(missing_ok=True)

    def _make(self, folder: Path) -> None:
        """A folder whose name outlives a power cut."""
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            bring_to_disk(folder.parent)


class ObjectStore:
    """A place in an object store.

    Args:
        address: its URL, such as `s3://bucket/prefix`.
        options: what obstore is told beside it; what it is not told it finds in the environment.

    Raises:
        ConfigurationError: if there is no such kind of store.
        MissingExtraError: without obstore.
    """

    def __init__(self, address: str, options: Mapping[str, Any]) -> None:
        self.address = address
        try:
            import obstore
            from obstore import exceptions
            from obstore.store import from_url
        except ImportError:
            raise MissingExtraError("an object store", "obstore", "parquet") from None
        self._library: Any = obstore
        self._raised: Any = exceptions
        client = {**_TIMES, **({"allow_http": True} if _is_http(options) else {})}
        configure: Any = from_url
        configuration = {_KEYS.get(key, key): value for key, value in options.items()}
        try:
            self._store: Any = configure(
                address, client_options=client, retry_config=_ATTEMPTS, **configuration
            )
        except (exceptions.BaseError, ValueError, TypeError) as error:
            raise ConfigurationError(
                "no place in an object store",
                value=address,
                where=_first_line(error),
                remedy="write s3://bucket/prefix, gs://bucket/prefix or az://container/prefix",
            ) from None

    def get(self, name: str) -> Found | None:
        try:
            found = self._library.get(self._store, name)
            found_as = {"e_tag": found.meta["e_tag"], "version": found.meta["version"]}
            version = {key: value for key, value in found_as.items() if value is not None}
            return Found(bytes(found.bytes()), version)
        except (FileNotFoundError, self._raised.NotFoundError):
            return None
        except self._raised.BaseError as error:
            raise self._said(error) from None

    def put(self, name: str, content: bytes) -> None:
        try:
            self._library.put(self._store, name, content, mode="overwrite")
        except self._raised.BaseError as error:
            raise self._said(error) from None

    def swap(self, name: str, content: bytes, known: Found | None) -> None:
        """Replace an object on the condition that it is what was read.

        Args:
            name: its name.
            content: all of it.
            known: what was read of it; None if there was none.

        Raises:
            GenAICostError: if it is another by now, or the store refuses it.
        """
        mode = "create" if known is None else known.version
        try:
            self._library.put(self._store, name, content, mode=mode)
        except (self._raised.AlreadyExistsError, self._raised.PreconditionError):
            raise GenAICostError(
                f"{self.address}/{name} was replaced by another writer meanwhile; one ledger for a place"
            ) from None
        except self._raised.BaseError as error:
            raise self._said(error) from None

    def names(self) -> list[str]:
        try:
            return [one["path"] for part in self._library.list(self._store) for one in part]
        except self._raised.BaseError as error:
            raise self._said(error) from None

    def delete(self, names: list[str]) -> None:
        try:
            for name in names:
                self._library.delete(self._store, name)
        except (FileNotFoundError, self._raised.NotFoundError):
            pass
        except self._raised.BaseError as error:
            raise self._said(error) from None

    def _said(self, error: Exception) -> GenAICostError:
        """What the store said, in a line, with what to do where that is known."""
        refused = (self._raised.PermissionDeniedError, self._raised.UnauthenticatedError)
        reason = _REASON.search(str(error))
        said = f"{reason[1]}: {reason[2]}" if reason else _first_line(error)
        remedy = "; give it credentials that hold" if isinstance(error, refused) else ""
        if reason and _NO_ROOM.search(reason[1]):
            remedy = "; make room there"
        return GenAICostError(f"{self.address}: {' '.join(said.split())}{remedy}")


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[0][:300]


def _is_http(options: Mapping[str, Any]) -> bool:
    return str(options.get("endpoint", "")).startswith("http://")


def place_of(to: str, options: Mapping[str, Any]) -> Place:
    """The place of an address.

    Args:
        to: a folder's path, or the URL of a place in an object store.
        options: of the object store.

    Raises:
        ConfigurationError: if it is neither.
        MissingExtraError: without obstore, where that is needed.
    """
    if "://" in to:
        return ObjectStore(to, options)
    if not to or options:
        raise ConfigurationError(
            "no place for files" if not to else "a folder has no such option",
            value=to or next(iter(options)),
            remedy="write to=/folder, or to=s3://bucket/prefix with options of the store",
        )
    return Folder(Path(to))
