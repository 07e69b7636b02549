"""The coefficients of the registered score, fitted to planted copies of a pool, and what people say of its scores.

Other pools and image sizes have other look-alikes. Copies of a pool's own images are set against the images that the
shortlist takes for their partners; a logistic regression tells them apart. Pairs that people judged then say how a
score is to be read.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from cifar102.analysis.intervals import clopper_pearson
from cifar102.cifar import check_images
from cifar102.dedup import gradients, likeness, pair_table, registered_score
from cifar102.dedup.planted_copies import FITTED_CHANGES, plant_copies
from cifar102.dedup.registered_score import NUMBERS, Coefficients
from cifar102.dedup.similarity import grey
from cifar102.workspace.files import read_table

ROUNDS = 4  # of the fit; after each, negatives that look like copies are left out
SHORTLIST = 10
FEWEST = 20  # copies and negatives that a fit needs, each
LIMIT = pair_table.THRESHOLDS["registered"][0]
SAME, NOT, DIFFER = "both say same picture", "both say not", "they differ"
SAME_SHOT = 1  # a rater's answer in a table of judged pairs
RESAMPLES = 1000


@dataclass(frozen=True)
class Fit:
    """Fitted coefficients and what they were fitted to: planted, negatives (tables of planted and look_alikes)."""

    coefficients: Coefficients
    planted: pd.DataFrame
    negatives: pd.DataFrame


def calibrated(images: np.ndarray, count: int = 1000, seed: int = 0) -> Fit:
    """Fit the coefficients to planted copies of `count` images of a pool, uint8 (n, 32, 32, 3), drawn at random."""
    check_images(images)
    if not 1 <= count <= len(images) - 1:
        raise ValueError(
            f"images to plant: expected 1 to {len(images) - 1:,} of a pool of {len(images):,}, found {count}"
        )
    rows = np.sort(np.random.default_rng(seed).choice(len(images), count, replace=False))
    described = gradients.descriptors(images)
    copies = planted(images, described, rows, seed)
    negatives = look_alikes(images, described, rows)
    return Fit(fitted(copies, negatives), copies, negatives)


def planted(images: np.ndarray, described: np.ndarray, rows: np.ndarray, seed: int) -> pd.DataFrame:
    """Look at changed copies of the images `rows` beside their originals: kind, row, is_shortlisted and NUMBERS.

    described: gradients.descriptors of images. One row a copy, all kinds of FITTED_CHANGES; is_shortlisted: the
    original is among the 10 likeliest partners of its copy.
    """
    original, order, parts = grey(images[rows]), np.arange(len(rows)), []
    for kind in FITTED_CHANGES:
        copies = plant_copies(images[rows], kind, seed)
        near = gradients.shortlist(copies, described, min(SHORTLIST, len(images)))[1]
        numbers = registered_score.registered_numbers(grey(copies), original, order, order)
        table = pd.DataFrame(numbers, columns=list(NUMBERS))
        parts.append(table.assign(kind=kind, row=rows, is_shortlisted=(near == rows[:, None]).any(axis=1)))
    return pd.concat(parts, ignore_index=True)[["kind", "row", "is_shortlisted", *NUMBERS]]


def look_alikes(images: np.ndarray, described: np.ndarray, rows: np.ndarray) -> pd.DataFrame:
    """Look at the likeliest partners of the images `rows` in their own pool: query, reference and NUMBERS."""
    near = gradients.shortlist(images[rows], described, min(SHORTLIST, len(images) - 1), rows)[1]
    query, reference = np.repeat(rows, near.shape[1]), near.ravel()
    values = grey(images)
    numbers = pd.DataFrame(registered_score.registered_numbers(values, values, query, reference), columns=list(NUMBERS))
    return numbers.assign(query=query, reference=reference)[["query", "reference", *NUMBERS]]


def fitted(copies: pd.DataFrame, negatives: pd.DataFrame, rounds: int = ROUNDS) -> Coefficients:
    """Fit the coefficients of both scores by logistic regression.

    copies, negatives: tables with the columns NUMBERS; pairs that were not registered are left out. A pool holds real
    duplicates: before each round, negatives scored from the threshold of a duplicate on are dropped. At the end both
    constants are moved by one amount, so that the threshold calls as many negatives duplicates as it does with the
    published coefficients. ValueError where too few copies or negatives are registered.
    """
    kept = {name: table.loc[table["lncc"].notna(), list(NUMBERS)] for name, table in _named(copies, negatives)}
    for name, table in kept.items():
        if len(table) < FEWEST:
            raise ValueError(f"{name}: {len(table)} were registered, expected {FEWEST} or more; take more images")
    found, all_negatives = Coefficients(), kept["negatives"].to_numpy()
    for _ in range(rounds):
        unlike = kept["negatives"][registered_score.scores(all_negatives, found) < LIMIT]
        if len(unlike) < FEWEST:
            raise ValueError(f"negatives: {len(unlike)} of {len(all_negatives)} do not look like copies themselves")
        found = _anchored(_round(kept["planted copies"], unlike), all_negatives)
    return found


def _anchored(found: Coefficients, negatives: np.ndarray) -> Coefficients:
    """Move both constants so that as many negatives reach LIMIT as with the published coefficients (one at least)."""
    count = max(1, int((registered_score.scores(negatives) >= LIMIT).sum()))
    rise = LIMIT - float(np.sort(registered_score.scores(negatives, found))[-count])
    return replace(found, constant=found.constant + rise, trimmed_constant=found.trimmed_constant + rise)


def _named(copies: pd.DataFrame, negatives: pd.DataFrame) -> tuple[tuple[str, pd.DataFrame], ...]:
    return ("planted copies", copies), ("negatives", negatives)


def _round(copies: pd.DataFrame, negatives: pd.DataFrame) -> Coefficients:
    is_copy = np.repeat([True, False], [len(copies), len(negatives)])
    clipped = pd.concat([copies, negatives]).clip(likeness.LOWEST, likeness.HIGHEST).astype(np.float64)
    parts = []
    for local in ("lncc", "lncc_trimmed"):
        model = LogisticRegression(C=np.inf, max_iter=1000).fit(np.arctanh(clipped[[local, "hpw"]].to_numpy()), is_copy)
        parts += [*model.coef_[0], model.intercept_[0]]
    return Coefficients(*map(float, parts))


def planted_table(fit: Fit) -> pd.DataFrame:
    """What is found of each planted kind: kind, n, shortlisted, then for the former and the fitted coefficients.

    Columns of these: found (shares with a score of at least LIMIT, and shortlisted), low, high (Clopper-Pearson, 95 %),
    with _fitted behind the name for the fitted ones. The last row, `look-alikes`, is the share of the negatives so
    scored: some are real duplicates, so it is an upper bound of the false alarms among shortlisted pairs.
    """
    parts = [(kind, table, table["is_shortlisted"]) for kind, table in fit.planted.groupby("kind", sort=False)]
    parts.append(("look-alikes", fit.negatives, pd.Series(True, fit.negatives.index)))
    rows = []
    for kind, table, is_near in parts:
        row: dict[str, object] = {"kind": kind, "n": len(table), "shortlisted": float(is_near.mean())}
        for suffix, coefficients in (("", Coefficients()), ("_fitted", fit.coefficients)):
            hits = (registered_score.scores(table[list(NUMBERS)].to_numpy(), coefficients) >= LIMIT) & is_near
            row |= {f"found{suffix}": float(hits.mean())}
            row |= dict(
                zip((f"low{suffix}", f"high{suffix}"), clopper_pearson(int(hits.sum()), len(hits)), strict=True)
            )
        rows.append(row)
    return pd.DataFrame(rows)


def read_judged(path: Path, num_queries: int, num_references: int) -> pd.DataFrame:
    """Read pairs that two people judged: query, reference, mirrored bool, said (SAME, NOT or DIFFER).

    path: a table with the columns query and reference (or test and train), row numbers, mirrored (0, 1), first and
    second: each rater's answer, 1 for the same picture. Where they differ the truth is unknown. ValueError for other
    columns or rows outside the sets.
    """
    table = read_table(Path(path)).rename(columns={"test": "query", "train": "reference"})
    if missing := [name for name in ("query", "reference", "mirrored", "first", "second") if name not in table]:
        raise ValueError(f"{path}: expected columns query, reference, mirrored, first, second; {missing} are missing")
    for name, size in (("query", num_queries), ("reference", num_references)):
        if len(table) and not table[name].between(0, size - 1).all():
            low, high = table[name].min(), table[name].max()
            raise ValueError(f"{path}: {name}: expected row numbers 0 to {size - 1}, found {low} to {high}")
    same = [table[rater] == SAME_SHOT for rater in ("first", "second")]
    said = np.select([same[0] & same[1], ~same[0] & ~same[1]], [SAME, NOT], DIFFER)
    found = table[["query", "reference"]].astype(np.int64)
    return found.assign(mirrored=table["mirrored"].astype(bool), said=said)


def judged_scores(
    judged: pd.DataFrame, queries: np.ndarray, references: np.ndarray, coefficients: Coefficients
) -> pd.DataFrame:
    """Add `score` to judged pairs: each is looked at directly, its query laid under its reference, without a search."""
    scores, others = np.empty(len(judged)), grey(references)
    for is_mirrored in (False, True):
        part = np.flatnonzero(judged["mirrored"] == is_mirrored)
        images = grey(queries[:, :, ::-1] if is_mirrored else queries)
        ends = (judged[name].to_numpy(np.int64)[part] for name in ("query", "reference"))
        scores[part] = registered_score.scores(registered_score.registered_numbers(images, others, *ends), coefficients)
    return judged.assign(score=scores)


def judged_table(scored: pd.DataFrame) -> pd.DataFrame:
    """How many judged pairs are called duplicates: mirrored, said, found, n, share, low, high (95 %)."""
    limits = np.where(scored["mirrored"], pair_table.MIRRORED, LIMIT)
    hits = scored.assign(is_found=scored["score"].to_numpy() >= limits)
    rows = []
    for is_mirrored in (False, True):
        for said in (SAME, NOT, DIFFER):
            part = hits.loc[(hits["mirrored"] == is_mirrored) & (hits["said"] == said), "is_found"]
            if len(part):
                count = int(part.sum())
                share = (count, len(part), count / len(part), *clopper_pearson(count, len(part)))
                rows.append((is_mirrored, said, *share))
    return pd.DataFrame(rows, columns=["mirrored", "said", "found", "n", "share", "low", "high"])


def probability_table(scored: pd.DataFrame, scores: tuple[float, ...], seed: int = 0) -> pd.DataFrame:
    """The probability that two people call a pair of each score the same picture.

    Returns mirrored, score, n, probability, low, high. A logistic curve through the registered pairs on which both
    agree; low and high are the 2.5 and 97.5 percentiles over RESAMPLES resamples of the pairs. Straight or mirrored
    pairs are left out where they have only one answer.
    """
    rng, rows = np.random.default_rng(seed), []
    known = scored[(scored["said"] != DIFFER) & (scored["score"] > registered_score.LOWEST)]
    for is_mirrored, part in known.groupby("mirrored"):
        values, same = part["score"].to_numpy(), (part["said"] == SAME).to_numpy()
        if same.all() or not same.any():
            continue
        draws = (rng.integers(0, len(part), len(part)) for _ in range(RESAMPLES))
        curves = [_curve(values[draw], same[draw], scores) for draw in draws if 0 < same[draw].sum() < len(draw)]
        low, high = np.percentile(curves, (2.5, 97.5), axis=0)
        middle = _curve(values, same, scores)
        rows += [(is_mirrored, *row) for row in zip(scores, [len(part)] * len(scores), middle, low, high, strict=True)]
    return pd.DataFrame(rows, columns=["mirrored", "score", "n", "probability", "low", "high"])


def _curve(values: np.ndarray, same: np.ndarray, scores: tuple[float, ...]) -> np.ndarray:
    """A ridge of 1 keeps the slope finite where a score separates the answers, as it does in small samples."""
    return LogisticRegression(C=1).fit(values[:, None], same).predict_proba(np.reshape(scores, (-1, 1)))[:, 1]
