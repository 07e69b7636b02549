"""The score of the registered rule: pairs that pass the gate are laid on each other, and two numbers become one."""

from dataclasses import astuple, dataclass

import numpy as np
import scipy.special

from cifar102.dedup import gate, likeness, registration

PASSED = 0.8  # correlation at half size from which a pair is registered
LOWEST, HIGHEST = -15.0, 15.0  # of a score; a pair that is not registered has the lowest
NUMBERS = ("gate", "lncc", "hpw", "lncc_trimmed")


@dataclass(frozen=True)
class Coefficients:
    """Score = lncc * atanh(local correlation) + hpw * atanh(fine likeness) + constant.

    The trimmed score leaves out the worst fifth of the windows, for text and blocks laid over an image. The defaults
    were fitted to planted copies of CIFAR-10 against hard negatives; `calibrate` fits others.
    """

    lncc: float = 5.926
    hpw: float = 5.026
    constant: float = -11.743
    trimmed_lncc: float = 5.786
    trimmed_hpw: float = 3.099
    trimmed_constant: float = -12.963


def registered_numbers(a: np.ndarray, b: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Look at the pairs a[first[i]], b[second[i]]: float32 (p, 4), the columns NUMBERS.

    a, b: grey uint8 (n, 32, 32), (m, 32, 32); first, second: int64 (p,); pairs with the same first together are faster.
    Below PASSED in the gate, and where no registration inside the limits was found, the other three are NaN.
    """
    numbers = np.full((len(first), len(NUMBERS)), np.nan, np.float32)
    numbers[:, 0], passed, fits = _fits(a, b, first, second)
    numbers[passed, 1:] = likeness.likenesses(a, b, first[passed], second[passed], fits)
    return numbers


def fits_of(queries: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lay each reference on the query of its row: which pairs are laid, int64 (p,), and their fits, float32 (p, 8).

    queries, references: grey uint8 (n, 32, 32). The fits are those of registration.register_pairs; pairs that the gate
    does not let pass, or for which no fit is believable, are left out.
    """
    rows = np.arange(len(queries))
    _, laid, fits = _fits(queries, references, rows, rows)
    return laid, fits


def _fits(
    a: np.ndarray, b: np.ndarray, first: np.ndarray, second: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the gate says of each pair, which pairs pass it and are registered, and the fits of these."""
    overlaps, fits = gate.best_overlaps(registration.halves(a), registration.halves(b), first, second)
    passed = np.flatnonzero(overlaps >= PASSED)
    fits = fits[passed]
    found = registration.register_pairs(a, b, first[passed], second[passed], fits)
    return overlaps, passed[found], fits[found]


def scores(numbers: np.ndarray, coefficients: Coefficients = Coefficients()) -> np.ndarray:
    """Turn the numbers of pairs, (p, 4), into scores, float64 (p,), from LOWEST to HIGHEST."""
    lncc, hpw, trimmed = np.arctanh(np.clip(numbers[:, 1:], likeness.LOWEST, likeness.HIGHEST).astype(np.float64)).T
    a, b, c, d, e, f = astuple(coefficients)
    score = np.fmax(a * lncc + b * hpw + c, d * trimmed + e * hpw + f)
    return np.clip(np.where(np.isnan(lncc), LOWEST, score), LOWEST, HIGHEST)


STRAIGHT_ODDS, MIRRORED_ODDS = (-0.063, 0.727), (-4.532, 1.159)  # logistic, of the pairs that two people judged


def probabilities(scores: np.ndarray, is_mirrored: bool) -> np.ndarray:
    """The probability that two people call a pair of this score the same picture, float64 (p,), as calibrated."""
    constant, slope = MIRRORED_ODDS if is_mirrored else STRAIGHT_ODDS
    return scipy.special.expit(constant + slope * np.asarray(scores, np.float64))
