"""The application's settings of its journal: who reads it, how much it holds, what it says and how safely."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypedDict, get_args

from otel_genai_cost.journal.bound import WhenFull
from otel_genai_cost.settings import Setting, boolean, one_of, whole_number

__all__ = ["Access", "JournalOptions", "Starts"]

Access = Literal["owner", "group"]
"""Who may read a journal."""

Starts = Literal["streams", "all", "off"]
"""Of which calls the beginning is journalled."""


class JournalOptions(TypedDict, total=False):
    """A part of `metering.config.Options`."""

    journal_access: Annotated[
        Access | None,
        Setting(
            "owner",
            one_of(get_args(Access)),
            "who may read the journal: `owner`, or `group`: the folder's group as well, for a ledger under "
            "another user id",
        ),
    ]
    journal_limit_mib: Annotated[
        int | None,
        Setting(
            "64",
            whole_number,
            "what the segments of a journal's folder may come to, in MiB, whoever writes them: what a ledger has goes "
            "first; `0` for no limit",
        ),
    ]
    journal_full: Annotated[
        WhenFull | None,
        Setting(
            "refuse",
            one_of(get_args(WhenFull)),
            "when a folder is full of what no ledger has: `refuse` keeps 10,000 records in memory and counts what is "
            "lost; `block`: the call waits for room first",
        ),
    ]
    journal_block_s: Annotated[
        int | None,
        Setting("5", whole_number, "seconds for which a call waits at most, with `block`"),
    ]
    registry: Annotated[
        str | Path | None,
        Setting(
            "/var/tmp/otel-genai-cost",
            Path,
            "folder for all users of the machine where processes note where their journals are, for `ship` and "
            "`doctor`",
        ),
    ]
    starts: Annotated[
        Starts | None,
        Setting(
            "streams",
            one_of(get_args(Starts)),
            "of which calls the beginning is journalled, so that one whose process is killed is `unpriced "
            "(unfinished)`: "
            "`streams`, `all` (one more write a call) or `off`",
        ),
    ]
    fsync: Annotated[
        bool | None,
        Setting(
            "false", boolean, "flush each journal line to disk: survives a power cut, and is slow"
        ),
    ]
