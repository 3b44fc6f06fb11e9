"""`make docs`: writes the generated tables of docs/reference/ and the README from the tables in the code.

`tests/docs/test_docs.py` fails when a page no longer says what the code says.
"""

from __future__ import annotations

import importlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from otel_genai_cost import vocabulary as vocabularies
from otel_genai_cost.attributes import TABLE
from otel_genai_cost.cli.ledger_settings import LEDGER_SETTINGS
from otel_genai_cost.metering.config import SETTINGS
from otel_genai_cost.pricing.book import Book
from otel_genai_cost.pricing.importers.billing import read_billing
from otel_genai_cost.pricing.importers.inputs import read_rules
from otel_genai_cost.pricing.instants import rfc3339
from otel_genai_cost.pricing.load import load_book
from otel_genai_cost.reports.words import ABSENT, REASONS
from otel_genai_cost.settings import Setting
from otel_genai_cost.usage.bills import RULES
from otel_genai_cost.usage.instrumentations import DIALECTS, Row
from otel_genai_instrumentors.manifest import MANIFEST
from tests.conformance.judge import MARKS
from tests.conformance.run import BAD, judgements
from tests.conformance.run import table as conformance
from tests.contract.cases import CASES
from tests.contract.driver import drivers_of
from tests.contract.rows import CLIENTS
from tests.docs.distributions import distributions
from tests.docs.focus import focus
from tests.docs.speed import at_a_glance, speed
from tests.docs.tables import table
from tests.tenancy.wrong_tenants import WRONG
from tests.transparency.rows import OFTEN
from tests.transparency.run import recorded

_ROOT: Final = Path(__file__).resolve().parents[2]
REFERENCE: Final = _ROOT / "docs" / "reference"
README: Final = _ROOT / "README.md"
TENANCY: Final = _ROOT / "docs" / "tenancy.md"
DECISIONS: Final = _ROOT / "docs" / "decisions" / "README.md"

_DECISION: Final = re.compile(r"# (\d+)\. (.+)\n\n(\d{4}-\d\d-\d\d)\. (.+)\.\n")
"""How a decision begins: number, title, date, status."""


def attributes() -> str:
    rows = [(f"`{row.name}`", row.direction, row.meaning) for row in TABLE]
    return "# Attributes\n\nEvery attribute name read or written.\n\n" + table(
        ("attribute", "direction", "meaning"), rows
    )


def vocabulary() -> str:
    reasons = [(f"`{reason}`", REASONS[reason]) for reason in vocabularies.REASONS]
    absences = [(f"`{absence}`", ABSENT[absence]) for absence in vocabularies.ABSENCES]
    others = [
        ("`status` of a cost", vocabularies.COST_STATUSES),
        ("`quality` of usage", vocabularies.QUALITIES),
        ("`role` of a span", vocabularies.ROLES),
        ("`source` of a tenant, the most trusted first", vocabularies.ATTRIBUTION_SOURCES),
        ("`cause` of an entry", vocabularies.CAUSES),
        ("`kind` of a line", vocabularies.LINE_KINDS),
    ]
    words = [(name, " ".join(f"`{word}`" for word in known)) for name, known in others]
    return (
        "# Vocabulary\n\nWhat stands on spans, in journals, in ledgers and in JSON. Words may be added, never "
        "renamed or used for anything else.\n\n"
        "## Why a call has no price\n\n"
        + table(("reason", "what it means, and what to do"), reasons)
        + "\n\n## Why a call has no tenant\n\n"
        + table(("absent", "what it means, and what to do"), absences)
        + "\n\n## Other words\n\n"
        + table(("field", "words"), words)
    )


def _settings(rows: Iterable[Setting]) -> str:
    cells = [(f"`{row.env}`", f"`{row.default}`" if row.default else "", row.doc) for row in rows]
    return table(("variable", "default", "meaning"), cells)


def settings() -> str:
    return (
        "# Settings\n\nEach is an environment variable and, without `OTEL_` and in lower case, a flag of "
        "`opentelemetry-instrument`. `install()` and `attach()` take the application's by name, in lower case without "
        "`OTEL_GENAI_COST_`.\n\n## The application\n\n"
        + _settings(SETTINGS)
        + "\n\n## The ledger's commands\n\n"
        + _settings(LEDGER_SETTINGS)
    )


