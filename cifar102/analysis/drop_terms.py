"""The three terms of a drop in accuracy between two test sets (Recht et al. 2019), with bounds."""

import pandas as pd

from cifar102.analysis import intervals

TERMS = ("drop", "adaptivity", "distribution", "generalization")


def decompose(
    original: pd.DataFrame,
    new: pd.DataFrame,
    fresh: pd.DataFrame | None = None,
    *,
    models_tested: int = 1,
    level: float = 0.95,
) -> pd.DataFrame:
    """Split each model's drop acc(S) - acc(S') into adaptivity, distribution and generalization terms.

    original (S), new (S'), fresh: accuracy tables of the same models; fresh is a further sample of the original
    distribution D that no one selected models on (the placebo). With D' the new distribution, in accuracy: adaptivity
    = acc(S) - acc(D), distribution = acc(D) - acc(D'), generalization = acc(D') - acc(S'); they sum to the drop.

    Nobody knows acc(D) and acc(D'); each term has an estimate and bounds at `level` (95 %), singly: generalization
    from the exact interval of S', which is fresh by design (estimate 0). Adaptivity from the exact interval of the
    fresh sample; without one from that of S at 1 - (1 - level) / models_tested, which holds where the best of that
    many models fixed beforehand was chosen on S (estimate 0: it is assumed, not measured). Distribution: the drop
    less adaptivity, with Newcombe's interval of fresh (else S) against S'. For all three at once pass level = 1 - (1
    - level) / 3. Returns rows model, term, value, low, high, source, level. Source: Recht et al. 2019 (arXiv
    1902.10811), section 2.
    """
    if models_tested < 1:
        raise ValueError(f"models_tested: expected at least 1, found {models_tested}")
    tables = {"original": original, "new": new} | ({} if fresh is None else {"fresh": fresh})
    missing = {name: sorted(set(original["model"]) ^ set(table["model"])) for name, table in tables.items()}
    if any(missing.values()) or not len(original):
        raise ValueError(f"expected the same models in all tables, found these in some only: {missing}")
    counts = {name: table.set_index("model")[["correct", "n"]] for name, table in tables.items()}
    rows = []
    for model in original["model"]:
        chosen = {name: tuple(int(value) for value in table.loc[model]) for name, table in counts.items()}
        rows += [(model, *row, level) for row in _terms(chosen, models_tested, level)]
    return pd.DataFrame(rows, columns=["model", "term", "value", "low", "high", "source", "level"])


def _terms(counts: dict[str, tuple[int, int]], models_tested: int, level: float) -> list[tuple]:
    share = {name: correct / n for name, (correct, n) in counts.items()}
    drop = share["original"] - share["new"]
    rows = [("drop", drop, *intervals.newcombe(*counts["original"], *counts["new"], level), "Newcombe")]
    reference = "fresh" if "fresh" in counts else "original"
    adaptivity = share["original"] - share[reference]
    single = level if reference == "fresh" else 1 - (1 - level) / models_tested
    low, high = intervals.clopper_pearson(*counts[reference], single)
    source = "fresh sample" if reference == "fresh" else f"interval of the original set, {models_tested} models"
    rows.append(("adaptivity", adaptivity, share["original"] - high, share["original"] - low, source))
    limits = intervals.newcombe(*counts[reference], *counts["new"], level)
    rows.append(("distribution", share[reference] - share["new"], *limits, f"Newcombe, {reference} against new"))
    low, high = intervals.clopper_pearson(*counts["new"], level)
    rows.append(("generalization", 0.0, low - share["new"], high - share["new"], "interval of the new set"))
    return rows
