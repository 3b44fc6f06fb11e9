"""What the tables of a ledger's file have in common: rows that may be damaged, and statements over many ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from otel_genai_cost.errors import JournalError, LedgerError
from otel_genai_cost.journal.codec import decode_any, encode
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.ledger.storage.keeping import remedy

__all__ = [
    "DAMAGE",
    "IS_SETTLED",
    "Stored",
    "batches",
    "damaged_row",
    "marks",
    "own_body",
    "own_parts",
    "read_row",
]

DAMAGE: Final = (
    JournalError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    ArithmeticError,
)
"""What decoding a row raises if this library did not write it."""

IS_SETTLED: Final = "settled = 1 AND ignored IS NOT 'malformed'"
"""What may be settled again with others, in a statement. A row that waits is looked into, and puts its evidence on
file, when its time comes; one that cannot be settled stays out."""

_VARIABLES_MAX: Final = 900
"""SQLite takes at least 999 variables in a statement; an even number, since some come in pairs."""

_T = TypeVar("_T")


class Stored(NamedTuple):
    """A row of the table `observation`.

    Attributes:
        n: the row's number, in the order of ingestion.
        observation: what the journal said.
        ingested_us: when, in unix microseconds.
        charge_id: the charge it was settled into; None if it counts for none, or is not settled yet.
        rule: the rule that joined it to its charge; None for the first member.
        ignored: why it counts for no charge.
    """

    n: int
    observation: Observation
    ingested_us: int
    charge_id: str | None
    rule: int | None
    ignored: str | None


def read_row(path: Path, table: str, row: object, make: Callable[[], _T]) -> _T:
    """Decode a row.

    Args:
        path: the ledger's file, for the message.
        table: where the row is.
        row: its number or id, for the message.
        make: decodes it.

    Returns:
        What `make` returns.

    Raises:
        LedgerError: if the row is damaged. No sum may lack it, so it is not passed over.
    """
    try:
        return make()
    except DAMAGE as error:
        raise damaged_row(path, table, row, error) from None


def damaged_row(path: Path, table: str, row: object, error: Exception) -> LedgerError:
    """What is said of a row that cannot be decoded: see `read_row`.

    Args:
        path: the ledger's file.
        table: where the row is.
        row: its number or id.
        error: what decoding it raised.
    """
    return LedgerError(
        f"row {row} of the table {table} of {path} is damaged ({type(error).__name__}: {error}); "
        f"{remedy(path.parent, error)}"
    )


def own_body(parts: list[Any]) -> bytes:
    """What a row has for itself, as a JSON array; what is missing at its end is left out.

    Args:
        parts: None for what is missing; not to be used again.
    """
    while parts and parts[-1] is None:
        parts.pop()
    return encode(parts)


def own_parts(body: bytes, count: int) -> list[Any]:
    """The parts of an `own_body`.

    Args:
        body: the column.
        count: how many there may be.

    Raises:
        JournalError, TypeError: if it is damaged.
    """
    parts: Any = decode_any(body)
    if parts.__class__ is not list:
        raise TypeError("not an array")
    return [*parts, *[None] * (count - len(parts))]


def batches(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Parts of `values`, each of which fits into one statement."""
    for at in range(0, len(values), _VARIABLES_MAX):
        yield values[at : at + _VARIABLES_MAX]


def marks(values: Sequence[object]) -> str:
    """The place holders of an `IN (…)` over these values."""
    return ",".join("?" * len(values))
