"""Entries in a Delta Lake table, through deltalake.

How far it is stands as an application transaction in the commit that adds the files, as Spark's own streams keep it: a
checkpoint has it too, a compaction leaves it alone, and of two writers at once one is refused.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.sink import Mark
from otel_genai_exporters.lakehouse.arrow_rows import (
    DAY,
    SUMMED,
    library,
    row_schema,
    said,
    table_of,
    with_day,
)
from otel_genai_exporters.lakehouse.table_sink import TableSink

__all__ = ["DeltaSink"]

_FEATURE: Final = "a Delta table"
_APPLICATION: Final = "otel_genai_cost"
_LEDGER: Final = "genai_cost.ledger_id"


class DeltaSink(TableSink):
    """Entries in a Delta table with a partition for each day.

    Args:
        path: the folder of the table, unless `uri` names another place.
        uri: such as `s3://bucket/prefix`, `gs://…` or `abfss://…`.
        storage: `s3_endpoint`, `s3_region`, `s3_access_key` and `s3_secret_key` of an object store, where its own
            variables do not say.

    Raises:
        MissingExtraError: without deltalake.
        GenAICostError: later, if the table cannot be read or written.
    """

    def __init__(self, path: Path, uri: str = "", **storage: str) -> None:
        self._place = uri or str(path.absolute())
        self._own = None if uri else path
        self._storage = _storage_options(storage)
        library("deltalake", _FEATURE)

    @classmethod
    def options(cls) -> Mapping[str, str]:
        """What `genai-cost sinks add` takes for it."""
        return {
            "uri": "where the table is, such as s3://bucket/prefix; in the ledger's folder if not given",
            **dict.fromkeys(_STORAGE, "for an object store"),
        }

    def reset(self) -> None:
        with self._reported():
            table = self._table()
            if table is not None:
                self._write(table, with_day(table_of((), 0)), "overwrite", 0)

    def close(self) -> None:
        """Nothing: the table is open only while it is used."""

    def _table(self) -> Any:
        kind = library("deltalake", _FEATURE).DeltaTable
        try:
            return kind(self._place, storage_options=self._storage)
        except library("deltalake.exceptions", _FEATURE).TableNotFoundError:
            return None

    def _made(self, ledger_id: str) -> Any:
        if self._own is not None:
            self._own.mkdir(mode=0o700, parents=True, exist_ok=True)
        arrow = library("pyarrow", _FEATURE)
        return library("deltalake", _FEATURE).DeltaTable.create(
            self._place,
            schema=row_schema().append(arrow.field(DAY, arrow.date32())),
            mode="ignore",
            partition_by=[DAY],
            name="entries",
            configuration={_LEDGER: ledger_id},
            storage_options=self._storage,
            raise_if_key_not_exists=False,
        )

    def _mark_of(self, table: Any) -> Mark | None:
        if table is None:
            return None
        seq = table.transaction_version(_APPLICATION)
        ledger_id = _ledger_id(table)
        return Mark(ledger_id, seq) if seq and ledger_id else None

    def _add(self, table: Any, rows: Any, known: Mark | None, mark: Mark) -> None:
        if known is None and _ledger_id(table) != mark.ledger_id:
            table.alter.set_table_properties({_LEDGER: mark.ledger_id}, raise_if_not_exists=False)
        self._write(table, with_day(rows), "append", mark.seq)

    def _summed(self, table: Any, upto_seq: int) -> Iterable[Any]:
        scan = table.scan(columns=list(SUMMED), predicate=f"seq <= {upto_seq}")
        # Arrow's own reader lets other threads run meanwhile, and tells a failure by a class that can be told apart.
        reader = library("pyarrow", _FEATURE).RecordBatchReader
        found: Iterable[Any] = reader.from_stream(scan)
        return found

    def _write(self, table: Any, rows: Any, mode: str, seq: int) -> None:
        delta = library("deltalake", _FEATURE)
        delta.write_deltalake(
            table,
            rows,
            mode=mode,
            schema_mode="merge" if mode == "append" else None,
            writer_properties=delta.WriterProperties(compression="ZSTD"),
            commit_properties=delta.CommitProperties(
                custom_metadata={"genai_cost.seq": str(seq)},
                app_transactions=[delta.Transaction(_APPLICATION, seq)],
            ),
        )

    @contextmanager
    def _reported(self) -> Generator[None, None, None]:
        failures = library("deltalake.exceptions", _FEATURE)
        try:
            yield
        except (failures.DeltaError, ValueError, OSError) as error:
            raise GenAICostError(f"Delta table {self._place}: {said(error)}") from None


_STORAGE: Final = {
    "s3_endpoint": "AWS_ENDPOINT_URL",
    "s3_region": "AWS_REGION",
    "s3_access_key": "AWS_ACCESS_KEY_ID",
    "s3_secret_key": "AWS_SECRET_ACCESS_KEY",
}


def _storage_options(given: Mapping[str, str]) -> dict[str, str]:
    found = {_STORAGE[name]: value for name, value in given.items()}
    if found.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        found["AWS_ALLOW_HTTP"] = "true"
    return found


def _ledger_id(table: Any) -> str | None:
    found: str | None = table.metadata().configuration.get(_LEDGER)
    return found
