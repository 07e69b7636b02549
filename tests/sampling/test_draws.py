"""Keyword-matched samples: order-independence, short keywords, least overlap, and the split by group."""

from collections import Counter
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cifar102.cifar import CLASS_NAMES
from cifar102.sampling import draws, group_split, quotas
from cifar102.sampling.quotas import largest_remainder

QUICK = settings(max_examples=60, deadline=None, derandomize=True)


def make_candidates(sizes: dict[str, dict[str, int]], overlap: int = 0) -> pd.DataFrame:
    """Candidates with `sizes` images per class and keyword; the first `overlap` of each are in CIFAR-10 train."""
    rows = []
    for class_name, keywords in sizes.items():
        for keyword, count in keywords.items():
            rows += [(class_name, keyword, number < overlap) for number in range(count)]
    table = pd.DataFrame(rows, columns=["class_name", "keyword", "in_cifar10_train"])
    return table.assign(tiny_index=np.arange(len(table)) * 7 + 3)


def keyword_counts(table: pd.DataFrame) -> dict[str, int]:
    return dict(Counter(table["keyword"]))


@st.composite
def pools(draw):
    words = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 12), min_size=1)
    sizes = {"cat": draw(words), "dog": {f"d{key}": value for key, value in draw(words).items()}}
    wanted = {c: {k: draw(st.integers(0, n + 3)) for k, n in keywords.items()} for c, keywords in sizes.items()}
    return make_candidates(sizes, draw(st.integers(0, 4))), wanted


@QUICK
@given(pools(), st.integers(0, 5), st.randoms(use_true_random=False))
def test_sample_depends_on_neither_row_nor_dictionary_order(pool, seed, random):
    candidates, wanted = pool
    order = list(range(len(candidates)))
    random.shuffle(order)
    turned = {c: dict(reversed(k.items())) for c, k in reversed(wanted.items())}
    try:
        first = draws.sample(candidates, wanted, seed)
    except ValueError as error:
        with pytest.raises(ValueError, match=str(error)[:12]):
            draws.sample(candidates.iloc[order], turned, seed)
        return
    pd.testing.assert_frame_equal(first, draws.sample(candidates.iloc[order], turned, seed))


@QUICK
@given(pools(), st.integers(0, 5))
def test_sample_fills_every_class_exactly_with_distinct_images_of_its_keywords(pool, seed):
    candidates, wanted = pool
    short = draws.availability(candidates, wanted)
    totals = short[short["wanted"] > 0].groupby("class_name")[["wanted", "available"]].sum()
    if (totals["available"] < totals["wanted"]).any():
        with pytest.raises(ValueError, match="images wanted"):
            draws.sample(candidates, wanted, seed)
        return
    chosen = draws.sample(candidates, wanted, seed)
    assert chosen["tiny_index"].is_unique and list(chosen) == list(candidates)
    for class_name, keywords in wanted.items():
        mine = chosen[chosen["class_name"] == class_name]
        assert len(mine) == sum(keywords.values())
        given_out = Counter(mine["keyword"])
        for row in short[short["class_name"] == class_name].itertuples():
            assert given_out[row.keyword] >= min(row.wanted, row.available)  # nobody gives seats away needlessly
            assert row.wanted or not given_out[row.keyword]


def test_seats_of_a_short_keyword_go_to_the_others_in_proportion_and_are_reported():
    candidates = make_candidates({"cat": {"tabby": 50, "tom": 50, "manx": 4}})
    found = draws.draw(candidates, {"cat": {"tabby": 20, "tom": 10, "manx": 10}}, seed=1)
    assert keyword_counts(found.chosen) == {"tabby": 24, "tom": 12, "manx": 4}
    assert found.shortfalls.to_numpy().tolist() == [["cat", "manx", 10, 4]]


def test_exhausted_class_says_class_wanted_and_available():
    candidates = make_candidates({"cat": {"tabby": 3, "tom": 2}, "dog": {"pug": 9}})
    with pytest.raises(ValueError, match="'cat': 6 images wanted, 5 available"):
        draws.sample(candidates, {"cat": {"tabby": 4, "tom": 2}}, 0)
    with pytest.raises(ValueError, match="'ship': 1 images wanted, 0 available"):
        draws.sample(candidates, {"ship": {"liner": 1}}, 0)


