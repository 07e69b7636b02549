"""The colours of the review pages: text and marks stand out from their ground as WCAG 2.1 AA asks."""

import re

import pytest

from cifar102.workspace.folders import REPOSITORY

STYLE = (REPOSITORY / "cifar102" / "review" / "pages" / "review.css").read_text(encoding="utf-8")
NAMED = dict(re.findall(r"--(\w+): (#[0-9a-f]{3,6})\b", STYLE))


def luminance(colour: str) -> float:
    """Relative luminance of `#rgb` or `#rrggbb` (WCAG 2.1, section 1.4.3)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    shares = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    darker, lighter = sorted(luminance(NAMED.get(name, name)) for name in (first, second))
    return (lighter + 0.05) / (darker + 0.05)


def test_black_on_white_is_21_to_1() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("ground", ["ground", "panel", "#ddf4ff", "#eaeef2"])
@pytest.mark.parametrize("text", ["ink", "soft"])
def test_text_has_a_contrast_of_at_least_4_5(text: str, ground: str) -> None:
    assert contrast(text, ground) >= 4.5


@pytest.mark.parametrize("mark", ["yes", "no", "unsure", "soft"])
def test_white_signs_on_marks_have_a_contrast_of_at_least_4_5(mark: str) -> None:
    assert contrast("#fff", mark) >= 4.5


def test_rules_that_set_text_and_ground_have_a_contrast_of_at_least_4_5() -> None:
    rules = re.findall(r"\{([^{}]*)\}", STYLE)
    pairs = []
    for rule in rules:
        found = dict(re.findall(r"(?:^|;|\s)(color|background): (#[0-9a-f]{3,6}|var\(--\w+\))", rule))
        if len(found) == 2:
            pairs.append([re.sub(r"var\(--(\w+)\)", r"\1", value) for value in found.values()])
    assert len(pairs) >= 5
    assert [pair for pair in pairs if contrast(*pair) < 4.5] == []


@pytest.mark.parametrize("line", ["line", "focus", "#9a6700", "yes", "no"])
@pytest.mark.parametrize("ground", ["ground", "panel"])
def test_frames_and_focus_have_a_contrast_of_at_least_3(line: str, ground: str) -> None:
    assert line in STYLE or line in NAMED
    assert contrast(line, ground) >= 3
