"""Agreement is Cohen's kappa, Fleiss' kappa or Krippendorff's alpha, as scikit-learn and statsmodels count them."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from cifar102.annotations import kappa, votes
from tests.annotations.test_votes import table_of, vote


def random_votes(rng, raters, count=60):
    codes = rng.integers(0, 3, (count, 1)) * (rng.random((count, len(raters))) < 0.8)
    return codes, table_of(
        *(vote(i, r, votes.VERDICTS[codes[i, k]]) for i in range(count) for k, r in enumerate(raters))
    )


def test_agreement_of_two_raters_is_cohens_kappa_of_scikit_learn(rng):
    codes, table = random_votes(rng, ["ann", "bob"])
    found = kappa.agreement(table)
    assert (found.measure, found.n, found.num_raters) == ("cohen", 60, 2)
    assert found.kappa == pytest.approx(cohen_kappa_score(codes[:, 0], codes[:, 1]))
    assert found.low < found.kappa < found.high
    assert found == kappa.agreement(table.sample(frac=1, random_state=0))


def test_bootstrap_interval_is_that_of_resampled_images(rng):
    codes, table = random_votes(rng, ["ann", "bob"])
    found = kappa.agreement(table)
    draws = [codes[rng.integers(0, 60, 60)] for _ in range(1000)]
    low, high = np.quantile([cohen_kappa_score(d[:, 0], d[:, 1]) for d in draws], [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low, abs=0.03), pytest.approx(high, abs=0.03))


def test_agreement_of_three_raters_is_fleiss_kappa_of_statsmodels(rng):
    codes, table = random_votes(rng, ["ann", "bob", "eve"])
    counts = np.stack([(codes == code).sum(axis=1) for code in range(3)], axis=1)
    found = kappa.agreement(table, resamples=50)
    assert (found.measure, found.n) == ("fleiss", 60) and found.kappa == pytest.approx(fleiss_kappa(counts))


def test_krippendorff_alpha_of_a_hand_worked_example():
    # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example B: two observers, 10 units, nominal
    # binary data, alpha = 0.095
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    given = [vote(i, r, votes.VERDICTS[x]) for r, row in (("a", first), ("b", second)) for i, x in enumerate(row)]
    found = kappa.agreement(table_of(*given), measure="krippendorff", resamples=0)
    assert round(found.kappa, 3) == 0.095


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([vote(1), vote(2)], "two raters"),
        ([vote(1, "ann"), vote(2, "bob")], "no image"),
        ([vote(i, r) for i in range(4) for r in ("ann", "bob")], "the same"),
        ([vote(i, r) for i in range(4) for r in ("ann", "bob", "eve")], "the same"),
    ],
)
def test_agreement_that_is_undefined_says_why(given, reason):
    found = kappa.agreement(table_of(*given))
    assert found.kappa is None and reason in found.reason


def test_agreement_is_told_per_class_and_keyword():
    given = [
        vote(i, r, "yes" if i % 2 else "no", w) for i in range(8) for r in "ab" for w in (["tabby", "tom"][i // 4],)
    ]
    table = kappa.agreement_by(table_of(*given), "keyword", resamples=5)
    assert table[["keyword", "kappa", "n"]].to_numpy().tolist() == [["tabby", 1.0, 4], ["tom", 1.0, 4]]
