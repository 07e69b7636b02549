"""What stands in the way of a candidate is said of the right candidate."""

import pandas as pd
import pytest

from cifar102.dedup import screening

GROUPS = pd.DataFrame(
    [
        (0, "candidates", 1, 0, False),
        (0, "cifar10-train", 7, 0, False),
        (1, "candidates", 2, 0, False),
        (1, "candidates", 3, 0, False),
        (2, "candidates", 4, 1, True),
        (2, "candidates", 6, 2, True),
        (3, "candidates", 5, 1, False),
        (3, "cifar10.1-v4", 0, 1, False),
    ],
    columns=["group", "set", "row", "label", "is_label_conflict"],
)
PAIRS = pd.DataFrame(
    [
        (0, "cifar10-test", 11, 0.80, "duplicate"),
        (1, "cifar10-train", 7, 1.00, "duplicate"),
        (7, "cifar10-train", 9, 0.60, "review"),
        (7, "cifar10-test", 3, 0.70, "review"),
        (8, "candidates", 9, 0.90, "duplicate"),
        (9, "cifar10-train", 2, 0.76, "duplicate"),
    ],
    columns=["query", "reference_set", "reference", "ssim", "verdict"],
)


@pytest.fixture
def screened() -> pd.DataFrame:
    return screening.screen(pd.DataFrame({"candidate": range(10)}), GROUPS, PAIRS, 10).set_index("candidate")


def test_a_duplicate_of_a_test_image_is_out(screened: pd.DataFrame) -> None:
    assert screened.index[screened["is_test_duplicate"]].tolist() == [0, 5]


def test_a_duplicate_of_a_train_image_is_marked_and_stays(screened: pd.DataFrame) -> None:
    assert screened.index[screened["in_cifar10_train"]].tolist() == [1, 9]
    assert screened.loc[[1, 9], "is_eligible"].all()


def test_of_copies_the_first_stays_and_conflicts_go(screened: pd.DataFrame) -> None:
    assert screened.index[screened["is_copy"]].tolist() == [3, 6]
    assert screened.index[screened["is_label_conflict"]].tolist() == [4, 6]
    assert screened.index[~screened["is_eligible"]].tolist() == [0, 3, 4, 5, 6]


def test_a_copy_stays_when_its_twin_was_not_accepted() -> None:
    found = screening.screen(pd.DataFrame({"candidate": [3, 8]}), GROUPS, PAIRS, 10)
    assert not found["is_copy"].any()


def test_near_duplicates_and_copies_share_a_group(screened: pd.DataFrame) -> None:
    group = screened["group"]
    assert group[8] == group[9] and group[2] == group[3] and group.nunique() == 7


def test_the_nearest_is_the_most_similar_and_a_review_is_no_verdict(screened: pd.DataFrame) -> None:
    assert screened.loc[7, ["nearest_set", "nearest_row"]].tolist() == ["cifar10-test", 3]
    assert screened.loc[5, ["nearest_set", "nearest_row", "nearest_ssim"]].tolist() == ["cifar10.1-v4", 0, 1.0]
    assert not screened.loc[7, ["in_cifar10_train", "is_test_duplicate"]].any()
