"""pyiceberg's REST catalog, which waits for an answer no longer than a while: by itself it waits for ever, and nothing
else would be booked or fed meanwhile.

It has no setting for that, so the session that it makes is taken, which only a private name leads to:

`RestCatalog._config_headers`
    Each session goes through it before its first request, which may be the one for a token. Without the name no catalog
    is made.

It takes the place of pyiceberg's own among the catalogs that are loaded, so that pyiceberg's settings still hold, in
variables and in `.pyiceberg.yaml`.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, Final

from otel_genai_exporters.lakehouse.arrow_rows import library

__all__ = ["WITHIN_S", "bound"]

WITHIN_S: Final = (5.0, 60.0)
"""How long a connection may take, and then the next bytes of an answer."""


@cache
def bound(feature: str) -> None:
    """Have the REST catalogs that pyiceberg loads from now on wait no longer than that.

    Args:
        feature: what pyiceberg is needed for.

    Raises:
        MissingExtraError: without it.
    """
    catalogs = library("pyiceberg.catalog", feature)
    known = library("pyiceberg.catalog.rest", feature).RestCatalog
    configure = known._config_headers

    def configure_bounded(self: Any, session: Any) -> None:
        configure(self, session)
        session.request = partial(session.request, timeout=WITHIN_S)

    bounded: Any = type("BoundedRestCatalog", (known,), {"_config_headers": configure_bounded})

    def load_bounded(name: str, properties: dict[str, str]) -> Any:
        return bounded(name, **properties)

    catalogs.AVAILABLE_CATALOGS[catalogs.CatalogType.REST] = load_bounded
