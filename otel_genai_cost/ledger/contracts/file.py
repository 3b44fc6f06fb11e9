"""Reading contracts: a TOML file as a person writes it, or the canonical JSON that a digest names.

Every problem is found in one go, with its line and what to do. Only the ledger reads these: no application ever loads
what a customer has agreed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

from otel_genai_cost.errors import ConfigurationError, FormatTooNewError, PriceBookError, Problem
from otel_genai_cost.ledger.contracts.check import check_contracts
from otel_genai_cost.ledger.contracts.contract import PARTS, Contract, Contracts, ExchangeRate
from otel_genai_cost.pricing.book import PER, PER_TOKENS
from otel_genai_cost.pricing.instants import microseconds, rfc3339
from otel_genai_cost.pricing.money import format_money, parse_money
from otel_genai_cost.pricing.toml_text import is_list_of_tables, lines_of_tables, tables_of, text_of

__all__ = ["load_contracts", "read_contracts"]

SCHEMA: Final = "otel-genai-cost-contracts/1"
FILE_LIMIT_BYTES: Final = 32 * 1024 * 1024
_TABLES: Final = {"contract": "contracts", "fx": "fx"}


def load_contracts(path: Path) -> Contracts:
    """The contracts of a `.toml` file or a `.json` one.

    Raises:
        ConfigurationError: if it cannot be read.
        PriceBookError: with every problem, if it is broken.
        FormatTooNewError: if a newer version wrote it.
    """
    try:
        if not path.is_file():
            raise FileNotFoundError(f"no such file: {path}")
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            "cannot read the contracts",
            value=str(path),
            where=str(error),
            remedy="name a file that exists, or unset OTEL_GENAI_COST_CONTRACTS",
        ) from None
    return read_contracts(content, str(path))


def read_contracts(content: bytes, file: str = "contracts") -> Contracts:
    """The contracts of a file's content, fully checked.

    Args:
        content: TOML or JSON, in UTF-8.
        file: its name, for the problems.

    Raises:
        PriceBookError: with every problem, if it is broken.
        FormatTooNewError: if a newer version wrote it.
    """
    if len(content) > FILE_LIMIT_BYTES:
        raise _broken(file, f"larger than {FILE_LIMIT_BYTES:,} bytes", "split it by customer")
    lines: dict[str, list[int]] = {}
    document, unknown = _document(content, file, lines)
    problems = [*unknown, *check_contracts(document, file, lines)]
    if problems:
        raise PriceBookError(tuple(problems))
    canonical = _canonical(document)
    return Contracts(
        map(_contract, document["contracts"]),
        map(_exchange_rate, document["fx"]),
        sha256(canonical).hexdigest(),
        canonical,
    )


def _broken(file: str, what: str, remedy: str, line: int = 0) -> PriceBookError:
    return PriceBookError((Problem(file, line, what, remedy),))


def _document(
    content: bytes, file: str, lines: dict[str, list[int]]
) -> tuple[dict[str, list[Mapping[str, Any]]], list[Problem]]:
    """Entries by table, with decimals and instants as text; `lines` gets where each TOML entry stands."""
    text = text_of(content, file)
    if isinstance(text, Problem):
        raise PriceBookError((text,))
    if text.lstrip().startswith("{"):
        tables, names = _json(text, file), {kind: kind for kind in _TABLES.values()}
    else:
        tables, names = _toml(text, file), _TABLES
        for table, numbers in lines_of_tables(text).items():
            lines[_TABLES.get(table, table)] = list(numbers)
    if (schema := tables.pop("schema", None)) != SCHEMA:
        if isinstance(schema, str) and schema.startswith("otel-genai-cost-contracts/"):
            raise FormatTooNewError(f"contracts file {file}", schema, SCHEMA)
        raise _broken(file, f"schema is {schema!r}", f'write schema = "{SCHEMA}" first', 1)
    known = f"known: [[{']], [['.join(_TABLES)}]]"
    unknown = [
        Problem(file, 0, f"unknown key {name!r}", known)
        for name, entries in tables.items()
        if name not in names or not is_list_of_tables(entries)
    ]
    document: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in _TABLES.values()}
    for name, kind in names.items():
        if is_list_of_tables(tables.get(name)):
            document[kind] = [_texts(entry) for entry in tables[name]]
    return document, unknown


def _json(text: str, file: str) -> dict[str, Any]:
    try:
        found: object = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise _broken(file, f"not JSON: {error}", "build it again") from None
    return cast("dict[str, Any]", found)  # it begins with a brace, so it is an object


def _toml(text: str, file: str) -> dict[str, Any]:
    tables = tables_of(text, file)
    if isinstance(tables, Problem):
        raise PriceBookError((tables,))
    return tables


def _texts(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _text(value) for key, value in entry.items()}


def _text(value: object) -> object:
    """Instants and decimals as text; what is neither stays for the checks to name."""
    if isinstance(value, dict):
        return _texts(cast("dict[str, Any]", value))
    if isinstance(value, Decimal):
        try:
            return format_money(parse_money(value))
        except ValueError:
            return str(value)
    if isinstance(value, date):
        try:
            return rfc3339(microseconds(value.isoformat()))
        except (ValueError, OverflowError):
            return value.isoformat()
    return value


def _canonical(document: Mapping[str, list[Mapping[str, Any]]]) -> bytes:
    """Sorted keys and rows, one a line, so that the digest does not depend on their order."""
    rows = {
        kind: ",\n".join(
            sorted(json.dumps(e, sort_keys=True, separators=(",", ":")) for e in found)
        )
        for kind, found in document.items()
    }
    tables = [f'"{kind}":[\n{rows[kind]}\n]' for kind in sorted(rows)]
    return ("{" + ",\n".join([*tables, f'"schema":"{SCHEMA}"']) + "}\n").encode()


def _contract(entry: Mapping[str, Any]) -> Contract:
    """The contract of a checked entry."""
    match = entry.get("match", {})
    multiplier, rates = entry.get("multiplier"), entry.get("rates")
    return Contract(
        id=entry["id"],
        source=entry["source"],
        order=entry["order"],
        from_us=microseconds(entry["from"]),
        to_us=microseconds(entry["to"]) if "to" in entry else None,
        tenants=frozenset(_list(match.get("tenant", ()))),
        providers=frozenset(_folded(match.get("provider", ()))),
        models=frozenset(_folded(match.get("model", ()))),
        labels=tuple(sorted(match.get("labels", {}).items())),
        context=tuple(
            (key, _fold(value)) for key, value in sorted(match.get("context", {}).items())
        ),
        multiplier=None if multiplier is None else parse_money(multiplier) * PARTS // 10**18,
        rates=None if rates is None else {leaf: _rate(leaf, rates[leaf]) for leaf in rates},
        currency=entry.get("currency"),
        side=entry.get("side", "cost"),
    )


def _rate(leaf: str, amount: str | int) -> tuple[int, int]:
    return parse_money(amount), PER.get(leaf, PER_TOKENS)


def _list(value: str | Iterable[str]) -> Iterable[str]:
    return (value,) if isinstance(value, str) else value


def _folded(value: str | Iterable[str]) -> Iterator[str]:
    return (word.casefold() for word in _list(value))


def _fold(value: str | bool) -> str | bool:
    return value.casefold() if isinstance(value, str) else value


def _exchange_rate(entry: Mapping[str, Any]) -> ExchangeRate:
    return ExchangeRate(
        entry["base"],
        entry["quote"],
        parse_money(entry["rate"]),
        microseconds(entry["from"]),
        microseconds(entry["to"]) if "to" in entry else None,
        entry["source"],
    )
