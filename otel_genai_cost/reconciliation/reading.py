"""The files of a bill, read: which format each is in, what is wrong with any, and what they say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from otel_genai_cost.errors import BillsError, ConfigurationError, Problem
from otel_genai_cost.reconciliation.bill import Billed, BillLine, Cell, billed_cells, with_usage
from otel_genai_cost.reconciliation.importers.document import Document, read_document
from otel_genai_cost.reconciliation.importers.format import UTC, Format, Read, read_lines
from otel_genai_cost.reconciliation.importers.table import FORMATS
from otel_genai_cost.usage.providers import canonical

__all__ = ["Bill", "name_of", "providers_of", "read_bill", "zone_name"]

_OWN_FORMAT: Final = frozenset({"csv", "plain"})
_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "aws": ("aws.bedrock",),
    "aws.bedrock": ("aws.bedrock",),
    "azure": ("azure.ai.openai", "azure.ai.inference"),
    "azure.ai.openai": ("azure.ai.openai", "azure.ai.inference"),
    "gcp": ("gcp.vertex_ai", "gcp.gemini", "gcp.gen_ai"),
    "gcp.vertex_ai": ("gcp.vertex_ai", "gcp.gemini", "gcp.gen_ai"),
    "gcp.gemini": ("gcp.vertex_ai", "gcp.gemini", "gcp.gen_ai"),
}


class Bill(NamedTuple):
    """What files say together.

    Attributes:
        providers: whose calls it bills; none if the files do not say.
        zone: whose days it counts, an IANA name.
        lines: of all files.
        digests, names: of the files.
        notes: what a person should know.
    """

    providers: tuple[str, ...]
    zone: str
    lines: tuple[BillLine, ...]
    digests: tuple[str, ...]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def cells(self) -> dict[Cell, Billed]:
        """What its lines add up to, quantities of reports of usage with the money of the others."""
        paid = billed_cells(line for line in self.lines if line.amount is not None)
        used = billed_cells(line for line in self.lines if line.amount is None)
        return with_usage(paid, used)

    @property
    def days(self) -> tuple[str, str]:
        """The first and the last day. There is a line at least."""
        every = [line.day for line in self.lines]
        return min(every), max(every)


def providers_of(name: str) -> tuple[str, ...]:
    """The providers that a name stands for, as OpenTelemetry names them; none for that of a format without one.

    Args:
        name: as somebody wrote it.

    Raises:
        ConfigurationError: if it is empty.
    """
    folded = name.strip().casefold()
    if folded in _OWN_FORMAT:
        return ()
    found = _GROUPS.get(folded) or _GROUPS.get(canonical(folded) or "")
    if found is None and not canonical(folded):
        raise ConfigurationError(
            "no provider", value=name, where="--provider", remedy="name one: openai, for example"
        )
    return found or (str(canonical(folded)),)


def name_of(provider: str) -> str:
    """The one name that a provider's bills are kept under.

    Args:
        provider: as somebody wrote it.

    Raises:
        ConfigurationError: if it is empty.
    """
    return next(iter(providers_of(provider)), "csv")


def zone_name(provider: str) -> str:
    """The IANA name of the zone whose days a provider bills.

    Args:
        provider: as its bills are kept.
    """
    return next((one.zone for one in FORMATS if provider in one.providers), UTC)


def read_bill(provider: str, paths: Sequence[Path]) -> Bill:
    """Read the files of a bill.

    Args:
        provider: as somebody wrote it.
        paths: the files; each is counted once, however often it is named.

    Raises:
        BillsError: with every problem of every file.
        ConfigurationError: for a name that is none.
    """
    providers, problems = providers_of(provider), list[Problem]()
    read, notes, seen = dict[str, Read](), list[str](), set[str]()
    for path in paths:
        try:
            one = _read(path, providers, seen)
        except BillsError as error:
            problems.extend(error.problems)
            continue
        if one.digest in read:
            notes.append(f"{path} is {read[one.digest].name} once more, and counted once")
        read.setdefault(one.digest, one)
    problems += _cut_off(list(read.values()))
    if not problems and not any(one.lines for one in read.values()):
        problems.append(Problem(str(paths[0]), 0, "no line of a bill", "export it again"))
    if problems:
        raise BillsError(tuple(problems))
    return _together(providers, list(read.values()), notes)


def _read(path: Path, providers: tuple[str, ...], seen: set[str]) -> Read:
    document = read_document(path)
    found = _format_of(document, providers)
    if found is None:
        what = "in no format that is known" + (f" of {' or '.join(providers)}" if providers else "")
        remedy = "export it as docs/reconciliation.md says, or write a plain CSV"
        raise BillsError((Problem(str(path), 0, what, remedy),))
    return read_lines(found, document._replace(name=str(path)), seen)


def _format_of(document: Document, providers: tuple[str, ...]) -> Format | None:
    """The first format of the provider, or of any, that knows the file."""
    fitting = [
        one
        for one in FORMATS
        if not one.providers or not providers or set(one.providers) & set(providers)
    ]
    return next((one for one in fitting if one.recognises(document)), None)


def _cut_off(read: Sequence[Read]) -> list[Problem]:
    """Pages that go on, of which the last is missing."""
    by_format: dict[str, list[Read]] = {}
    for one in read:
        by_format.setdefault(one.form.name, []).append(one)
    what = "it says that there are more pages, and none is the last"
    return [
        Problem(files[-1].name, 0, what, "export all of them")
        for files in by_format.values()
        if any(one.goes_on for one in files) and not any(one.ends for one in files)
    ]


def _together(providers: tuple[str, ...], read: Sequence[Read], notes: list[str]) -> Bill:
    zones = {one.form.zone for one in read}
    if len(zones) > 1:
        raise ConfigurationError(
            "these files count days in several zones",
            value=", ".join(sorted(zones)),
            remedy="reconcile them one by one",
        )
    lines = tuple(line for one in read for line in one.lines)
    named = providers or tuple(sorted({one.provider for one in lines if one.provider}))
    seen = dict[tuple[str, ...], str]()
    for one in read:
        key = tuple(sorted(map(repr, one.lines)))
        if key in seen and one.lines:
            notes.append(
                f"{one.name} has the lines of {seen[key]}: leave one out if they are one bill"
            )
        seen.setdefault(key, one.name)
    return Bill(
        named,
        zones.pop(),
        lines,
        tuple(one.digest for one in read),
        tuple(one.name for one in read),
        tuple(notes),
    )
