"""Words that many messages share: how long something takes, and what a misspelt name may have meant."""

import difflib
from collections.abc import Iterable


def duration(seconds: float) -> str:
    """Write seconds in at most two units: `7.4 s`, `3 min 20 s`, `1 h 05 min`."""
    seconds = max(0.0, seconds)
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def close_names(word: str, known: Iterable[str]) -> list[str]:
    """Return up to three of the `known` names that are spelt like `word`, the nearest first."""
    return difflib.get_close_matches(str(word), sorted(set(known)), n=3, cutoff=0.6)


def near_names(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """Say which of the `known` names a misspelt `word` may have meant, as the end of an error message.

    Where none is near it reads `otherwise`, by default all of the known names.
    """
    known = sorted(set(known))
    close = close_names(word, known)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return otherwise or f"expected one of {', '.join(known) or 'none'}"
