"""Where the traps of `pitfalls` are looked for: what is installed here, the environment, the code in this folder."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, entry_points, version
from pathlib import Path
from typing import Final, NamedTuple

from packaging.specifiers import SpecifierSet

from otel_genai_cost.cli.doctor.check import Found, failed, fine, warned
from otel_genai_cost.cli.doctor.pitfalls import PITFALLS, QUEUES, Pitfall, QueueLibrary
from otel_genai_cost.cli.home import Home
from otel_genai_cost.settings import environment

__all__ = ["Surroundings", "pitfalls", "queues", "surroundings"]

_FILES_MAX: Final = 5_000
_BYTES_MAX: Final = 1_000_000
_ENDS: Final = (".py", ".toml", ".cfg", ".ini", ".sh", ".yml", ".yaml", ".env", ".service")
_NAMES: Final = ("Procfile", "Dockerfile", "Makefile")
_OTHERS: Final = frozenset(
    {"node_modules", "site-packages", "__pycache__", "build", "dist", "test", "tests"}
)
_DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"


class Surroundings(NamedTuple):
    """What the checks ask.

    Attributes:
        release: Of a distribution, None if it is not installed.
        instrumentors: Those that `opentelemetry-instrument` would load, by entry point.
        environ: The variables.
        place: Where in this folder's code a regular expression matches, None if nowhere.
    """

    release: Callable[[str], str | None]
    instrumentors: frozenset[str]
    environ: Mapping[str, str]
    place: Callable[[str], str | None]


def surroundings() -> Surroundings:
    """Those of this process."""
    variables = environment()
    disabled = {name.strip() for name in variables.get(_DISABLED, "").split(",")}
    loaded = {each.name for each in entry_points(group="opentelemetry_instrumentor")}
    return Surroundings(_release, frozenset(loaded - disabled), variables, _place)


def pitfalls(_: Home) -> Iterator[Found]:
    """Each trap that holds here."""
    around = surroundings()
    found = [one for pitfall in PITFALLS if (one := judged_pitfall(pitfall, around)) is not None]
    yield from found or [fine("libraries", "nothing installed is known to lose a tenant")]


def queues(_: Home) -> Iterator[Found]:
    """Queue libraries whose messages nobody puts the tenant into."""
    around = surroundings()
    for library in QUEUES:
        found = judged_queue(library, around)
        if found is not None:
            yield found


def judged_pitfall(pitfall: Pitfall, around: Surroundings) -> Found | None:
    """What there is to say of a trap; None if it does not hold.

    Args:
        pitfall: The trap.
        around: Where it is looked for.
    """
    release = around.release(pitfall.library)
    if release is None or not _holds(pitfall, release, around):
        return None
    place = around.place(pitfall.written) if pitfall.written else None
    if pitfall.only_written and place is None:
        return None
    seen = f"{pitfall.library} {release}: {pitfall.fault}" + (f" ({place})" if place else "")
    say = failed if pitfall.is_wrong or place else warned
    return say(pitfall.name, seen, pitfall.remedy)


def _holds(pitfall: Pitfall, release: str, around: Surroundings) -> bool:
    name, _, value = pitfall.unless_set.partition("=")
    is_set = name in around.environ and value in ("", around.environ[name])
    is_mended = (
        is_set
        or pitfall.mended_by in around.instrumentors
        or (pitfall.without and around.release(pitfall.without) is not None)
    )
    is_there = pitfall.through in ("", *around.instrumentors)
    is_known = SpecifierSet(pitfall.releases).contains(release, prereleases=True)
    return is_there and is_known and not is_mended


def judged_queue(library: QueueLibrary, around: Surroundings) -> Found | None:
    """What there is to say of a queue library; None if it is not installed, or carried.

    Args:
        library: Which.
        around: Where it is looked for.
    """
    release = around.release(library.library)
    if release is None or not around.instrumentors.isdisjoint(library.instrumentors):
        return None
    seen = f"{library.library} {release} has no instrumentor here that carries a tenant"
    own = [name for name in library.instrumentors if name.startswith("genai_cost_")]
    remedy = "`inject(headers)` where a message is made, `with job(headers):` where it is worked on"
    if library.instrumentors and own != list(library.instrumentors):
        remedy = (
            f"pip install opentelemetry-instrumentation-{library.instrumentors[-1]}; else {remedy}"
        )
    return warned("queue library", seen, remedy)


def _release(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _place(expression: str) -> str | None:
    wanted = re.compile(expression)
    for path in _sources(Path.cwd()):
        try:
            text = path.read_bytes()[:_BYTES_MAX].decode("utf-8", "replace")
        except OSError:
            continue
        found = wanted.search(text)
        if found is not None:
            line = text.count("\n", 0, found.start()) + 1
            return f"{path.relative_to(Path.cwd())}:{line}"
    return None


def _sources(root: Path) -> Iterator[Path]:
    """Code, command lines and configuration of the folder, without what was installed into it."""
    count = 0
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(each for each in folders if _is_own(Path(folder, each)))
        for name in sorted(files):
            if name.endswith(_ENDS) or name.startswith(_NAMES):
                count += 1
                if count > _FILES_MAX:
                    return
                yield Path(folder, name)


def _is_own(folder: Path) -> bool:
    is_hidden = folder.name.startswith(".") or folder.name in _OTHERS
    return not is_hidden and not (folder / "pyvenv.cfg").exists()
