"""Hard images and people's uncertainty."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102.analysis import single_images


def test_image_that_no_model_gets_right_comes_first_with_what_they_said() -> None:
    models = {"a": np.array([0, 3, 5]), "b": np.array([0, 3, 7]), "c": np.array([0, 4, 7])}
    table = single_images.difficulty_table(models, np.array([0, 5, 7]))
    assert table["row"].tolist() == [1, 2, 0]
    assert table["num_right"].tolist() == [0, 2, 3]
    assert table["most_said"].tolist() == ["cat", "horse", "airplane"]


def test_entropy_is_zero_for_one_answer_and_one_bit_for_two() -> None:
    counts = np.zeros((3, 10), dtype=int)
    counts[0, 4], counts[1, [1, 2]], counts[2] = 50, 25, 5
    assert single_images.human_entropy(counts) == pytest.approx([0, 1, np.log2(10)])


def test_bins_hold_every_image_once_in_order_of_entropy(rng: np.random.Generator) -> None:
    labels = rng.integers(10, size=300)
    counts = rng.multinomial(50, np.full(10, 0.1), size=300)
    counts[:100] = 50 * np.eye(10, dtype=int)[labels[:100]]
    table = single_images.accuracy_by_entropy({"m": labels, "n": (labels + 1) % 10}, labels, counts, bins=4)
    assert table.groupby("model")["n"].sum().to_dict() == {"m": 300, "n": 300}
    first = table[table["model"] == "m"]
    assert first["n"].iloc[0] == 100
    assert first["entropy_low"].is_monotonic_increasing
    assert first["human_accuracy"].iloc[0] == 1
    assert (first["entropy_high"].to_numpy()[:-1] <= first["entropy_low"].to_numpy()[1:]).all()
    assert set(table["accuracy"]) == {0, 1}
    curves = single_images.entropy_curves(table, ["m"], people="people")
    assert curves["model"].unique().tolist() == ["m", "people"]
    people = curves[curves["model"] == "people"]
    assert people["accuracy"].tolist() == first["human_accuracy"].tolist() and people["low"].isna().all()


def test_sheet_shows_the_hardest_first_and_says_what_was_said() -> None:
    models = {"a": np.array([0, 3, 5]), "b": np.array([0, 3, 7])}
    sheet = single_images.hard_images(
        single_images.difficulty_table(models, np.array([0, 5, 7])), "cifar10-test", count=2
    )
    assert sheet["row"].tolist() == [1, 2]
    assert sheet["caption"].tolist() == ["cat\nis dog", "dog\nis horse"]
    assert sheet["group"].tolist() == ["no model of 2 is right", "few models are right"]


@pytest.mark.real_data
def test_people_agree_with_the_labels_on_most_real_images(real_data: Path) -> None:
    path = real_data / "cifar-10h" / "cifar10h-counts.npy"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    counts = np.load(path)
    assert (counts.sum(axis=1) >= 40).all()
    assert 0.1 < single_images.human_entropy(counts).mean() < 0.5


def pair_table(*rows: tuple[int, str, int, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["query", "reference_set", "reference", "verdict"])


GROUPS = pd.DataFrame(
    [
        *((0, "candidates", 7), (0, "cifar10-test", 2), (1, "candidates", 8), (1, "cifar10-train", 5)),
        *((2, "cifar10-test", 0), (2, "candidates", 3), (2, "candidates", 4)),
    ],
    columns=["group", "set", "row"],
)
PAIRS = pair_table(
    (7, "cifar10-train", 11, "duplicate"),
    (3, "cifar10-train", 12, "review"),
    (3, "candidates", 20, "duplicate"),
    (3, "candidates", 3, "duplicate"),
    (9, "cifar10-test", 11, "duplicate"),
)


def test_test_images_are_found_among_the_candidates_by_their_exact_copy() -> None:
    assert single_images.candidates_of_images(GROUPS, "cifar10-test", 4).tolist() == [3, -1, 7, -1]
    with pytest.raises(ValueError, match="cifar10-test has a row 2, the set has 2 images"):
        single_images.candidates_of_images(GROUPS, "cifar10-test", 2)


def test_only_duplicates_of_training_images_count() -> None:
    candidates = np.array([3, -1, 7, 8, 9])
    assert single_images.has_copy(candidates, PAIRS, GROUPS).tolist() == [False, False, True, True, False]


def test_images_of_the_new_sets_are_looked_up_in_the_order_of_their_files() -> None:
    splits = {"split": ["test", "test", "leftover", "train"], "row": [1, 0, 0, 0], "candidate": [9, 7, 8, 3]}
    found = single_images.copies_in_train(
        np.array([-1, 7]), pd.DataFrame(splits), PAIRS, GROUPS, train_rows=np.array([5, 11])
    )
    assert {name: flags.tolist() for name, flags in found.items()} == {
        "cifar10": [False, True], "cifar102": [True, False], "cifar102-leftover": [True],
    }  # fmt: skip


def test_training_rows_that_were_not_used_do_not_count() -> None:
    candidates = np.array([7, 8])
    for rows, expected in (([11], [True, False]), ([5], [False, True]), ([99], [False, False])):
        assert single_images.has_copy(candidates, PAIRS, GROUPS, train_rows=np.array(rows)).tolist() == expected


def test_candidates_that_were_trained_on_count_but_an_image_is_no_copy_of_itself() -> None:
    found = [
        single_images.has_copy(np.array([3]), PAIRS, GROUPS, train_candidates=np.array([chosen]))[0]
        for chosen in (20, 3, 21)
    ]
    assert found == [True, False, False]


def test_gap_without_duplicates_leaves_out_just_these_images() -> None:
    labels = np.arange(20) % 10
    easy = np.arange(20) < 5
    said = np.where(easy | (np.arange(20) < 15), labels, (labels + 1) % 10)
    new = (
        {"m": np.where(np.arange(10) < 5, np.arange(10), (np.arange(10) + 1) % 10)},
        np.arange(10),
        np.zeros(10, dtype=bool),
    )
    table = single_images.gap_without_copies_table(({"m": said}, labels, easy), new).set_index("subset")
    assert table.loc["all", ["original", "new", "n_original"]].tolist() == [0.75, 0.5, 20]
    assert table.loc["without duplicates", "original"] == pytest.approx(10 / 15)
    assert table.loc["without duplicates", ["n_original", "n_new"]].tolist() == [15, 10]
    assert (table["low"] < table["gap"]).all() and (table["gap"] < table["high"]).all()


def test_a_gap_of_harder_images_goes_and_one_at_equal_difficulty_stays(rng: np.random.Generator) -> None:
    def draw(n: int, hard_share: float, loss: float) -> np.ndarray:
        chance = np.where(rng.random(n) < hard_share, 0.2, 0.95) - loss
        return rng.random((n, 20)) < chance[:, None]

    harder = single_images.difficulty_matched_gap(draw(3_000, 0.1, 0), draw(2_000, 0.3, 0), resamples=40).iloc[0]
    assert harder["gap"] == pytest.approx(0.15, abs=0.03) and abs(harder["matched"]) < 0.01
    other = single_images.difficulty_matched_gap(draw(3_000, 0.1, 0), draw(3_000, 0.1, 0), resamples=40).iloc[0]
    assert other["matched_low"] < 0 < other["matched_high"]
    with pytest.raises(ValueError, match="4 or more models"):
        single_images.difficulty_matched_gap(np.ones((5, 3)), np.ones((5, 3)))
