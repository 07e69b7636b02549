"""Names that came from outside: which may be a file's on every system, which look alike, how a terminal shows them.

A keyword, a file name, a rater or a class may hold anything: `aux`, which Windows opens as a device, a blank that only
one system drops, a character that turns the rest of the line around, an escape sequence of the terminal.
"""

import functools
import re
import unicodedata
from typing import TextIO

UNSAFE = re.compile(r'[/\\<>:"|?*]')
# Windows takes these for devices whatever the case, and with any ending: `NUL.txt` too.
DEVICES = re.compile(r"(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])", re.IGNORECASE)
# What is not seen: controls, direction overrides and other invisible characters, halves of pairs, line separators.
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
LONGEST_BYTES = 255  # of one part of a path, on all usual file systems


def check_plain(name: str, what: str = "the name") -> str:
    """Return `name` if a file or folder can have it on every system; else ValueError says what is wrong with it."""
    if reason := _fault(name):
        raise ValueError(f"{what} {name!r} is not a name that a file can have everywhere: {reason}")
    return name


def _fault(name: str) -> str:
    if name in ("", ".", ".."):
        return "it is empty or points to a folder"
    if has_hidden(name):
        return "it holds a character that is not seen"
    if found := UNSAFE.search(name):
        return f"it holds {found.group()!r}"
    if name != name.strip() or name.endswith("."):
        return "it begins or ends with a blank, or ends with a dot"
    if DEVICES.fullmatch(name.partition(".")[0].rstrip()):
        return "Windows opens a device of that name"
    if len(name.encode("utf-8")) > LONGEST_BYTES:
        return f"it is longer than {LONGEST_BYTES} bytes"
    return ""


def has_hidden(text: str) -> bool:
    """Whether a text holds control characters, direction overrides or others that are not seen."""
    return not text.isprintable() and any(unicodedata.category(character) in HIDDEN for character in text)


def check_seen(text: str, what: str) -> str:
    """Return `text` if all of it is seen when it is shown; else ValueError names it."""
    if has_hidden(text):
        raise ValueError(f"{what} {text!r} holds a character that is not seen")
    return text


@functools.lru_cache(maxsize=4096)  # a log holds the same few names a hundred thousand times
def identity(name: str) -> str:
    """The form in which two spellings of one name are equal: case, blanks and Unicode's composed forms do not count."""
    composed = unicodedata.normalize("NFKC", name).casefold()
    return unicodedata.normalize("NFKC", " ".join(composed.split()))


def visible(text: object) -> str:
    r"""Write a text so that a terminal only shows it: what is not seen but for line feeds and tabs becomes `\x1b`."""
    text = str(text)
    return text if text.isprintable() else "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in "\n\t" or unicodedata.category(character) not in HIDDEN:
        return character
    return character.encode("unicode_escape").decode("ascii")


class Shown:
    """A stream that is given text from outside and writes it `visible`; in all else the stream behind it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; returns how many characters were given."""
        self._stream.write(visible(text))
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
