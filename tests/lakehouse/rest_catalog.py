"""Iceberg's own REST catalog, the server that its implementations are tested against, from Maven's jars."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.demo.processes import children

__all__ = ["JARS", "rest_catalog"]

_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
JARS = _CACHE / "otel-genai-cost" / "iceberg-rest"


@contextmanager
def rest_catalog(folder: Path, **settings: str) -> Generator[str]:
    """A catalog until the end of the block; gives its address.

    Args:
        folder: of its database and of the tables' files.
        settings: of the catalog, as its variables are called without `CATALOG_`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    given: Mapping[str, str] = {
        "URI": f"jdbc:sqlite:{folder / 'catalog.sqlite'}",
        "WAREHOUSE": folder.as_uri(),
        "IO__IMPL": "org.apache.iceberg.hadoop.HadoopFileIO",
        "REST_PORT": "0",
        **settings,
    }
    environment = {f"CATALOG_{name}": value for name, value in given.items()}
    with children() as started:
        server = started.start(
            "the REST catalog",
            ["java", "-Xmx256m", "-cp", f"{JARS}/*", "org.apache.iceberg.rest.RESTCatalogServer"],
            folder / "catalog.log",
            {**os.environ, **environment},
        )
        port = server.find(
            r"Started ServerConnector@\w+\{HTTP/1.1, \(http/1.1\)\}\{.*:(\d+)\}", 120
        )
        yield f"http://127.0.0.1:{port}"