def readme() -> str:
    """The README with its tables as they should be."""
    text = README.read_text(encoding="utf-8")
    text = _filled(text, "settings", _settings(row for row in SETTINGS if row.newcomer))
    return _filled(text, "speed", at_a_glance())


def tenancy() -> str:
    """The page of tenancy with its tables as they should be: of queues, and of whom others charge wrongly."""
    rows = [(row.library, row.versions, row.covers) for row in MANIFEST if row.kind == "queue"]
    listed = table(("queue", "versions", "what carries the tenant"), rows)
    text = _filled(TENANCY.read_text(encoding="utf-8"), "queues", listed)
    tests = (", ".join(f"`{name.rpartition('/')[2]}`" for name in row.tests) for row in WRONG)
    wrong = [(row.seen, row.here, named) for row, named in zip(WRONG, tests, strict=True)]
    return _filled(text, "wrong", table(("what is reported", "here", "held by"), wrong))


def decisions() -> str:
    """The list of decisions as it should be."""
    rows: list[Sequence[str]] = []
    for path in sorted(DECISIONS.parent.glob("[0-9]*.md")):
        begin = _DECISION.match(path.read_text(encoding="utf-8"))
        if begin is None:
            raise ValueError(f"{path.name} does not begin with number, title, date and status")
        number, title, day, status = begin.groups()
        rows.append((number, f"[{title}]({path.name})", day, status))
    listed = table(("number", "decision", "date", "status"), rows)
    return _filled(DECISIONS.read_text(encoding="utf-8"), "decisions", listed)


def _filled(text: str, block: str, content: str) -> str:
    return re.sub(
        rf"(?<=<!-- {block} -->\n).*?(?=<!-- /{block} -->)",
        lambda _: content + "\n",
        text,
        flags=re.DOTALL,
    )


def integrations() -> str:
    clients, edges, queues, servers = (
        [
            (row.library, row.versions, " ".join(row.tested), row.covers)
            for row in MANIFEST
            if row.kind == kind
        ]
        for kind in ("client", "edge", "queue", "server")
    )
    return (
        "# Integrations\n\n## Clients of providers\n\nEach makes the calls of the [contract](coverage.md) with the "
        "oldest and the newest version that are named as tested. Older ones, from the one that is asked for, are "
        "traced as well; what they leave out of their answers makes a call an estimate.\n\n"
        + table(("library", "versions", "tested", "what is covered"), clients)
        + "\n\n## Edges, where requests come in\n\n"
        + table(("library", "versions", "what is covered"), [(a, b, d) for a, b, _, d in edges])
        + "\n\n## Servers that end in a way of their own\n\n"
        + table(("library", "versions", "what is done"), [(a, b, d) for a, b, _, d in servers])
        + "\n\n## Queues, through which a tenant goes from whoever sends a message to whoever works on it\n\n"
        "Each runs the matrix of `tests/queues/` with its real library and a real broker: messages of two tenants and "
        "of none, worked on in another process, in the body, in a thread, in a pool and in an asyncio task; what "
        "needs no broker has tests of its own. For what is not listed: `inject` and `job`.\n\n"
        + table(("library", "versions", "also tested", "what is covered"), queues)
        + "\n\nSpans of other instrumentations are understood as well: see [dialects](dialects.md)."
    )


def coverage() -> str:
    """Client x case, and why a case is not run."""
    drivers = [driver for row in CLIENTS for driver in drivers_of(row.library)]
    head = ["case", *(f"`{driver.library}`: {driver.name}" for driver in drivers)]
    notes = list(dict.fromkeys(gap for driver in drivers for gap in driver.gaps.values()))
    rows = [
        [case.name, *(_covered(driver.gaps.get(case.name), notes) for driver in drivers)]
        for case in CASES
    ]
    return (
        "# Coverage\n\nEvery instrumented client makes the calls of every case with its real library against the "
        "[stand-in](../testing.md), and each charge is compared with what the stand-in billed: usage leaf by leaf, "
        "model, response id, conditions, tenant and amount, one charge a response; where an answer did not arrive "
        "whole, bounds that hold the truth. What is sent is compared with what the client sends without us. "
        "`tests/contract` has the cases and the drivers. ✓: run; a number: a gap, named below.\n\n"
        + table(head, rows)
        + "\n\n## Gaps\n\n"
        + "\n".join(f"{n}. {note[0].upper()}{note[1:]}." for n, note in enumerate(notes, start=1))
    )


