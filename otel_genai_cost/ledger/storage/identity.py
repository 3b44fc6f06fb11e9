"""What a receiver of journals is called, and which life of it this is: how its senders notice that they talk to a
ledger that was put back, or to one that should not be running any more.

The name stays when a ledger is restored elsewhere; the epoch is raised. A sender that has seen the higher one is
refused by the lower, since what it sends there would be in a ledger that nobody reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4

from otel_genai_cost.errors import FormatTooNewError, LedgerError
from otel_genai_cost.whole_files import bring_to_disk, replace_file

__all__ = [
    "FORMAT",
    "IDENTITY",
    "Identity",
    "identity_in",
    "identity_of",
    "known_identity",
    "promote",
]

IDENTITY: Final = "identity.json"
"""Beside the ledger, and in its backups."""

FORMAT: Final = 1
_EPOCH_MAX: Final = 1 << 50


class Identity(NamedTuple):
    """Who receives: an id for good, and an epoch that only rises."""

    id: str
    epoch: int


def identity_of(home: Path) -> Identity:
    """The identity of a folder, made if it has none.

    Args:
        home: the ledger's folder, or an agent's.

    Raises:
        LedgerError: if what stands there is none.
        FormatTooNewError: if a newer version wrote it.
        OSError: if it cannot be written.
    """
    known = known_identity(home)
    return known or _write(home, Identity(uuid4().hex, 1))


def known_identity(home: Path) -> Identity | None:
    """The identity of a folder; None if it has none.

    Raises:
        LedgerError: if what stands there is none.
        FormatTooNewError: if a newer version wrote it.
    """
    path = home / IDENTITY
    try:
        said: Any = json.loads(path.read_bytes())
        name, epoch, form = said["id"], said["epoch"], said.get("format", FORMAT)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, error) from None
    if form != FORMAT:
        raise FormatTooNewError(str(path), form, FORMAT)
    if not isinstance(name, str) or not name:
        raise _damaged(path, "no id")
    if type(epoch) is not int or not 0 < epoch < _EPOCH_MAX:
        raise _damaged(path, "no epoch")
    return Identity(name, epoch)


def identity_in(facts: Mapping[str, Any]) -> Identity | None:
    """The identity that is noted among other facts; None if there is none.

    Args:
        facts: of a small file beside a ledger, or of a backup.
    """
    name, epoch = facts.get("id"), facts.get("epoch")
    return Identity(name, epoch) if isinstance(name, str) and type(epoch) is int else None


def promote(home: Path, before: Identity | None = None, *, epoch: int = 0) -> Identity:
    """Raise a folder's epoch: from now on, what was the same receiver elsewhere is refused by its senders.

    Args:
        home: the ledger's folder.
        before: what stood there earlier, where something else has taken its place.
        epoch: what it is raised to at least.

    Raises:
        LedgerError: if what stands there is no identity.
        OSError: if it cannot be written.
    """
    now = identity_of(home)
    known = now.epoch if before is None else max(now.epoch, before.epoch)
    return _write(home, Identity(now.id, max(known + 1, epoch)))


def _write(home: Path, identity: Identity) -> Identity:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(
        home / IDENTITY, json.dumps({"format": FORMAT, **identity._asdict()}).encode() + b"\n"
    )
    bring_to_disk(home / IDENTITY)
    return identity


def _damaged(path: Path, why: object) -> LedgerError:
    return LedgerError(
        f"{path} does not say which ledger this is ({why}); put it back from a backup, or remove it: senders then "
        "take this for a new ledger, and send again what they still have"
    )