def test_images_of_cifar10_train_are_taken_last():
    candidates = make_candidates({"cat": {"tabby": 10}}, overlap=6)
    assert draws.sample(candidates, {"cat": {"tabby": 4}}, 3)["in_cifar10_train"].sum() == 0
    assert draws.sample(candidates, {"cat": {"tabby": 7}}, 3)["in_cifar10_train"].sum() == 3
    assert draws.draw_uniform(candidates, 5, 3)["in_cifar10_train"].sum() == 1


def test_sample_is_not_the_first_rows_in_alphabetical_order():
    candidates = make_candidates({"cat": {"a_cat": 100, "tabby": 100}})
    quotas = {"cat": {"a_cat": 10, "tabby": 30}}
    chosen = draws.sample(candidates, quotas, 0)
    assert keyword_counts(chosen) == {"a_cat": 10, "tabby": 30}
    first = draws.sample(candidates, quotas, 0, strategy="first_n")
    assert first["tiny_index"].tolist() == candidates["tiny_index"].tolist()[:40]  # the named alternative
    assert not set(first["tiny_index"]) >= set(chosen.loc[chosen["keyword"] == "a_cat", "tiny_index"])


def test_every_image_of_a_keyword_is_drawn_about_equally_often():
    candidates = make_candidates({"cat": {"tabby": 20}})
    drawn = Counter()
    for seed in range(150):
        drawn.update(draws.sample(candidates, {"cat": {"tabby": 5}}, seed)["tiny_index"])
    assert len(drawn) == 20 and min(drawn.values()) > 15 and max(drawn.values()) < 62  # 37.5, sd 5.3


def test_images_of_the_test_set_never_fill_up_the_train_set():
    candidates = make_candidates({"cat": {"tabby": 30, "manx": 8}})
    test = draws.sample(candidates, {"cat": {"tabby": 5, "manx": 5}}, 0)
    train = draws.sample(candidates, {"cat": {"tabby": 15, "manx": 10}}, 0, blacklist=test["tiny_index"])
    assert len(train) == 25 and not set(train["tiny_index"]) & set(test["tiny_index"])


def test_blacklisting_an_image_changes_nothing_but_its_replacement():
    candidates = make_candidates({"cat": {"tabby": 40, "tom": 40}})
    quotas = {"cat": {"tabby": 10, "tom": 10}}
    before = set(draws.sample(candidates, quotas, 5)["tiny_index"])
    gone = min(before)
    after = set(draws.sample(candidates, quotas, 5, blacklist=[gone])["tiny_index"])
    assert before - after == {gone} and len(after - before) == 1


def test_sample_checked_blacklists_and_samples_again_until_clean():
    candidates = make_candidates({"cat": {"tabby": 40}})
    bad = set(candidates["tiny_index"][:25])
    found, banned = draws.sample_checked(
        candidates, {"cat": {"tabby": 12}}, 0, lambda chosen: set(chosen["tiny_index"]) & bad, [3]
    )
    assert len(found.chosen) == 12 and not set(found.chosen["tiny_index"]) & bad
    assert set(banned) <= bad and 3 in banned


def test_image_of_both_cruiser_classes_is_a_ship():
    both = pd.DataFrame(
        {"tiny_index": [5, 5, 6], "keyword": "cruiser", "class_name": ["automobile", "ship", "automobile"]}
    )
    chosen = draws.sample(both, {"automobile": {"cruiser": 1}, "ship": {"cruiser": 1}}, 0)
    assert chosen[["tiny_index", "class_name"]].to_numpy().tolist() == [[5, "ship"], [6, "automobile"]]
    with pytest.raises(ValueError, match="image 5"):
        draws.sample(both.assign(keyword="tiger"), {"automobile": {"tiger": 1}}, 0)


def test_sampling_leaves_its_input_as_it_was():
    candidates = make_candidates({"cat": {"tabby": 10}}).sample(frac=1, random_state=0)
    copy = candidates.copy(deep=True)
    draws.sample(candidates, {"cat": {"tabby": 3}}, 0)
    group_split.split(candidates, 2, 0)
    pd.testing.assert_frame_equal(candidates, copy)


def test_label_stands_for_the_class_name():
    candidates = make_candidates({"cat": {"tabby": 10}}).drop(columns="class_name").assign(label=3)
    assert len(draws.sample(candidates, {"cat": {"tabby": 3}}, 0)) == 3
    assert len(group_split.split(candidates, 4, 0)["test"]) == 4


