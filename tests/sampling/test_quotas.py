"""Keyword counts and the two rules of CIFAR-10.1, against its published files."""

import numpy as np
import pandas as pd
import pytest

from cifar102 import cifar
from cifar102.sampling import quotas
from cifar102.workspace.files import read_json


@pytest.fixture
def other_data(published):
    return published / "other_data"


def test_largest_remainder_gives_the_published_v7_quotas_of_all_ten_classes(other_data):
    counts = read_json(other_data / "cifar10_keyword_counts.json")
    assert quotas.allocate(counts) == read_json(other_data / "keyword_counts_v7.json")


def test_v4_rule_with_its_exceptions_gives_the_published_2021_images(other_data):
    counts = read_json(other_data / "keyword_counts_v4.json")
    indices = read_json(other_data / "cifar10.1_v4_ti_indices_per_keyword.json")
    wanted = quotas.allocate(counts, rule="v4")
    assert quotas.allocate({"any": counts}, rule="v4") == {"any": wanted}
    assert wanted == {keyword: len(values) for keyword, values in indices.items() if values}
    assert sum(wanted.values()) == 2021


def test_float_rounding_decides_exact_ties_as_in_the_published_files():
    # exact shares 5 3/7, 3 3/7, 1 1/7: the seat left over is a tie, which 10 * (19 / 35) < 10 * 19 / 35 decides
    quotas_of_cat = quotas.allocate({"cat": {"tabby": 19, "tom": 12, "manx": 4}}, per_class=10)
    assert quotas_of_cat == {"cat": {"tabby": 5, "tom": 4, "manx": 1}}


