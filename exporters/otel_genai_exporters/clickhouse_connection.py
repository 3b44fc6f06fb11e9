"""A connection to ClickHouse, to a server or to its engine in this process."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from otel_genai_cost.errors import ConfigurationError, GenAICostError, MissingExtraError

__all__ = ["Connection"]

_T = TypeVar("_T")

_INSERT: Final[Mapping[str, Any]] = {
    "async_insert": 0,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "input_format_parallel_parsing": 0,
    "min_insert_block_size_bytes": 0,
    "max_partitions_per_insert_block": 0,
}
"""A batch that comes again must be cut into the same blocks. Servers insert later, and check less, unless they are
asked not to."""

_READ: Final = {"select_sequential_consistency": 1}
_TIMEOUTS: Final = {"connect_timeout": 5, "send_receive_timeout": 60}
_EMBEDDED: Final = "chdb"
"""ClickHouse's engine in this process, which has no connection to speak of."""

_UNQUOTED: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Connection:
    """A connection, which is made anew after it failed.

    Args:
        address: `https://USER@HOST:8443`, or another address that clickhouse-connect takes.
        database: Of all tables.
        password_file: A file with the password, read for each new connection; "" for none.

    Attributes:
        endpoint: Where it goes, for people to read.
        is_checked: Whether somebody has looked at the tables since it was made.

    Raises:
        ConfigurationError: if the address or the database cannot be used.
        MissingExtraError: without clickhouse-connect.
    """

    def __init__(self, address: str, database: str, password_file: str) -> None:
        self._library = _clickhouse_connect()
        self._address, self._password_file = address, password_file
        place = _place(address)
        if not _UNQUOTED.fullmatch(database):
            raise ConfigurationError(
                "no name of a database in ClickHouse",
                value=database,
                remedy="use letters, digits and underscores",
            )
        self._database, self.endpoint = database, f"{place}/{database}"
        self._client: Any = None
        self.is_checked = False

    def tried(self, action: Callable[[], _T]) -> _T:
        """What an action gives; the connection is given up where it fails.

        Args:
            action: what is done on it.

        Raises:
            GenAICostError: with what the server said.
        """
        try:
            return action()
        except (self._library.driver.exceptions.ClickHouseError, OSError) as error:
            self.close()
            said = " ".join(str(error).split()) or type(error).__name__
            raise GenAICostError(f"{self.endpoint}: {said}") from None

    def rows(self, statement: str, **values: object) -> Sequence[Sequence[Any]]:
        """The rows that a statement gives.

        Args:
            statement: with `{database}` where that stands, and its values as `{{name:Type}}`.
            values: by name; `database` is among them.
        """
        given = {"database": self._database, **values}
        text = statement.format(database=self._database)
        found = self._opened().query(
            text, parameters=given if "{" in text else None, settings=dict(_READ)
        )
        rows: Sequence[Sequence[Any]] = found.result_rows
        return rows

    def command(self, statement: str) -> None:
        """Have something done.

        Args:
            statement: with `{database}` where that stands.
        """
        self._opened().command(statement.format(database=self._database))

    def insert(self, table: str, lines: bytes, token: str = "") -> None:
        """Add rows to a table, and to what is made of them.

        Args:
            table: its name.
            lines: JSON.
            token: by which it is known whether they are there already; "" where that is no matter.
        """
        settings: dict[str, Any] = {"async_insert": 0}
        if token:
            settings = {**_INSERT, "insert_deduplication_token": token}
        self._opened().raw_insert(
            f"{self._database}.{table}", insert_block=lines, fmt="JSONEachRow", settings=settings
        )

    def close(self) -> None:
        """Close it; a second time nothing."""
        client, self._client, self.is_checked = self._client, None, False
        if client is not None:
            client.close()

    def _opened(self) -> Any:
        if self._client is None:
            scheme = urlsplit(self._address).scheme
            given: dict[str, Any] = (
                {} if scheme == _EMBEDDED else {**_TIMEOUTS, "interface": scheme}
            )
            if self._password_file:
                given["password"] = _password_in(self._password_file)
            self._client = self._library.get_client(dsn=self._address, **given)
        return self._client


def _place(address: str) -> str:
    """An address without who and how."""
    try:
        found = urlsplit(address)
        port = f":{found.port}" if found.port else ""
        place = f"{found.scheme}://{found.hostname or ''}{port}"
    except ValueError:
        place = ""
    if not place.startswith(("http://", "https://", "chdb://")):
        raise ConfigurationError(
            "no address of ClickHouse",
            remedy="`genai-cost sinks add NAME --kind clickhouse --option address=https://USER@HOST:8443`",
        )
    return place


def _password_in(path: str) -> str:
    return Path(path).read_text("utf-8").strip()


def _clickhouse_connect() -> Any:
    try:
        import clickhouse_connect
    except ImportError:
        raise MissingExtraError("the ClickHouse sink", "clickhouse_connect", "clickhouse") from None
    return clickhouse_connect