def test_uniform_draw_is_balanced_over_classes_and_blind_to_keywords():
    candidates = make_candidates({"cat": {"tabby": 300, "tom": 100}, "dog": {"pug": 120}})
    chosen = draws.draw_uniform(candidates, 100, 0)
    assert chosen["class_name"].value_counts().to_dict() == {"cat": 100, "dog": 100}
    assert 60 < keyword_counts(chosen)["tabby"] < 90
    with pytest.raises(ValueError, match="'dog': 121 images wanted, 120 available"):
        draws.draw_uniform(candidates, 121, 0)


@st.composite
def grouped_tables(draw):
    count = draw(st.integers(1, 14))
    classes = draw(st.lists(st.sampled_from(["cat", "dog"]), min_size=count, max_size=count))
    words = draw(st.lists(st.sampled_from("ab"), min_size=count, max_size=count))
    groups = draw(st.lists(st.integers(-2, 4), min_size=count, max_size=count))
    table = {"class_name": classes, "keyword": [c + w for c, w in zip(classes, words, strict=True)], "group": groups}
    return pd.DataFrame(table).assign(tiny_index=np.arange(count))


def can_be_divided(table: pd.DataFrame, per_class: int) -> bool:
    units = table["group"].where(table["group"] >= 0, -1 - table["tiny_index"])
    parts = [Counter(part["class_name"]) for _, part in table.groupby(units)]
    for taken in product([False, True], repeat=len(parts)):
        total = sum((part for part, take in zip(parts, taken, strict=True) if take), Counter())
        if all(total[name] == per_class for name in set(table["class_name"])):
            return True
    return False


@QUICK
@given(grouped_tables(), st.integers(0, 4), st.integers(0, 3))
def test_split_keeps_groups_whole_and_classes_exact_wherever_that_is_possible(table, per_class, seed):
    if not can_be_divided(table, per_class):
        with pytest.raises(ValueError, match="test images"):
            group_split.split(table, per_class, seed)
        return
    parts = group_split.split(table.sample(frac=1, random_state=seed), per_class, seed)
    train, test = parts["train"], parts["test"]
    assert sorted([*train["tiny_index"], *test["tiny_index"]]) == table["tiny_index"].tolist()
    assert not set(train.loc[train["group"] >= 0, "group"]) & set(test["group"])
    assert all((test["class_name"] == name).sum() == per_class for name in set(table["class_name"]))
    assert parts["test"].equals(group_split.split(table, per_class, seed)["test"])


def test_split_is_keyword_matched_in_proportion():
    sizes = {"tabby": 61, "tom": 33, "manx": 6}
    test = group_split.split(make_candidates({"cat": sizes, "dog": {"pug": 90}}), 20, 0)["test"]
    assert keyword_counts(test) == largest_remainder(sizes, 20) | {"pug": 20}


def test_groups_come_into_test_as_often_as_single_images():
    table = make_candidates({"cat": {"tabby": 200, "tom": 200}}).assign(group=-1)
    table.loc[:39, "group"] = np.repeat(np.arange(20), 2)
    shares = [(group_split.split(table, 100, seed)["test"]["group"] >= 0).mean() for seed in range(40)]
    assert 0.07 < np.mean(shares) < 0.13  # a tenth of the images is in groups


def test_split_says_when_groups_make_it_impossible():
    table = make_candidates({"cat": {"tabby": 6}}).assign(group=[1, 1, 1, 2, 2, 2])
    with pytest.raises(ValueError, match="exactly 2 test images"):
        group_split.split(table, 2, 0)
    with pytest.raises(ValueError, match="'cat': 7 test images wanted, 6 available"):
        group_split.split(table, 7, 0)


@pytest.mark.parametrize("train_per_class", [800, 1000])
@pytest.mark.parametrize("strategy", draws.STRATEGIES)
def test_the_published_sizes_come_out_of_both_strategies(train_per_class, strategy):
    cells = {name: {f"{name}_{k}": 500 - 60 * k for k in range(5)} for name in CLASS_NAMES}
    candidates = make_candidates(cells)
    wanted = quotas.allocate(cells, train_per_class + 200)
    chosen = draws.sample(candidates, wanted, 1, strategy=strategy)
    parts = group_split.split(chosen, 200, 1)
    assert {name: len(part) for name, part in parts.items()} == {"train": 10 * train_per_class, "test": 2000}
    assert all((part["class_name"].value_counts() == len(part) // 10).all() for part in parts.values())
    assert not set(parts["train"]["tiny_index"]) & set(parts["test"]["tiny_index"])
    assert (chosen["keyword"].nunique() == 50) == (strategy == "least_overlap")


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