def test_v4_exceptions_are_five_removals_and_three_slips(other_data):
    counts = read_json(other_data / "keyword_counts_v4.json")
    moved = {keyword: count + 300 for keyword, count in counts.items()}  # other counts: the rule, no exceptions
    by_rule = {keyword: 0 if n / 30 < 0.5 else -(-n // 30) for keyword, n in counts.items()}
    found = quotas.allocate({"all": counts}, rule="v4")["all"]
    removed = {k for k, n in by_rule.items() if n and k not in found}
    raised = {k for k, n in found.items() if n == by_rule[k] + 1}
    assert removed == {"sport_car", "door", "ford", "opel", "sports_car"}
    assert raised == {"cruiser", "gray", "cavalier"}
    assert quotas.allocate({"all": moved}, rule="v4")["all"]["ford"] == -(-moved["ford"] // 30)


def test_keyword_in_two_classes_is_an_error_unless_decided():
    assert quotas.allocate({"automobile": {"cruiser": 5}, "ship": {"cruiser": 5}}, per_class=2)["ship"] == {
        "cruiser": 2
    }
    with pytest.raises(ValueError, match=r"'tiger'.*\['cat', 'bird'\]"):
        quotas.allocate({"cat": {"tiger": 5}, "bird": {"tiger": 5}})
    with pytest.raises(ValueError, match="cruiser"):
        quotas.allocate({"automobile": {"cruiser": 5}, "cat": {"cruiser": 5}})


def test_quotas_do_not_depend_on_the_order_of_the_counts(other_data, rng):
    counts = read_json(other_data / "cifar10_keyword_counts.json")
    shuffled = {}
    for class_name in rng.permutation(list(counts)):
        shuffled[str(class_name)] = {str(k): counts[class_name][k] for k in rng.permutation(list(counts[class_name]))}
    assert quotas.allocate(shuffled) == quotas.allocate(counts)


@pytest.mark.parametrize("per_class", [0, 1, 7, 200, 1200, 6000])
def test_quotas_of_any_class_size_add_up(other_data, per_class):
    for quota in quotas.allocate(read_json(other_data / "cifar10_keyword_counts.json"), per_class).values():
        assert sum(quota.values()) == per_class and len(quota) <= 50 and 0 not in quota.values()


def test_bad_counts_and_rules_are_refused():
    for counts, words in (
        ({"cat": {"cat": -1}}, "cat/cat"),
        ({"cat": {"cat": 1.5}}, "1.5"),
        ({"cat": {}}, "no images"),
    ):
        with pytest.raises(ValueError, match=words):
            quotas.allocate(counts)
    with pytest.raises(ValueError, match="'v8'"):
        quotas.allocate({"cat": {"cat": 1}}, rule="v8")
    with pytest.raises(ValueError, match="top_k"):
        quotas.allocate({"cat": {"cat": 1}}, top_k=0)


def test_keyword_counts_come_from_the_file_names():
    names = ["tabby_cat_s_000001.png", "tabby_cat_s_000002.png", "cat_s_000001.png", "truck_s_000009.png"]
    assert quotas.keyword_counts(names, np.array([3, 3, 3, 9])) == {
        "cat": {"tabby_cat": 2, "cat": 1},
        "truck": {"truck": 1},
    }


@pytest.mark.real_data
def test_file_name_counts_of_cifar10_move_the_quotas_a_little(real_data, other_data):
    sets = cifar.load_cifar10(real_data / "cifar-10-batches-py")
    whole = cifar.join([sets["train"], sets["test"]])
    counts = quotas.keyword_counts(whole.filenames, whole.labels)
    published = read_json(other_data / "cifar10_keyword_counts.json")
    moved_counts = quotas.compare(counts, published)["difference"].abs().sum() // 2
    moved = quotas.compare(quotas.allocate(counts), quotas.allocate(published))["difference"]
    assert moved_counts >= 1279
    assert moved.sum() == 0 and 0 < moved.abs().sum() // 2 < 100


@pytest.mark.real_data
def test_the_table_beside_the_published_quotas_counts_what_moves(real_data, published):
    sets = cifar.load_cifar10(real_data / "cifar-10-batches-py")
    whole = cifar.join([sets["train"], sets["test"]])
    table = quotas.quotas_against_published(quotas.keyword_counts(whole.filenames, whole.labels), published)
    assert table[["count", "count_published"]].sum().tolist() == [60000, 60000]
    assert table[["seats", "seats_published"]].sum().tolist() == [2000, 2000]
    moved = quotas.seats_moved_per_class(table).set_index("class_name")
    assert moved["images_moved"].sum() == 1279  # at least so many
    assert moved["seats_moved"].sum() == 47
    assert moved.loc["cat", ["keywords", "keywords_published"]].tolist() == [11, 11]


def test_the_published_counts_move_no_seat(published, other_data):
    counts = read_json(other_data / "cifar10_keyword_counts.json")
    moved = quotas.seats_moved_per_class(quotas.quotas_against_published(counts, published))
    assert moved["keywords"].tolist() == moved["keywords_published"].tolist()
    assert moved[["images_moved", "seats_moved"]].to_numpy().sum() == 0


def test_share_distance_is_the_share_that_would_have_to_change(rng):
    theirs = {"cat": {"tabby": 3, "tom": 1}, "ship": {"liner": 5}}
    assert quotas.share_distance({"cat": {"tabby": 30, "tom": 10}, "ship": {"liner": 1}}, theirs) == 0
    assert quotas.share_distance({"cat": {"tabby": 2, "tom": 2}, "ship": {"boat": 1}}, theirs) == (0.25 + 1) / 2


def test_tables_become_counts_and_rows_are_counted():
    table = pd.DataFrame(
        {"class_name": ["cat", "cat", "ship"], "keyword": ["tom", "tabby", "liner"], "count": [2, 1, 3]}
    )
    assert quotas.counts_from_table(table) == {"cat": {"tom": 2, "tabby": 1}, "ship": {"liner": 3}}
    assert quotas.counts_from_rows(table.loc[[0, 0, 1, 2]]) == {"cat": {"tom": 2, "tabby": 1}, "ship": {"liner": 1}}