def _covered(gap: str | None, notes: Sequence[str]) -> str:
    return "✓" if gap is None else str(notes.index(gap) + 1)


def dialects() -> str:
    rows = [
        (
            f"`{row.scope}{'*' if row.scope.endswith(('.', '-')) else ''}`",
            row.versions.replace("..", "to") or "not carried",
            row.provider or "all",
            f"`{row.label}`",
            "left out" if row.facts.cache_outside else "included",
            _missing(row),
            row.wrong,
        )
        for row in DIALECTS
    ]
    return (
        "# Dialects\n\nInstrumentations whose spans are understood, by the name of their scope. Any other scope\n"
        "is read by the OpenTelemetry conventions, as `semconv-fallback/1`. What is missing is never guessed: usage\n"
        "that may hide tokens of another price is `estimated`; numbers that nobody counted are `untrusted_usage`,\n"
        "and have no price.\n\n"
        + table(
            (
                "scope",
                "versions",
                "provider",
                "dialect",
                "cache in the input",
                "never reported",
                "reported wrong, and what becomes of it",
            ),
            rows,
        )
    )


def _missing(row: Row) -> str:
    lost = ", ".join(f"`{leaf}`" for leaf in (*row.facts.lost, *row.facts.zero_lost))
    return "; ".join(part for part in (lost, row.missing) if part)


def compatibility() -> str:
    """What `make conformance` finds."""
    marks = list(MARKS)
    shown = [mark for mark in marks if mark not in BAD]
    found = conformance(judgements())
    rows = [
        (f"`{name}`", *(str(counts[marks.index(mark)] or "") for mark in shown))
        for name, counts in found
    ]
    bad = sum(found[-1][1][marks.index(mark)] for mark in BAD)
    legend = "\n".join(f"- **{mark}**: {MARKS[mark]}" for mark in shown)
    return (
        "# Compatibility\n\nWhat becomes of the replies that a provider billed, when the spans of an instrumentation\n"
        "are replayed: recorded calls of real clients against a stand-in with known usage. `*-plus-openai` and others\n"
        "have framework and client instrumented together, `*-native` the SDK's own spans as well, `js-*`, `go-*`\n"
        "and `java-*` are JavaScript's, Go's and Java's. `make conformance` makes this table. Wrong, doubled\n"
        f"or missed: **{bad}**.\n\n{legend}\n\n"
        + table(("instrumentation", *shown), rows)
        + "\n\nEvery reply that is neither exact nor cautious is in a reviewed list, with the reason:\n"
        "`tests/corpus/reviewed.toml`.\n\n" + transparency()
    )


def transparency() -> str:
    """What the transparency suite found when its outcomes were last written; its tests compare them with a new run."""
    found = recorded()
    keys = ("programs", "equal to plain", "billed", "charges", "exact", "marked")
    more = ("failed", "others' spans")
    rows = [
        (
            label,
            *(str(row[key]) for key in (*keys, *more)),
            "test-all" if label in OFTEN else "transparency",
        )
        for label, row in found.items()
    ]
    return (
        "## Metered and plain\n\n"
        "The same programs are run plain and under `opentelemetry-instrument`, against a provider with the\n"
        "habits that bug reports describe: strict, chatty, slow, cut off, broken, busy, hanging. **Equal to\n"
        "plain** is a row whose programs print, raise, log and send (byte by byte) what they do plain, and\n"
        "leave the same open; but usage is asked for where the host is known to understand that. Then the\n"
        "provider's bill is compared with the charges of the journal: **exact** ones are what was billed;\n"
        "**marked** ones say themselves that they may not be (`estimated`, or without a price): a stream that\n"
        "reports no usage, one that was left or cut off, an answer that nobody waited for. Nothing billed is\n"
        "without a charge, nothing is charged twice. **Failed** are charges of nothing, for calls that the\n"
        "provider refused; **others' spans** are those that the other tool starts in the plain run, of calls:\n"
        "none where it does not trace this version of the client. Run by: `make transparency` runs every\n"
        "row, `make test-all` those named so.\n\n" + table(("run", *keys, *more, "run by"), rows)
    )


