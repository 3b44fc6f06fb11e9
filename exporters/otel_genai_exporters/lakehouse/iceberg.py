"""Entries in an Apache Iceberg table of format 2, through pyiceberg, in a SQL or REST catalog.

A batch is one snapshot. How far the table is stands in the snapshot's own properties, so that a reader that travels to
an older one reads its mark too, and in the table's, which stay when snapshots expire. Both change in the commit that
adds the files: who is killed before it leaves files that no snapshot names, and who is killed after it has the mark.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

from otel_genai_cost.errors import GenAICostError
from otel_genai_cost.ledger.sink import Mark
from otel_genai_exporters.entry_columns import COLUMNS, typed
from otel_genai_exporters.lakehouse.arrow_rows import SUMMED, library, said
from otel_genai_exporters.lakehouse.bounded_catalog import bound
from otel_genai_exporters.lakehouse.table_sink import TableSink
from otel_genai_exporters.libpq_waiting import CONNECTION

__all__ = ["IcebergSink"]

_FEATURE: Final = "an Iceberg table"
_LEDGER: Final = "genai-cost.ledger-id"
_SEQ: Final = "genai-cost.seq"

_PROPERTIES: Final = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "100",
    "commit.manifest-merge.enabled": "true",
}
_OVER_LIBPQ: Final = {"postgresql", "postgresql+psycopg", "postgresql+psycopg2"}
_ONE_TRY: Final = {"commit.retry.num-retries": "0"}
"""Who lost a race reads the mark anew: the library's own retry would add the same entries after the winner's."""

_TYPES: Final = typed(
    {
        "text": "StringType",
        "integer": "IntegerType",
        "bigint": "LongType",
        "money": "DecimalType",
        "instant": "TimestamptzType",
    }
)


class IcebergSink(TableSink):
    """Entries in an Iceberg table with a partition for each day.

    Args:
        path: the folder of a catalog of its own, and of its files, unless options name others.
        uri: the catalog: `https://…` of a REST catalog, else a URL of SQLAlchemy's.
        warehouse: where files go, such as `s3://bucket/prefix`; the name of a warehouse with REST.
        table: `namespace.name`.
        others: for a REST catalog `token`, or `client_id`, `client_secret` and `scope`; for an object store, where its
            own variables do not say, `s3_endpoint`, `s3_region`, `s3_access_key`, `s3_secret_key`.

    Raises:
        MissingExtraError: without pyiceberg.
        GenAICostError: later, if the catalog or the files cannot be read or written.
    """

    def __init__(
        self,
        path: Path,
        uri: str = "",
        warehouse: str = "",
        table: str = "genai_cost.entries",
        **others: str,
    ) -> None:
        self._path, self._uri, self._warehouse = path, uri, warehouse
        self._name = table
        self._others = others
        self._catalog: Any = None
        library("pyiceberg.catalog", _FEATURE)

    @classmethod
    def options(cls) -> Mapping[str, str]:
        """What `genai-cost sinks add` takes for it."""
        return {
            "uri": "the catalog: https://… of a REST catalog, or a URL of a database such as postgresql+psycopg://…",
            "warehouse": "where files go, such as s3://bucket/prefix; with REST, the name of a warehouse",
            "table": "namespace.name; genai_cost.entries if not given",
            **dict.fromkeys(("token", "client_id", "client_secret", "scope"), "for a REST catalog"),
            **dict.fromkeys(
                ("s3_endpoint", "s3_region", "s3_access_key", "s3_secret_key"),
                "for an object store",
            ),
        }

    def reset(self) -> None:
        with self._reported():
            table = self._table()
            if table is None:
                return
            _ready(table)
            none = {_LEDGER: "", _SEQ: "0"}
            with table.transaction() as transaction:
                if table.current_snapshot() is not None:
                    everything = library("pyiceberg.expressions", _FEATURE).AlwaysTrue()
                    transaction.delete(everything, snapshot_properties=none)
                transaction.set_properties(none)

    def close(self) -> None:
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None

    def _mark_of(self, table: Any) -> Mark | None:
        return None if table is None else _mark_of(table)

    def _add(self, table: Any, rows: Any, known: Mark | None, mark: Mark) -> None:
        _ready(table)
        after = {_LEDGER: mark.ledger_id, _SEQ: str(mark.seq)}
        with table.transaction() as transaction:
            transaction.append(rows, snapshot_properties=after)
            transaction.set_properties(after)

    def _summed(self, table: Any, upto_seq: int) -> Iterable[Any]:
        upto = library("pyiceberg.expressions", _FEATURE).LessThanOrEqual("seq", upto_seq)
        found: Iterable[Any] = table.scan(
            row_filter=upto, selected_fields=SUMMED
        ).to_arrow_batch_reader()
        return found

    @property
    def metadata_location(self) -> str | None:
        """The file that the table stands in as it is now, by which warehouses without a catalog mount it."""
        with self._reported():
            table = self._table()
            return None if table is None else str(table.metadata_location)

    def _table(self) -> Any:
        if self._catalog is None:
            if not self._uri and not self._own_catalog.exists():
                return None
            self._catalog = self._opened()
        missing = library("pyiceberg.exceptions", _FEATURE)
        try:
            return self._catalog.load_table(self._name)
        except (missing.NoSuchTableError, missing.NoSuchNamespaceError):
            return None

    @property
    def _own_catalog(self) -> Path:
        return self._path / "catalog.sqlite"

    def _opened(self) -> Any:
        given = {name.replace("_", "-"): value for name, value in self._others.items()}
        found = {
            "token": given.get("token"),
            "scope": given.get("scope"),
            "s3.endpoint": given.get("s3-endpoint"),
            "s3.region": given.get("s3-region"),
            "s3.access-key-id": given.get("s3-access-key"),
            "s3.secret-access-key": given.get("s3-secret-key"),
        }
        if "client-id" in given:
            found["credential"] = f"{given['client-id']}:{given.get('client-secret', '')}"
        found = {name: value for name, value in found.items() if value}
        load = library("pyiceberg.catalog", _FEATURE).load_catalog
        if self._uri.startswith(("http://", "https://")):
            bound(_FEATURE)
            return load(
                "genai_cost", type="rest", uri=self._uri, warehouse=self._warehouse, **found
            )
        warehouse = self._warehouse or f"{(self._path / 'warehouse').absolute().as_uri()}"
        uri = _bounded(self._uri) if self._uri else f"sqlite:///{self._own_catalog.absolute()}"
        return load("genai_cost", type="sql", uri=uri, warehouse=warehouse, **found)

    def _made(self, ledger_id: str) -> Any:
        if self._catalog is None:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._catalog = self._opened()
        self._catalog.create_namespace_if_not_exists(self._name.rpartition(".")[0])
        schema = _schema()
        return self._catalog.create_table_if_not_exists(
            self._name,
            schema,
            partition_spec=_by_day(schema),
            properties={**_PROPERTIES, **_ONE_TRY},
        )

    @contextmanager
    def _reported(self) -> Generator[None, None, None]:
        try:
            yield
        except _failures() as error:
            where = self._uri if self._uri and "@" not in self._uri else self._path
            raise GenAICostError(f"Iceberg table {self._name} ({where}): {said(error)}") from None


def _bounded(address: str) -> str:
    """A URL of SQLAlchemy's whose server is not waited for long, where that is libpq's to say."""
    url = library("sqlalchemy.engine", _FEATURE).make_url(address)
    if url.drivername not in _OVER_LIBPQ:
        return address
    more = {name: value for name, value in CONNECTION.items() if name not in url.query}
    found: str = url.update_query_dict(more).render_as_string(hide_password=False)
    return found


def _failures() -> tuple[type[Exception], ...]:
    """Whatever the libraries raise; they have no class in common."""
    known = cast("dict[str, Any]", vars(library("pyiceberg.exceptions", _FEATURE)))
    own = (one for one in known.values() if isinstance(one, type) and issubclass(one, Exception))
    database = library("sqlalchemy.exc", _FEATURE).SQLAlchemyError
    return (*own, database, ValueError, OSError)


def _schema() -> Any:
    types = library("pyiceberg.types", _FEATURE)
    made: list[Any] = []
    for place, (name, kind) in enumerate(_TYPES.items(), 1):
        type_ = getattr(types, kind)
        sized = type_(38, 18) if kind == "DecimalType" else type_()
        made.append(types.NestedField(place, name, sized, required=False))
    return library("pyiceberg.schema", _FEATURE).Schema(*made)


def _by_day(schema: Any) -> Any:
    partitioning = library("pyiceberg.partitioning", _FEATURE)
    day = library("pyiceberg.transforms", _FEATURE).DayTransform()
    occurred = schema.find_field("occurred").field_id
    return partitioning.PartitionSpec(
        partitioning.PartitionField(occurred, 1000, day, "occurred_day")
    )


def _ready(table: Any) -> None:
    """Give a table of an older version the columns it lacks, and one that others set up our way of losing races."""
    if any(table.metadata.properties.get(name) != value for name, value in _ONE_TRY.items()):
        with table.transaction() as transaction:
            transaction.set_properties(_ONE_TRY)
    known = {field.name for field in table.schema().fields}
    if not known.issuperset(COLUMNS):
        with table.update_schema() as update:
            for field in _schema().fields:
                if field.name not in known:
                    update.add_column(field.name, field.field_type)


def _mark_of(table: Any) -> Mark | None:
    """How far a table is.

    The snapshot that is current may be another engine's, which compacted: then one of those before it has the mark, and
    if those have expired, the table. A table that somebody rolled back is as far as its snapshot says.
    """
    properties: Mapping[str, str] = table.metadata.properties
    if not properties.get(_LEDGER):
        return None
    snapshot = table.current_snapshot()
    while snapshot is not None:
        summary = _summary(snapshot)
        if _LEDGER in summary:
            return Mark(summary[_LEDGER], int(summary[_SEQ])) if summary[_LEDGER] else None
        parent = snapshot.parent_snapshot_id
        snapshot = None if parent is None else table.snapshot_by_id(parent)
    return Mark(properties[_LEDGER], int(properties[_SEQ]))


def _summary(snapshot: Any) -> dict[str, str]:
    """What whoever made a snapshot wrote beside it."""
    return {} if snapshot.summary is None else dict(snapshot.summary.additional_properties)
