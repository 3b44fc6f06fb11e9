"""Secrets that sessions and links are signed with, in a file that processes share. The newest signs, all hold."""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.errors import ConfigurationError
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.watch import Watched
from otel_genai_cost.whole_files import alone_in

__all__ = ["KEYS_FILE", "Key", "KeyFile", "watched_keys"]

KEYS_FILE: Final = "pages-keys.json"
"""Beside the ledger; only its owner reads it."""

_BYTES: Final = 32
_KEPT_MAX: Final = 3
"""Keys that still hold after newer ones were made: as many as sessions outlast."""


class Key(NamedTuple):
    """A secret, its name, which stands in what it signs, and when it was made, in unix microseconds."""

    id: str
    secret: bytes
    made_us: int


class KeyFile(NamedTuple):
    """A file of keys, the newest first."""

    path: Path

    def read(self) -> list[Key]:
        """The keys; none where there is no file.

        Raises:
            ConfigurationError: if the file is none of keys.
        """
        try:
            found = json.loads(self.path.read_bytes())
            return [_key(record) for record in cast("list[Mapping[str, Any]]", found["keys"])]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                "this is no file of keys",
                value=str(self.path),
                where=type(error).__name__,
                remedy="put it back from a backup, or delete it: whoever is signed in signs in again",
            ) from None

    def needed(self) -> list[Key]:
        """The keys, of which there has to be one.

        Raises:
            ConfigurationError: if there is none, or the file is none of keys.
        """
        found = self.read()
        if not found:
            raise ConfigurationError(
                "there is no key to sign with",
                value=str(self.path),
                remedy="start again: one is made",
            )
        return found

    def ensure(self, now_us: int) -> None:
        """Make the first key, unless there is one. Of processes that do so at once, one does.

        Args:
            now_us: unix microseconds.

        Raises:
            ConfigurationError: if it cannot be written, or is none of keys.
        """
        if self.read():
            return
        self._write([_new_key(now_us)], _link)

    def rotate(self, now_us: int, *, forget: bool) -> Key:
        """Make a key that signs from now on.

        Args:
            now_us: unix microseconds.
            forget: whether what older ones signed holds no longer.

        Raises:
            ConfigurationError: if it cannot be written, or is none of keys.
        """
        fresh = _new_key(now_us)
        try:
            with alone_in(self.path.parent):
                kept = [] if forget else self.read()[: _KEPT_MAX - 1]
                self._write([fresh, *kept], os.replace)
        except OSError as error:
            raise _unwritable(self.path, error) from None
        return fresh

    def _write(self, keys: Sequence[Key], put: Callable[[Path, Path], None]) -> None:
        """Have a whole file put in its place, which nobody else could read at any time."""
        hidden = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}.new")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                _write_own(hidden, _content(keys))
                put(hidden, self.path)
            finally:
                hidden.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(self.path, error) from None


def watched_keys(path: Path, now_us: int) -> Callable[[], Sequence[Key]]:
    """The keys of a file as a service has them: made if there are none, read again if the file changed.

    Args:
        path: of the file.
        now_us: unix microseconds.

    Raises:
        ConfigurationError: if it cannot be written, or is none of keys.
    """
    file = KeyFile(path)
    file.ensure(now_us)
    return Watched("the file of keys", file.needed, [path], at_once=True).current


def _key(record: Mapping[str, Any]) -> Key:
    secret = base64.b64decode(str(record["secret"]), validate=True)
    if len(secret) < _BYTES:
        raise ValueError("a short secret")
    return Key(str(record["id"]), secret, microseconds(record["made"]))


def _new_key(now_us: int) -> Key:
    return Key(secrets.token_hex(4), secrets.token_bytes(_BYTES), now_us)


def _content(keys: Sequence[Key]) -> bytes:
    records = [
        {
            "id": one.id,
            "secret": base64.b64encode(one.secret).decode(),
            "made": rfc3339(one.made_us),
        }
        for one in keys
    ]
    return json.dumps({"keys": records}, indent=1).encode() + b"\n"


def _link(new: Path, path: Path) -> None:
    """Unless another process has put one there."""
    with suppress(FileExistsError):
        os.link(new, path)


def _write_own(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        "the file of keys cannot be written",
        value=str(path),
        where=str(error.strerror),
        remedy="make its folder writable for this user, or name another with --keys",
    )
