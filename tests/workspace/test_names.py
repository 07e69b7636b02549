"""Names from outside: plain ones, one person's spellings, and what a terminal is given."""

import sys

import pytest

from cifar102.workspace import names

PLAIN = (
    "tabby",
    "tom cat",
    "tabby_s_000123.png",
    "Käfer",
    "猫",
    "console",
    "com10",
    "auxiliary",
    ".hidden",
    "a.b.c",
    "+1",
)
NOT_PLAIN = (
    *("", ".", "..", "a/b", "a\\b", "C:x", "a\nb", "a\0b", "<b>", 'a"b', "a|b", "what?", "*"),
    *("CON", "aux", "NUL.txt", "COM1.png", "lpt9.tar.gz", "com¹", "PRN ", "nul .txt", "CONIN$", "Clock$"),
    *("dot.", "dots...", "blank ", " blank", "\u00a0blank", "tab\t"),
    *("abc\u202egnp.exe", "\u2066a", "a\u200bb", "\ufeffa", "a\u2028b", "a\x1b[31m", "a\x9b31m", "a\ud800b"),
    "a" * 256,
)


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_name_is_returned(name):
    assert names.check_plain(name) == name


@pytest.mark.parametrize("name", NOT_PLAIN, ids=ascii)
def test_a_name_that_some_system_cannot_have_is_refused(name):
    with pytest.raises(ValueError, match="is not a name that a file can have everywhere"):
        names.check_plain(name, "keyword")


@pytest.mark.parametrize(
    "typed", ["Zoë Ann", "zoë ann", "  Zoë  Ann ", "Zoe\u0308 Ann", "ZOË\u00a0ANN", "\uff3aoë ann"]
)
def test_one_person_is_one_rater_however_the_name_was_typed(typed):
    assert names.identity(typed) == names.identity("Zoë Ann") != names.identity("Zoe Ann")


def test_a_terminal_is_shown_what_would_steer_it():
    steering = "a\x1b[2Jb\rc\x07d\u202ee\x9bf\ud800"
    assert names.visible(steering) == "a\\x1b[2Jb\\rc\\x07d\\u202ee\\x9bf\\ud800"
    assert names.visible("two\nlines\tand ä 猫 👍") == "two\nlines\tand ä 猫 👍"
    assert names.visible(ValueError("\x1b]0;title\x07")) == "\\x1b]0;title\\x07"


def test_what_is_printed_is_shown_as_it_is(capsys):
    print("a\x1b[2J", file=names.Shown(sys.stdout))
    assert capsys.readouterr().out == "a\\x1b[2J\n"
