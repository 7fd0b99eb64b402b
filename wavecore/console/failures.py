"""Messages and exit codes of exceptions, and near misses of wrong names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from wavecore.errors import WavecoreError

INTERRUPTED = 130
TERMINATED = 143
PIPE_CLOSED = 141
OUT_OF_MEMORY = 5


def explain(error: Exception) -> tuple[str, int]:
    """Return the message and exit code of an exception.

    Parameters
    ----------
    error : Exception
        Of wavecore, of the operating system, or a defect.

    Returns
    -------
    text : str
        What, why, and what next.
    exit_code : int
        See reference of the exit codes in ``wavecore -h``.
    """
    if isinstance(error, WavecoreError):
        return str(error), error.exit_code
    if _is_out_of_memory(error):
        first_line = (str(error) or type(error).__name__).splitlines()[0]
        return (
            f"out of memory ({first_line}); close other programs, give fewer targets at once, or take --device cpu",
            OUT_OF_MEMORY,
        )
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}", 1
    return f"this is a defect: {type(error).__name__}: {error}; -v shows where, please report it", 1


def near_miss(name: str, known: Iterable[str]) -> str:
    """Return what a wrong name may have meant.

    Parameters
    ----------
    name : str
        What was typed.
    known : iterable of str
        What there is.

    Returns
    -------
    str
        ``"; did you mean X?"``, or an empty text if nothing is near.
    """
    by_lower_case = {item.lower(): item for item in known}
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=1)
    return f"; did you mean {by_lower_case[near[0]]}?" if near else ""


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; torch is not imported for the question."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in text or "can't allocate memory" in text)
