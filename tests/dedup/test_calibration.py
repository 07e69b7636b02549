"""Coefficients fitted to planted copies, and scores beside what people said: known cases give known tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102.dedup import calibration, registered_score
from cifar102.dedup.planted_copies import FITTED_CHANGES
from cifar102.dedup.registered_score import NUMBERS, Coefficients
from tests.dedup.test_registered_score import pictures, small


def numbers(rng: np.random.Generator, count: int, middle: float) -> pd.DataFrame:
    """Pairs whose numbers, before they are squeezed into -1 to 1, lie about `middle`."""
    values = np.tanh(rng.normal(middle, 0.25, (count, len(NUMBERS))))
    return pd.DataFrame(values, columns=list(NUMBERS))


def test_fitted_coefficients_tell_copies_from_look_alikes(rng: np.random.Generator) -> None:
    copies, others = numbers(rng, 300, 2.0), numbers(rng, 300, 0.7)
    found = calibration.fitted(copies, others)
    scores = [registered_score.scores(table.to_numpy(np.float32), found) for table in (copies, others)]
    assert np.median(scores[0]) > calibration.LIMIT > np.median(scores[1])
    assert min(found.lncc, found.hpw, found.trimmed_lncc, found.trimmed_hpw) > 0


def test_the_fitted_threshold_calls_as_many_look_alikes_copies_as_the_published_one(rng: np.random.Generator) -> None:
    copies, others = numbers(rng, 300, 1.6), pd.concat([numbers(rng, 280, 0.8), numbers(rng, 20, 2.0)])
    found = calibration.fitted(copies, others)
    flagged = [registered_score.scores(others.to_numpy(), c) >= calibration.LIMIT for c in (Coefficients(), found)]
    assert flagged[0].sum() > 0
    assert abs(int(flagged[1].sum()) - int(flagged[0].sum())) <= 1  # the last one stands at the threshold itself


def test_too_few_pairs_are_said(rng: np.random.Generator) -> None:
    nothing = numbers(rng, 30, 1.0).assign(lncc=np.nan)
    with pytest.raises(ValueError, match="negatives: 0 were registered, expected 20 or more"):
        calibration.fitted(numbers(rng, 30, 2.0), nothing)


def test_planted_copies_of_a_pool_are_counted_by_kind(rng: np.random.Generator) -> None:
    images = np.array([small(picture) for picture in pictures(rng, 60)])
    rows, described = np.arange(20), calibration.gradients.descriptors(images)
    copies = calibration.planted(images, described, rows, seed=0)
    negatives = calibration.look_alikes(images, described, rows)
    assert copies.groupby("kind").size().to_dict() == dict.fromkeys(FITTED_CHANGES, 20)
    assert (negatives["query"] != negatives["reference"]).all()
    table = calibration.planted_table(calibration.Fit(Coefficients(), copies, negatives)).set_index("kind")
    assert (table["found"] == table["found_fitted"]).all()
    assert (table["found"] <= table["shortlisted"]).all()
    assert table.loc["look-alikes", "found"] == 0
    assert table.loc[["shift", "zoom_out", "recolour"], "found"].min() >= 0.9


def judged(scores: list[float], said: list[str], mirrored: bool = False) -> pd.DataFrame:
    return pd.DataFrame({"query": 0, "reference": 0, "mirrored": mirrored, "said": said, "score": scores})


def test_judged_pairs_are_counted_by_what_both_raters_said() -> None:
    said = [calibration.SAME] * 3 + [calibration.NOT, calibration.DIFFER]
    straight = judged([2, 1.5, 1.4, 3, -15], said)
    mirrored = judged([4.9, 5], [calibration.SAME] * 2, mirrored=True)
    table = calibration.judged_table(pd.concat([straight, mirrored]))
    counts = table[["mirrored", "said", "found", "n"]].to_numpy().tolist()
    assert counts[:3] == [
        [False, calibration.SAME, 2, 3],
        [False, calibration.NOT, 1, 1],
        [False, calibration.DIFFER, 0, 1],
    ]
    assert counts[3:] == [[True, calibration.SAME, 1, 2]]
    assert ((table["low"] <= table["share"]) & (table["share"] <= table["high"])).all()


def test_the_probability_rises_with_the_score_and_pairs_that_differ_do_not_count(rng: np.random.Generator) -> None:
    scores = rng.normal(0, 4, 120)
    said = np.where(scores + rng.normal(0, 2, 120) > 0, calibration.SAME, calibration.NOT).tolist()
    table = calibration.probability_table(judged(scores.tolist(), said), (-5.0, 0.0, 5.0))
    assert table["probability"].is_monotonic_increasing
    assert ((table["low"] < table["probability"]) & (table["probability"] < table["high"])).all()
    unknown = judged([9.0] * 50, [calibration.DIFFER] * 50)
    again = calibration.probability_table(pd.concat([judged(scores.tolist(), said), unknown]), (-5.0, 0.0, 5.0))
    pd.testing.assert_frame_equal(table, again)


def test_judged_pairs_are_read_and_wrong_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "judged.csv"
    path.write_text("test,train,mirrored,first,second\n0,4,0,1,1\n1,3,1,0,2\n2,0,0,1,0\n")
    table = calibration.read_judged(path, 3, 5)
    assert table["said"].tolist() == [calibration.SAME, calibration.NOT, calibration.DIFFER]
    assert table["mirrored"].tolist() == [False, True, False]
    with pytest.raises(ValueError, match="reference: expected row numbers 0 to 3, found 0 to 4"):
        calibration.read_judged(path, 3, 4)
    path.write_text("test,train\n0,4\n")
    with pytest.raises(ValueError, match="'mirrored', 'first', 'second'"):
        calibration.read_judged(path, 3, 5)


def test_the_score_finds_four_fifths_of_the_real_pairs_that_two_people_call_the_same(real_data: Path) -> None:
    path = real_data / "judged_pairs" / "cifar10_test_train.csv"
    if not path.is_file():
        path = Path(__file__).parents[3] / "shared" / "data" / "judged_pairs" / "cifar10_test_train.csv"
    if not path.is_file():
        pytest.skip("the judged pairs are not here: put them into CIFAR102_DATA/judged_pairs")
    from cifar102 import cifar

    parts = cifar.load_cifar10(real_data / "cifar-10-batches-py")
    pairs = calibration.read_judged(path, len(parts["test"]), len(parts["train"]))
    scored = calibration.judged_scores(pairs, parts["test"].images, parts["train"].images, Coefficients())
    table = calibration.judged_table(scored).set_index(["mirrored", "said"])["found"]
    assert table[False, calibration.SAME] >= 100  # of 123; 103 when this was written
    assert table[False, calibration.NOT] <= 6  # of 93
    assert table[True, calibration.SAME] >= 20  # of 22
