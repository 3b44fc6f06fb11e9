"""Meters and destinations as people write them: `billing.toml`. Every problem in one go."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from otel_genai_cost.billing.destination import Destination
from otel_genai_cost.billing.meter import COUNTS, DIVIDERS, MONEY, Meter
from otel_genai_cost.billing.vendor import DAY_US, vendor_type
from otel_genai_cost.errors import (
    BillingError,
    ConfigurationError,
    MissingExtraError,
    Problem,
)
from otel_genai_cost.pricing.instants import microseconds
from otel_genai_cost.pricing.money import parse_money
from otel_genai_cost.pricing.written_tables import tables_written
from otel_genai_cost.tenancy.attribution import tenant_id_of
from otel_genai_cost.usage.leaves import COUNT_LEAVES, INPUT_LEAVES, OUTPUT_LEAVES

__all__ = ["destinations_in"]

_SCHEMA: Final = "otel-genai-cost-billing/1"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_KEY: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:.+")
_LENGTH: Final = re.compile(r"([0-9]{1,4})([mhd])")
_UNIT_US: Final = {"m": 60_000_000, "h": 3_600_000_000, "d": DAY_US}
_ONE: Final = 10**18
_METER: Final = ("name", "counts", "unit", "currency", "by", "only")
_DESTINATION: Final = (
    *("name", "vendor", "from", "window", "delay", "meters", "customers", "customer", "key"),
    *("past", "remembers", "negative"),
)
_LEAVES: Final = (*INPUT_LEAVES, *OUTPUT_LEAVES, *COUNT_LEAVES)


class _Written(NamedTuple):
    """A table as it was written, and on which line."""

    values: Mapping[str, Any]
    line: int


class _Reading:
    """A file that is read; what is wrong with it is added to `problems`."""

    def __init__(self, path: Path) -> None:
        self.file, self.problems = str(path), list[Problem]()

    def wrong(self, line: int, what: str, remedy: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(self.file, line, what, remedy))


def destinations_in(path: Path) -> list[Destination]:
    """The destinations of a file, each with its meters.

    Raises:
        ConfigurationError: if it cannot be read.
        BillingError: with every problem, if it is broken.
        FormatTooNewError: if it is written for a newer version.
    """
    reading = _Reading(path)
    tables = _tables(path)
    meters = _meters(tables["meter"], reading)
    found = [_destination(one, meters, reading) for one in tables["destination"]]
    _note_doubles("meter", tables["meter"], reading)
    _note_doubles("destination", tables["destination"], reading)
    if reading.problems:
        raise BillingError(tuple(sorted(reading.problems, key=lambda one: one.line)))
    return [one for one in found if one is not None]


def _tables(path: Path) -> dict[str, list[_Written]]:
    written = tables_written(
        path,
        ("meter", "destination"),
        BillingError,
        _SCHEMA,
        title="where usage is sent",
        remedy="write it, see docs/billing.md, or name it by --file",
    )
    return {
        name: list(map(_Written, one.entries, one.lines or [0] * len(one.entries)))
        for name, one in written.items()
    }


def _note_doubles(kind: str, written: Sequence[_Written], reading: _Reading) -> None:
    seen: set[str] = set()
    for one in written:
        name = str(one.values.get("name"))
        if name in seen:
            reading.wrong(one.line, f"a second {kind} {name[:80]!r}", "name it otherwise")
        seen.add(name)


def _note_unknown(one: _Written, known: Sequence[str], reading: _Reading) -> None:
    for name in sorted(one.values.keys() - set(known)):
        reading.wrong(one.line, f"unknown key {name[:80]!r}", f"known: {', '.join(known)}")


def _note_name(one: _Written, reading: _Reading) -> str:
    name: object = one.values.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        what = f"name is {str(name)[:80]!r}"
        reading.wrong(
            one.line, what, "write 1 to 64 of A-Za-z0-9._-, the first a letter or a digit"
        )
    return str(name)


# --- meters ---


def _meters(written: Sequence[_Written], reading: _Reading) -> dict[str, Meter]:
    found = [_meter(one, reading) for one in written]
    return {meter.name: meter for meter in found}


def _meter(one: _Written, reading: _Reading) -> Meter:
    values = one.values
    _note_unknown(one, _METER, reading)
    counts = str(values.get("counts"))
    if counts not in COUNTS and counts.removeprefix("leaf:") not in _LEAVES:
        what = f"counts is {counts[:80]!r}"
        reading.wrong(one.line, what, f"write {', '.join(COUNTS)}, or leaf: and one of usage")
    return Meter(
        name=_note_name(one, reading),
        counts=counts,
        unit=_unit(one, reading),
        currency=_currency(one, counts, reading),
        by=tuple(_dividers(one, "by", values.get("by", []), reading)),
        only=_only(one, reading),
    )


def _unit(one: _Written, reading: _Reading) -> int:
    try:
        unit = parse_money(one.values.get("unit", "1"))
    except (ValueError, TypeError):
        unit = 0
    if unit <= 0:
        what = f"unit is {str(one.values['unit'])[:80]!r}"
        reading.wrong(one.line, what, 'write a decimal over 0, unit = "0.000001"')
    return unit or 1


def _currency(one: _Written, counts: str, reading: _Reading) -> str:
    currency: object = one.values.get("currency", "USD" if counts in MONEY else "")
    if not isinstance(currency, str) or (counts not in MONEY and currency):
        reading.wrong(one.line, f"currency is {str(currency)[:80]!r}", "leave it out, or USD")
    return str(currency)


def _dividers(one: _Written, key: str, names: object, reading: _Reading) -> Iterator[str]:
    listed = cast("list[object]", names) if isinstance(names, list) else [names]
    for name in listed:
        if name in DIVIDERS:
            yield str(name)
        else:
            what = f"{key} has {str(name)[:80]!r}"
            reading.wrong(one.line, what, f"write a list of {', '.join(DIVIDERS)}")


def _only(one: _Written, reading: _Reading) -> dict[str, tuple[str, ...]]:
    only: object = one.values.get("only", {})
    if not isinstance(only, dict):
        reading.wrong(one.line, "only is no table", 'write only = {model = ["gpt-4o"]}')
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for name, values in cast("dict[str, Any]", only).items():
        list(_dividers(one, "only", [name], reading))
        if isinstance(values, list) and all(
            isinstance(text, str) for text in cast("list[object]", values)
        ):
            found[name] = tuple(cast("list[str]", values))
        else:
            reading.wrong(one.line, f"only.{name[:80]} is no list of texts", 'write ["gpt-4o"]')
    return found


# --- destinations ---


def _destination(
    one: _Written, meters: Mapping[str, Meter], reading: _Reading
) -> Destination | None:
    values = one.values
    window_us = _length(one, "window", "1h", reading)
    if window_us <= 0 or DAY_US % window_us:
        reading.wrong(one.line, "window divides no day", 'write window = "1h", "15m" or "1d"')
    customers = _customers(one, reading)
    settings = {name: value for name, value in values.items() if name not in _DESTINATION}
    counted = tuple(_named_meters(one, meters, reading))
    _note_vendor(one, settings, counted, reading)
    return Destination(
        name=_note_name(one, reading),
        vendor=str(values.get("vendor")),
        from_us=_from(one, max(1, window_us), reading),
        window_us=max(1, window_us),
        delay_us=_length(one, "delay", "10m", reading),
        meters=counted,
        customers=customers,
        names_tenants=_names_tenants(one, reading),
        key=_key(one, reading),
        settings=settings,
        negative=_negative(one, reading),
        past_us=_length(one, "past", "", reading) if "past" in values else None,
        remembers_us=_length(one, "remembers", "", reading) if "remembers" in values else None,
    )


def _length(one: _Written, key: str, default: str, reading: _Reading) -> int:
    text = str(one.values.get(key, default))
    found = _LENGTH.fullmatch(text)
    if found is None:
        example = default or "12h"
        reading.wrong(one.line, f"{key} is {text[:80]!r}", f'write {key} = "{example}"')
        return _UNIT_US["h"]
    return int(found[1]) * _UNIT_US[found[2]]


def _from(one: _Written, window_us: int, reading: _Reading) -> int:
    value: object = one.values.get("from")
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    try:
        us = microseconds(text)
    except ValueError:
        what = f"from is {text[:80]!r}"
        reading.wrong(
            one.line, what, "write from when calls are billed here, from = 2026-12-01T00:00:00Z"
        )
        return 0
    if us % window_us:
        reading.wrong(one.line, "from is not the beginning of a window", "write a full hour")
    return us


def _named_meters(one: _Written, meters: Mapping[str, Meter], reading: _Reading) -> Iterator[Meter]:
    names: object = one.values.get("meters", list(meters))
    for name in cast("list[object]", names) if isinstance(names, list) else [names]:
        if str(name) in meters:
            yield meters[str(name)]
        else:
            what = f"meters has {str(name)[:80]!r}"
            reading.wrong(one.line, what, f"write a list of {', '.join(meters)}")


def _customers(one: _Written, reading: _Reading) -> dict[str, str]:
    written: object = one.values.get("customers", {})
    if not isinstance(written, dict):
        reading.wrong(one.line, "customers is no table", 'write customers = {acme = "cus_1"}')
        return {}
    found: dict[str, str] = {}
    for tenant, customer in cast("dict[str, object]", written).items():
        if tenant_id_of(tenant) is None or not isinstance(customer, str) or not customer:
            what = f"customers has {tenant[:80]!r} = {str(customer)[:80]!r}"
            reading.wrong(one.line, what, "write a tenant's id and the customer's, both as text")
        else:
            found[tenant] = customer
    return found


def _names_tenants(one: _Written, reading: _Reading) -> bool:
    customer: object = one.values.get("customer", "listed")
    if customer not in ("listed", "tenant"):
        what = f"customer is {str(customer)[:80]!r}"
        reading.wrong(
            one.line, what, 'write "listed", or "tenant" where tenants\' ids are used there'
        )
    return customer == "tenant"


def _negative(one: _Written, reading: _Reading) -> bool | None:
    negative: object = one.values.get("negative")
    if negative is None or isinstance(negative, bool):
        return negative
    reading.wrong(one.line, f"negative is {str(negative)[:80]!r}", "write true or false")
    return None


def _key(one: _Written, reading: _Reading) -> str:
    key: object = one.values.get("key", "")
    if not isinstance(key, str) or (key and not _KEY.fullmatch(key)):
        remedy = "keys do not belong in this file: write key = 'env:NAME' or 'file:PATH'"
        reading.wrong(one.line, "key is no name of a variable or a file", remedy)
        return ""
    return key


def _note_vendor(
    one: _Written, settings: Mapping[str, Any], meters: Sequence[Meter], reading: _Reading
) -> None:
    try:
        kind = vendor_type(str(one.values.get("vendor")))
    except (ConfigurationError, MissingExtraError) as error:
        reading.wrong(one.line, str(error), "write vendor = 'folder', for example")
        return
    for problem in kind.problems(settings):
        what, _, remedy = problem.partition("; ")
        reading.wrong(one.line, what, remedy)
    for meter in meters:
        if meter.counts in MONEY and not kind.rules.decimals and meter.unit == _ONE:
            what = f"{kind.rules.title} takes whole numbers, and {meter.name} counts money"
            reading.wrong(one.line, what, 'give that meter unit = "0.000001", for example')