def prices() -> str:
    book = load_book()
    inputs = [
        (one.day, f"{one.package} {one.version}", f"`{one.member}`", f"`{one.sha256[:16]}…`")
        for one in sorted(read_rules().inputs, key=lambda one: one.day, reverse=True)
    ]
    return (
        "# The default price book\n\n"
        f"{book.rows:,} rows for {_models(book):,} models under {len(book.names.models):,} names of "
        f"{len(book.document.providers)} providers; the newest was learned on {_day(book.newest_recorded_at_us)}. "
        f"Digest `{book.digest}`.\n\n"
        "Made by `genai-cost prices import` from the inputs below, from the price files in "
        "`otel_genai_cost/pricing/data/`, which go before them, and from the rules and verdicts in `inputs.toml` "
        "there; `genai-cost prices check` makes it again and compares. What is left without a price, and why, is "
        "listed by `genai-cost prices import --json`, and counted below.\n\n"
        "## Coverage\n\n"
        + table(
            ("provider", "models", "names", "rows", "rows with conditions", "newest"),
            _coverage(book),
        )
        + "\n\n## How calls are billed that no list says\n\n"
        "Written into the rows by `billing.toml`; price files may say it themselves, as those of Perplexity's request "
        "fee do. A row's keys: `due`, `needs`, `at_least`, `at_most`, `between`.\n\n"
        + table(("provider", "what", "read at"), _billing())
        + "\n\n## What providers say they billed\n\n"
        "A provider's own figure goes before the book, read by its rule; a figure of nothing only where a call can be "
        "free.\n\n"
        + table(("provider", "what is read", "read at"), _bills())
        + "\n\n## What the lists price and this book does not\n\n"
        + table(("provider", "names", "reason"), _left_out())
        + "\n\n## Inputs, pinned by version and hash\n\n"
        + table(("current on", "distribution", "file", "sha256"), inputs)
    )


def _billing() -> list[Sequence[str]]:
    return [(f"`{rule.provider}`", rule.what, rule.source) for rule in read_billing()]


def _bills() -> list[Sequence[str]]:
    return [(f"`{rule.provider}`", rule.what, rule.source) for rule in RULES]


def _left_out() -> list[Sequence[str]]:
    counted = json.loads((_ROOT / "tests" / "pricing" / "left_out.json").read_text("utf-8"))
    return [(f"`{one['provider']}`", f"{one['names']:,}", one["reason"]) for one in counted]


def _models(book: Book) -> int:
    return sum(len(part.models) for _, part in book.document.parts())


def _coverage(book: Book) -> list[Sequence[str]]:
    """The providers, those with the most rows first."""
    names = Counter(provider for provider, _ in book.names.models)
    parts = sorted(book.document.parts(), key=lambda item: (-len(item[1].prices), item[0]))
    return [
        (
            f"`{provider}`",
            f"{len(part.models):,}",
            f"{names[provider]:,}",
            f"{len(part.prices):,}",
            f"{sum(bool(row.get('when')) for row in part.prices):,}",
            max(row["recorded_at"] for row in part.prices)[:10],
        )
        for provider, part in parts
        if part.prices
    ]


def _day(us: int) -> str:
    return rfc3339(us)[:10]


PAGES: Final = {
    "focus.md": focus,
    "compatibility.md": compatibility,
    "attributes.md": attributes,
    "settings.md": settings,
    "vocabulary.md": vocabulary,
    "integrations.md": integrations,
    "coverage.md": coverage,
    "distributions.md": distributions,
    "dialects.md": dialects,
    "prices.md": prices,
    "speed.md": speed,
}


def main() -> None:
    """Write every page."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page() + "\n", encoding="utf-8")
    README.write_text(readme(), encoding="utf-8")
    TENANCY.write_text(tenancy(), encoding="utf-8")
    DECISIONS.write_text(decisions(), encoding="utf-8")
    importlib.import_module("tests.billing.table").main()  # needs every vendor's library


if __name__ == "__main__":
    main()
