"""How a tenant is billed, as its row says: by what kind of contract, in whose days and currency, and who it is where
bills are made."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.pricing.instants import zone_of

__all__ = ["CONTRACT_TYPES", "NO_TERMS", "TERMS", "BillingTerms", "iso_currency", "terms_of"]

CONTRACT_TYPES: Final = ("usage", "seat", "flat", "credit")
"""What a customer buys: what it uses, seats, a flat rate, or credit that is used up."""

TERMS: Final = ("contract_type", "time_zone", "currency", "email", "billing_ids")
"""The keys of a row that are about billing."""

_VENDORS_MAX: Final = 32
_VENDOR: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}", re.ASCII)
_ID: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_EMAIL: Final = re.compile(
    r"[^\s@<>,;:\"\x00-\x20\x7f]{1,64}@(?=.{4,189}$)[^\s@<>,;:\"]+\.[^\s@.<>,;:\"]{2,}"
)

Wrong = Callable[[str, str], None]
"""Takes what is wrong with a value, and what to do."""


class BillingTerms(NamedTuple):
    """What holds while its row does; None where the row does not say.

    Attributes:
        contract_type: of `CONTRACT_TYPES`.
        time_zone: the IANA name of the zone whose days and months are billed.
        currency: ISO 4217, in which statements are expected.
        email: where statements go to.
        billing_ids: who the tenant is in a vendor's system, by the vendor, sorted.
    """

    contract_type: str | None = None
    time_zone: str | None = None
    currency: str | None = None
    email: str | None = None
    billing_ids: tuple[tuple[str, str], ...] = ()

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {**self._asdict(), "billing_ids": dict(self.billing_ids)}

    def cells(self) -> dict[str, str]:
        """As text, by column; what is unknown is empty."""
        ids = " ".join(f"{vendor}={name}" for vendor, name in self.billing_ids)
        return {key: value or "" for key, value in (self._asdict() | {"billing_ids": ids}).items()}


NO_TERMS: Final = BillingTerms()


def terms_of(values: Mapping[str, Any], wrong: Wrong) -> BillingTerms:
    """What somebody wrote, checked.

    Args:
        values: by key; those of others are no concern of it.
        wrong: is called for each value that is no good, which is None in the result.
    """
    read = {
        key: _read(key, reader, values[key], wrong)
        for key, reader in _READERS.items()
        if key in values
    }
    ids = dict[str, str]()
    for vendor, name in _pairs(values.get("billing_ids", ()), wrong):
        if ids.setdefault(vendor, name) != name:
            wrong(f"billing_ids has two ids of {vendor!r}", "write one for each vendor")
    return BillingTerms(**read, billing_ids=tuple(sorted(ids.items())))


def iso_currency(value: object) -> str:
    """A currency code.

    Raises:
        ValueError: if it is no ISO 4217 code.
    """
    text = str(value)
    if len(text) != 3 or not (text.isascii() and text.isalpha() and text.isupper()):
        raise ValueError
    return text


def _contract_type(value: object) -> str:
    if value not in CONTRACT_TYPES:
        raise ValueError
    return str(value)


def _time_zone(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    zone_of(value)
    return value


def _email(value: object) -> str:
    if not isinstance(value, str) or _EMAIL.fullmatch(value) is None or not value.isprintable():
        raise ValueError
    return value


_READERS: Final[Mapping[str, Callable[[object], str]]] = {
    "contract_type": _contract_type,
    "time_zone": _time_zone,
    "currency": iso_currency,
    "email": _email,
}
_REMEDIES: Final = {
    "contract_type": f"write one of {', '.join(CONTRACT_TYPES)}",
    "time_zone": "write one zone, Europe/Berlin or UTC; where there are none at all: pip install tzdata",
    "currency": "write an ISO 4217 code, EUR",
    "email": "write one address, billing@example.com",
}


def _read(key: str, reader: Callable[[object], str], value: object, wrong: Wrong) -> str | None:
    try:
        return reader(value)
    except ValueError:
        wrong(f"{key} is {str(value)[:80]!r}", _REMEDIES[key])
        return None


def _pairs(value: object, wrong: Wrong) -> Iterator[tuple[str, str]]:
    """A table, a list of vendor=id, or text with spaces between them."""
    pairs: list[object] = [value]
    if isinstance(value, dict):
        table = cast("dict[object, object]", value)
        pairs = [f"{vendor}={name}" for vendor, name in table.items()]
    elif isinstance(value, str):
        pairs = list[object](value.split())
    elif isinstance(value, (list, tuple)):
        pairs = list(cast("list[object]", value))
    if len(pairs) > _VENDORS_MAX:
        wrong(f"billing_ids has {len(pairs)} ids", f"write at most {_VENDORS_MAX}")
        return
    for one in pairs:
        vendor, _, name = str(one).partition("=")
        if _VENDOR.fullmatch(vendor) is None or _ID.fullmatch(name) is None:
            wrong(f"{str(one)[:80]!r} in billing_ids is no vendor=id", "write stripe=cus_123")
        else:
            yield vendor, name
