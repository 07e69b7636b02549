"""What numbers mean: class ids, probabilities, logits, scores; and what makes a good model look bad is said."""

import numpy as np
import pytest

from cifar102.analysis.predictions import SetPredictions
from cifar102.evaluation import meaning


@pytest.fixture
def labels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(10, size=500)


def answers_to(labels: np.ndarray, rng: np.random.Generator, accuracy: float = 0.8) -> np.ndarray:
    return np.where(rng.random(len(labels)) < accuracy, labels, rng.integers(10, size=len(labels)))


def logits_of(ids: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(len(ids), 10)) + 6 * np.eye(10)[ids]


def softmax(rows: np.ndarray) -> np.ndarray:
    powers = np.exp(rows - rows.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def shortened(rows: np.ndarray) -> np.ndarray:
    """The values of bfloat16: the upper 16 bits of a float32."""
    return (rows.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)


@pytest.mark.parametrize("kind", ["u1", "i1", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("shape", [(-1,), (-1, 1), (1, -1)])
def test_class_ids_of_any_number_type_and_shape_are_class_ids(labels, kind, shape) -> None:
    found = meaning.of_outputs(labels.astype(kind).reshape(shape), labels, "mine")
    assert found.predictions.class_ids.tolist() == labels.tolist()
    assert (found.predictions.probabilities, found.notes) == (None, ())


def test_probabilities_are_themselves_and_nothing_is_said(labels, rng) -> None:
    shares = softmax(logits_of(labels, rng))
    found = meaning.of_outputs(shares, labels, "mine")
    assert np.allclose(found.predictions.probabilities, shares, rtol=0, atol=1e-12)
    assert found.notes == ()


@pytest.mark.parametrize("kind", ["f2", "bfloat16"])
def test_softmax_of_a_short_number_type_is_renormalised_and_never_softmaxed_again(labels, rng, kind) -> None:
    shares = softmax(logits_of(labels, rng))
    short = shortened(shares) if kind == "bfloat16" else shares.astype(kind)
    found = meaning.of_outputs(short, labels, "mine")
    assert np.abs(found.predictions.probabilities - shares).max() < 0.02
    assert np.allclose(found.predictions.probabilities.sum(axis=1), 1)
    assert bool([n for n in found.notes if "divided by its sum" in n]) == (np.abs(short.sum(axis=1) - 1).max() > 1e-3)


def test_probabilities_of_two_decimals_are_probabilities(labels, rng) -> None:
    found = meaning.of_outputs(np.round(softmax(logits_of(labels, rng) / 4), 2), labels, "mine")
    assert np.allclose(found.predictions.probabilities.sum(axis=1), 1)
    assert "few decimals" in found.notes[0]


def test_logits_are_softmaxed_and_said_so(labels, rng) -> None:
    rows = logits_of(labels, rng)
    found = meaning.of_outputs(rows.astype(np.float32), labels, "mine")
    assert np.allclose(found.predictions.probabilities, softmax(rows), atol=1e-5)
    assert "logits" in found.notes[0]


def test_log_probabilities_are_recognised_with_zeros_among_them(labels, rng) -> None:
    shares = softmax(logits_of(labels, rng))
    shares[3] = np.eye(10)[2]
    with np.errstate(divide="ignore"):
        found = meaning.of_outputs(np.log(shares), labels, "mine")
    assert np.allclose(found.predictions.probabilities, shares)
    assert "log probabilities" in found.notes[0]


def test_percent_and_votes_of_an_ensemble_are_shares_of_their_total(labels, rng) -> None:
    shares = softmax(logits_of(labels, rng))
    found = meaning.of_outputs(100 * shares, labels, "mine")
    assert np.allclose(found.predictions.probabilities, shares)
    assert "sums to 100" in found.notes[0]
    votes = rng.multinomial(7, shares)
    found = meaning.of_outputs(votes, labels, "mine")
    assert np.allclose(found.predictions.probabilities, votes / 7)


@pytest.mark.parametrize("kind", ["?", "i8", "f4"])
def test_one_hot_rows_are_class_ids_without_calibration_and_said_so(labels, kind) -> None:
    found = meaning.of_outputs(np.eye(10)[labels].astype(kind), labels, "mine")
    assert found.predictions.class_ids.tolist() == labels.tolist()
    assert found.predictions.probabilities is None
    assert "one-hot" in found.notes[0]


def test_scores_of_single_classes_give_class_ids_and_no_probabilities(labels, rng) -> None:
    found = meaning.of_outputs(1 / (1 + np.exp(-logits_of(labels, rng))), labels, "mine")
    assert found.predictions.probabilities is None
    assert "neither probabilities nor logits" in found.notes[0]
    quantised = np.round(8 * logits_of(labels, rng)).astype(np.int16)
    assert meaning.of_outputs(quantised, labels, "mine").predictions.probabilities is None


def test_the_users_word_on_logits_counts(labels, rng) -> None:
    rows = np.abs(logits_of(labels, rng))
    found = meaning.of_outputs(rows, labels, "mine", logits=True)
    assert np.allclose(found.predictions.probabilities, softmax(rows))
    with pytest.raises(ValueError, match=r"mine: values run from -.* expected probabilities 0-1, since these are no"):
        meaning.of_outputs(logits_of(labels, rng), labels, "mine", logits=False)
    with pytest.raises(ValueError, match=r"mine: found one number an image; expected rows of 10 logits"):
        meaning.of_outputs(labels, labels, "mine", logits=True)


def test_classes_counted_from_one_are_told_by_labels(labels, rng) -> None:
    ids = answers_to(labels, rng)
    found = meaning.of_outputs(ids + 1, labels, "mine")
    assert found.predictions.class_ids.tolist() == ids.tolist()
    assert f"({np.mean(ids == labels):.1%} are right)" in found.notes[0]
    with pytest.raises(ValueError, match=r"mine: found ids from 1 to 10; expected 500 class ids 0 to 9"):
        meaning.of_outputs(ids + 1, None, "mine")
    with pytest.raises(ValueError, match=r"mine: found ids from 1 to 10, and counted from 1 only .* are right"):
        meaning.of_outputs(rng.permutation(ids) + 1, labels, "mine")


def test_rows_with_two_classes_at_the_top_are_counted(labels, rng) -> None:
    shares = softmax(logits_of(labels, rng))
    shares[5] = 0.1
    assert any("1 of 500 rows have more than one" in note for note in meaning.of_outputs(shares, labels, "m").notes)


def changed(row: int, value: float) -> np.ndarray:
    rows = np.full((4, 10), 0.1)
    rows[row, 3] = value
    return rows


@pytest.mark.parametrize(
    ("values", "found", "expected"),
    [
        (np.zeros((4, 9)), r"shape \(4, 9\)", r"rows \(4, 10\)"),
        (np.zeros((10, 4)), r"shape \(10, 4\) \(rows and columns swapped", r"rows \(4, 10\)"),
        (np.zeros((4, 1000)), r"which these are is not guessed", r"rows \(4, 10\)"),
        (np.zeros((3, 10)), "found 3 predictions", r"class ids \(4,\)"),
        (changed(2, np.nan), "row 2 holds nan", "finite"),
        (changed(1, np.inf), "row 1 holds inf", "finite"),
        (np.array([0, 1, 2, np.nan]), "row 3 holds nan", "finite"),
        (np.array([0, 1, 2, 12]), "ids from 0 to 12", "4 class ids 0 to 9"),
        (np.array([-1, 1, 2, 3]), "ids from -1 to 3", "4 class ids 0 to 9"),
        (np.array([0.5, 1, 2, 3]), r"such as \[0.5\]", "4 class ids 0 to 9"),
        (np.array([True, False, True, True]), "such as", "4 class ids 0 to 9"),
        (np.array(["a", "b", "c", "d"]), "<U1 values", "class ids or rows"),
        (np.array([], dtype=int), "found 0 predictions", r"class ids \(4,\)"),
        (np.zeros((2, 4, 10)), r"shape \(2, 4, 10\)", r"rows \(4, 10\)"),
    ],
)
def test_what_is_no_prediction_is_refused_by_place_find_and_expectation(values, found, expected) -> None:
    with pytest.raises(ValueError, match=rf"^mine: .*{found}.*{expected}"):
        meaning.of_outputs(values, np.array([0, 1, 2, 3]), "mine")


def said(labels, ids) -> tuple[str, ...]:
    return meaning.warnings(SetPredictions(ids), labels, "mine")


def test_a_good_model_is_not_warned_of(labels, rng) -> None:
    assert said(labels, answers_to(labels, rng)) == ()
    assert said(labels, answers_to(labels, rng, 0.3)) == ()


def test_two_swapped_classes_are_named(labels, rng) -> None:
    order = np.array([0, 1, 2, 5, 4, 3, 6, 7, 8, 9])
    (sentence,) = said(labels, order[answers_to(labels, rng)])
    assert "3 (cat) seems to mean 5 (dog), 5 (dog) seems to mean 3 (cat); " in sentence


def test_another_class_order_is_named(labels, rng) -> None:
    (sentence,) = said(labels, (answers_to(labels, rng) + 1) % 10)
    assert "0 (airplane) seems to mean 9 (truck)" in sentence
    assert "Judged as it stands" in sentence


def test_a_model_that_takes_a_class_for_another_is_no_wrong_order(labels, rng) -> None:
    ids = answers_to(labels, rng)
    assert said(labels, np.where(ids == 3, 5, ids)) == ()


def test_chance_level_is_said_with_what_to_try(labels, rng) -> None:
    (sentence,) = said(labels, rng.integers(10, size=500))
    assert "no more than guessing gives" in sentence
    assert "--pixels" in sentence
    (sentence,) = said(labels, np.full(500, 3))
    assert "100% of the answers are class 3 (cat)" in sentence
    (sentence,) = said(labels, np.sort(labels))
    assert "class by class" in sentence


@pytest.mark.parametrize("n", [3, 20, 100, 10_000])
def test_guesses_of_any_number_are_no_wrong_order(n: int) -> None:
    for seed in range(20):
        random = np.random.default_rng(seed)
        assert meaning.renamed_classes(random.integers(10, size=n), random.integers(10, size=n)) == {}


def test_answers_that_are_all_right_are_asked_about(labels) -> None:
    many = np.resize(labels, 2000)
    (said,) = meaning.warnings(SetPredictions(many), many, "p.csv: cifar10")
    assert "all 2000 are right" in said and "true labels?" in said
    assert not meaning.warnings(SetPredictions(np.append(many[:-1], (many[-1] + 1) % 10)), many, "p.csv")
