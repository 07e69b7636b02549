"""What stands in the way of a candidate is said of the right candidate."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102.dedup import screening
from cifar102.workspace.folders import Workspace

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
).assign(score=lambda pairs: pairs["ssim"])


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


def vote(index: int, verdict: str, rater: str = "a", reference: int = 5) -> dict:
    keys = {"tiny_index": index, "reference_set": "cifar10-test", "reference": reference}
    return {**keys, "rater": rater, "verdict": verdict, "time": "2026-01-01T00:00:00Z"}


def write(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


JUDGED_PAIRS = pd.DataFrame(
    [
        (0, "cifar10-test", 5, 0.9, "duplicate"),
        (1, "cifar10-test", 5, 0.6, "review"),
        (2, "cifar10-test", 5, 0.3, "different"),
    ],
    columns=["query", "reference_set", "reference", "ssim", "verdict"],
).assign(score=lambda pairs: pairs["ssim"])


def test_a_verdict_overrides_the_score_of_its_pair_alone(tmp_path: Path) -> None:
    log = screening.read_pair_verdicts(
        write(tmp_path / "v", [vote(10, "similar"), vote(20, "near"), vote(99, "exact")])
    )
    found = screening.apply_pair_verdicts(JUDGED_PAIRS, log, np.array([10, 20, 30]))
    assert found["verdict"].tolist() == ["different", "duplicate", "different"]
    assert found["is_reviewed"].tolist() == [True, True, False]


def test_the_last_word_of_a_rater_counts_and_two_who_differ_leave_it_to_review(tmp_path: Path) -> None:
    log = screening.read_pair_verdicts(
        write(tmp_path / "v", [vote(10, "exact"), vote(10, "different"), vote(10, "near", "b")])
    )
    assert len(log) == 2
    assert screening.apply_pair_verdicts(JUDGED_PAIRS, log, np.array([10, 20, 30]))["verdict"].tolist()[0] == "review"


def test_two_candidates_are_one_pair_named_by_their_tiny_indices(tmp_path: Path) -> None:
    said = vote(30, "exact", reference=10) | {"reference_set": "candidates"}
    gone = vote(30, "exact", reference=11) | {"reference_set": "candidates"}
    pairs = pd.DataFrame(
        {"query": [0, 2, 1], "reference_set": "candidates", "reference": [2, 0, 0], "ssim": 0.6, "score": 0.6}
    )
    log = screening.read_pair_verdicts(write(tmp_path / "v", [said, gone]))
    found = screening.apply_pair_verdicts(pairs.assign(verdict="review"), log, np.array([10, 20, 30]))
    assert found["verdict"].tolist() == ["duplicate", "duplicate", "review"]


def test_a_verdict_taken_back_and_a_torn_line_leave_the_score(tmp_path: Path) -> None:
    path = write(tmp_path / "v", [vote(10, "similar"), vote(10, "withdrawn")])
    path.write_bytes(path.read_bytes() + json.dumps(vote(20, "near")).encode()[:-9])
    screening.pair_ledger(path).record([vote(30, "exact")])
    log = screening.read_pair_verdicts(path)
    assert log["tiny_index"].tolist() == [30]
    assert screening.apply_pair_verdicts(JUDGED_PAIRS, log, np.array([10, 20, 30]))["is_reviewed"].tolist() == [
        False,
        False,
        True,
    ]


def test_no_log_changes_nothing(tmp_path: Path) -> None:
    found = screening.apply_pair_verdicts(
        JUDGED_PAIRS, screening.read_pair_verdicts(tmp_path / "absent"), np.array([10, 20, 30])
    )
    assert found["verdict"].tolist() == JUDGED_PAIRS["verdict"].tolist()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{]}", "Expecting property name"),
        (json.dumps(vote(-1, "near")), "tiny_index"),
        (json.dumps(vote(1, "near") | {"time": "noon"}), "time is ISO 8601"),
        ("{}", "missing"),
        (json.dumps(vote(1, "maybe")), "verdict 'maybe'"),
        ("[{}]}", "Extra data"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "pair_verdicts.jsonl"
    path.write_text(json.dumps(vote(1, "near")) + "\n" + line + "\n")
    with pytest.raises(ValueError, match=f"pair_verdicts.jsonl, line 2.*{said}"):
        screening.read_pair_verdicts(path)


def test_recall_counts_judged_pairs_from_either_side_and_falls_with_the_threshold() -> None:
    pairs = pd.DataFrame({"query": [1, 2, 4], "reference": [2, 1, 3], "score": [0.8, 0.8, 0.6]})
    judged = pd.DataFrame({"first": [1, 3, 7], "second": [2, 4, 9]})
    found = screening.recall_table(pairs, judged, np.array([0.5, 0.7, 0.9]))
    assert found["found"].tolist() == [2, 1, 0] and found["pairs"].tolist() == [2, 1, 0]
    assert found["recall"].iloc[0] == pytest.approx(2 / 3)


def test_judged_pairs_are_absent_or_read_in_order(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert screening.judged_pairs(workspace) is None
    (workspace.raw / "ciFAIR").mkdir(parents=True)
    path = workspace.raw / screening.JUDGED
    path.write_text("TestID,TrainID,Distance,Judgment\n9,4,0.1,1\n")
    assert screening.judged_pairs(workspace).to_numpy().tolist() == [[4, 9]]
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"columns .*TestID.*TrainID.* are missing"):
        screening.judged_pairs(workspace)
