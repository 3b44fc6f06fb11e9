"""`replay`: charges from recorded spans."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from otel_genai_cost import hosts
from otel_genai_cost.cli.home import book_of
from otel_genai_cost.cli.output import JsonOption, note, print_json
from otel_genai_cost.cli.recorded import Recorded
from otel_genai_cost.cli.usage_json import usage_record
from otel_genai_cost.errors import ConfigurationError, LedgerError
from otel_genai_cost.journal.books import store_book
from otel_genai_cost.journal.observation import Observation
from otel_genai_cost.journal.reader import segments
from otel_genai_cost.journal.record import line_of
from otel_genai_cost.journal.segment import Journal
from otel_genai_cost.metering.config import load_settings
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.cost import bounds_record, quality_of
from otel_genai_cost.replay.batch import Replayed, replay
from otel_genai_cost.replay.recordings import Recording
from otel_genai_cost.tenancy.edge import span_attribute_of

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="replay")(_replay)


def _replay(
    paths: Annotated[
        list[str],
        typer.Argument(help="OTLP files or folders (JSON Lines or protobuf, gzip or not), or -."),
    ],
    separate: Annotated[
        bool, typer.Option("--separate", help="Every line is a recording of its own.")
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option(
            help="Also journal the observations, in a ledger's folder (its journal/) or in a journal's."
        ),
    ] = None,
    book: Annotated[
        Path | None, typer.Option(help="Price book; default: the configured one.")
    ] = None,
    as_json: JsonOption = True,
) -> None:
    """Charges from recorded spans, one line a span that took part; exit code 1 if something could not be read."""
    settings = load_settings().settings
    hosts.configure(settings.providers_of_hosts)
    prices = book_of(book)
    span_tenant = span_attribute_of(settings.tenant)
    recorded = Recorded(paths)
    journal = None if into is None else _Into(into, settings.journal_folders, prices)
    batches: Iterable[Iterable[Recording]] = ([one] for one in recorded) if separate else [recorded]
    for batch in batches:
        replayed = replay(batch, prices, span_tenant=span_tenant, personal=settings.personal_labels)
        for one in replayed:
            if journal is not None:
                journal.append(one.observation)
            print_json([_record(one)])
    if journal is not None:
        journal.close()
    recorded.close()


class _Into:
    """The journal of a ledger's folder, or the folder itself if it is a journal's already: one of those configured,
    named `journal`, or with segments in it."""

    def __init__(self, folder: Path, configured: Collection[Path], book: Book) -> None:
        is_journal = folder.name == "journal" or folder in configured or bool(segments(folder))
        self._home = folder.parent if folder.name == "journal" else folder
        self._folder = folder if is_journal else folder / "journal"
        self._count = 0
        self._journal = Journal(
            [self._folder], prepare=lambda into: store_book(into, book.digest, book.lock)
        )
        if self._journal.open() is None:
            raise ConfigurationError(
                "cannot journal",
                value=str(folder),
                where="--into",
                remedy="name a folder to write to",
            )

    def append(self, observation: Observation) -> None:
        """Journal an observation."""
        self._journal.append(line_of(observation))
        self._count += 1

    def close(self) -> None:
        """End the segment, and say where it is.

        Raises:
            LedgerError: if something could not be written.
        """
        self._journal.close()
        if lost := self._journal.dropped:
            raise LedgerError(
                f"{lost:,} of {self._count:,} observation(s) could not be written to {self._folder}: "
                "make room, and replay them into another folder"
            )
        note(
            f"{self._count:,} observation(s) journalled in {self._folder}; "
            f"see `genai-cost report --ledger {self._home}`"
        )


def _record(one: Replayed) -> dict[str, Any]:
    """The line of an observation; a charge's carries the verdict, and nothing else has a price."""
    verdict = one.verdict
    is_charge = one.kind == "charge" and verdict is not None
    shown = verdict.richest if verdict is not None and is_charge else one.observation
    attribution = verdict.attribution if verdict is not None and is_charge else shown.attribution
    reading = shown.reading
    record: dict[str, Any] = {
        "recording": one.recording,
        "trace_id": one.observation.trace_id,
        "span_id": one.observation.span_id,
        "kind": one.kind,
        "of": None if verdict is None else verdict.charge_id,
        "rule": one.rule,
        "charge_id": verdict.charge_id if verdict is not None and is_charge else None,
        "dialect": one.observation.dialect,
        "tenant": attribution.tenant,
        "provider": reading.provider,
        "model_requested": reading.model_requested,
        "model_returned": reading.model_returned,
        "model_resolved": shown.cost.model_resolved,
        "usage": usage_record(reading.usage),
        "quality": reading.usage.quality,
        "status": "duplicate" if one.kind == "duplicate" else None,
        "reason": None,
        "total": None,
        "currency": None,
    }
    if verdict is not None and is_charge:
        cost = verdict.cost
        record.update(status=cost.status, reason=cost.reason, total=cost.total_text)
        record.update(currency=cost.currency, model_resolved=cost.model_resolved)
        record["quality"] = quality_of(reading.usage, cost)
        if cost.bounds is not None:
            record["bounds"] = bounds_record(cost.bounds)
        record["flags"] = list(verdict.flags)
    record["doubts"] = list(reading.doubts)
    if one.ignored is not None:
        record["ignored"] = one.ignored
    return record
