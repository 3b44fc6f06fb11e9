"""Where in the application a call is made whose tenant is not known: somebody has to mend that place."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from types import FrameType
from typing import Final

__all__ = ["call_site", "call_stack"]

_FRAMES_MAX: Final = 128
_LIMIT: Final = 256

_PACKAGES: Final = ("site-packages", "dist-packages")
_OURS: Final = frozenset({"otel_genai_cost", "otel_genai_instrumentors", "otel_genai_exporters"})


def call_stack() -> list[str]:
    """The places in the application's own code through which this is called, the outermost first; of 128 frames."""
    frames = _outwards(inspect.currentframe())
    return [_text(frame) for frame in frames if _is_the_applications(frame)][::-1]


def call_site() -> str | None:
    """The place in the application's code from which this is called.

    Returns:
        `file:line in function` of the innermost of at most 128 frames that is the application's own code; where all of
        it is installed as a package, of the outermost frame of one; the last 256 characters. None if there is neither.
    """
    outermost: FrameType | None = None
    for frame in _outwards(inspect.currentframe()):
        if _is_the_applications(frame):
            return _text(frame)
        if _is_package(frame.f_code.co_filename):
            outermost = frame
    return None if outermost is None else _text(outermost)


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    for _ in range(_FRAMES_MAX):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _is_the_applications(frame: FrameType) -> bool:
    return not (_is_library(frame.f_code.co_filename) or _is_ours(frame))


@functools.cache
def _standard_library() -> tuple[str, ...]:
    """How the names of Python's own files begin; what knows that is loaded with the first call that is nobody's."""
    import sysconfig

    return "<frozen", sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")


def _is_ours(frame: FrameType) -> bool:
    """By its module: from a checkout, our packages stand in several folders, of which none is a package's."""
    return str(frame.f_globals.get("__name__")).partition(".")[0] in _OURS


@functools.lru_cache(maxsize=4096)
def _is_library(file: str) -> bool:
    return _is_package(file) or file.startswith(_standard_library())


def _is_package(file: str) -> bool:
    return any(f"/{folder}/" in file.replace("\\", "/") for folder in _PACKAGES)


def _text(frame: FrameType) -> str:
    code = frame.f_code
    return f"{code.co_filename}:{frame.f_lineno} in {code.co_name}"[-_LIMIT:]
