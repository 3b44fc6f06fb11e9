"""Where the journal is: the configured folder, else the user's state folder, else a private temporary one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["journal_folders"]


def journal_folders(configured: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders to try, in order; readers look into all of them."""
    state = environ.get("XDG_STATE_HOME") or str(
        Path(environ.get("HOME") or "/") / ".local" / "state"
    )
    temporary = Path(environ.get("TMPDIR") or tempfile.gettempdir())
    folders = [
        configured,
        Path(state) / "otel-genai-cost" / "journal",
        temporary / f"otel-genai-cost-{os.geteuid()}",
    ]
    return tuple(dict.fromkeys(folder for folder in folders if folder is not None))
