"""What a goal would take: counted by hand on small pools."""

import numpy as np
import pandas as pd
import pytest

from cifar102.sampling import draws

COUNTS = {"cat": {"tabby": 3, "tom": 1}, "ship": {"liner": 1}}


@pytest.fixture
def candidates():
    keywords = ["tabby"] * 9 + ["tom"] * 2 + ["liner"] * 8
    names = ["cat"] * 11 + ["ship"] * 8
    return pd.DataFrame({"tiny_index": np.arange(19), "keyword": keywords, "class_name": names})


def test_a_goal_says_what_runs_out_and_how_far_the_images_reach(candidates):
    sizes, short = draws.goals_report(candidates, COUNTS, [8, 16, 40])
    assert sizes.to_dict("list") == {
        "goal": [8, 16, 40],
        "keywords": [3, 3, 3],
        "keywords_short": [0, 0, 3],
        "images_missing": [0, 0, 6 + 3 + 12],
        "classes_short": [0, 0, 2],
        "reachable": [8, 16, 16],
    }
    assert short.to_numpy().tolist() == [
        [40, "cat", "tabby", 15, 9, 6],
        [40, "cat", "tom", 5, 2, 3],
        [40, "ship", "liner", 20, 8, 12],
    ]


def test_blacklisted_images_count_as_missing(candidates):
    sizes, _ = draws.goals_report(candidates, COUNTS, [16], blacklist=[9])
    assert sizes[["keywords_short", "images_missing", "classes_short"]].to_numpy().tolist() == [[1, 1, 0]]


@pytest.mark.parametrize("goal", [0, 7])
def test_a_goal_that_the_classes_do_not_divide_is_refused(candidates, goal):
    with pytest.raises(ValueError, match=f"goal {goal}: expected a multiple of the 2 classes"):
        draws.goals_report(candidates, COUNTS, [goal])
