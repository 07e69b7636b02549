"""Sample, check, blacklist, sample again: what is planted is found, and nothing else changes."""

import numpy as np
import pandas as pd
import pytest

from cifar102.sampling import cifar101, draws, resampling
from cifar102.sampling.resampling import Check
from cifar102.workspace.files import read_table

WANTED = {"cat": {"tabby": 12, "tom": 8}}
FAST = Check(shortlist=5)


def _smooth(count: int, seed: int) -> np.ndarray:
    """Pictures of 4 x 4 coloured fields: near-duplicates of none but their own copies."""
    fields = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return fields.repeat(8, axis=1).repeat(8, axis=2)


def _retouched(images: np.ndarray) -> np.ndarray:
    return (images.astype(np.int16) * 0.9 + 10).astype(np.uint8)


@pytest.fixture
def pool():
    """40 tabbies and 40 toms, in no order of their numbers; of the references, rows 0 to 4 are like five of them."""
    keywords = np.repeat(["tabby", "tom"], 40)
    rows = {"candidate": np.arange(80), "tiny_index": np.arange(80) * 3 + 7, "keyword": keywords, "class_name": "cat"}
    images = _smooth(80, 1)
    eligible = pd.DataFrame(rows).assign(group=np.arange(80)).sample(frac=1, random_state=0)
    return eligible, images


def _drawn(eligible: pd.DataFrame, blacklist=()) -> pd.DataFrame:
    return draws.sample(eligible, WANTED, 0, blacklist)


def test_near_duplicates_of_references_are_replaced_until_the_sample_is_clean(pool):
    eligible, images = pool
    first = _drawn(eligible)
    hit = first["candidate"].to_numpy()[:5]
    later = _drawn(eligible, first["tiny_index"][:5])
    hit = np.append(hit, sorted(set(later["candidate"]) - set(first["candidate"]))[:1])  # found in the second round
    references = {"cifar10-test": np.concatenate([_retouched(images[hit]), _smooth(30, 2)])}
    result = resampling.resample(eligible, images, references, WANTED, 0, FAST)
    by_candidate = eligible.set_index("candidate")["tiny_index"]
    assert result.blacklist == sorted(by_candidate[hit])
    assert not set(result.draw.chosen["candidate"]) & set(hit)
    assert len(result.draw.chosen) == 20
    assert result.rounds["found"].tolist() == [5, 1, 0]
    assert result.rounds["checked"].tolist() == [20, 5, 1]  # only what is new is compared again
    assert sorted(result.found["reference"]) == [0, 1, 2, 3, 4, 5] and (result.found["ssim"] >= 0.75).all()


def test_of_near_duplicates_in_the_sample_the_later_goes_unless_they_are_a_known_group(pool):
    eligible, images = pool
    a, b = np.sort(_drawn(eligible)["candidate"].to_numpy()[[2, 9]])
    images[b] = _retouched(images[a])
    result = resampling.resample(eligible, images, {}, WANTED, 0, FAST)
    assert result.found[["reference_set", "reference"]].to_numpy().tolist() == [["candidates", a]]
    assert result.blacklist == eligible.loc[eligible["candidate"] == b, "tiny_index"].tolist()
    known = eligible.assign(group=eligible["group"].replace(b, a))
    assert resampling.resample(known, images, {}, WANTED, 0, FAST).blacklist == []


def test_what_a_person_said_of_a_pair_counts_more_than_its_score(pool):
    eligible, images = pool
    hit = _drawn(eligible)["candidate"].to_numpy()[:1]
    references = {"cifar10-test": np.concatenate([_retouched(images[hit]), _smooth(30, 2)])}
    said = resampling.resample(
        eligible, images, references, WANTED, 0, FAST, judge=lambda pairs: pairs.assign(verdict="different")
    )
    assert said.blacklist == [] and len(said.rounds) == 1


def test_a_lower_threshold_takes_out_more(pool):
    eligible, images = pool
    noise = np.random.default_rng(3).normal(0, 25, images.shape)
    references = {"cifar10-test": np.clip(images + noise, 0, 255).astype(np.uint8)[::2]}

    def check(threshold: float) -> Check:
        return Check("ssim", threshold, shortlist=5)

    low, high = (
        len(resampling.resample(eligible, images, references, {"cat": {"tabby": 5}}, 0, check(t)).blacklist)
        for t in (0.6, 0.99)
    )
    assert low > high == 0


def test_a_class_that_runs_out_is_named_with_its_keywords(pool):
    eligible, images = pool
    references = {"cifar10-train": images}
    with pytest.raises(
        ValueError, match=r"class 'cat': 20 images wanted(.|\n)*look for more.*\n  cat tabby: \d+ of 12"
    ):
        resampling.resample(eligible, images, references, WANTED, 0, FAST)


def test_keywords_that_ran_out_are_listed_and_the_blacklist_has_the_published_form(pool, workspace):
    eligible, images = pool
    few = eligible[(eligible["keyword"] != "tom") | (eligible["candidate"] < 43)]
    result = resampling.resample(few, images, {"cifar10-test": _smooth(9, 4)}, WANTED, 0, FAST, blacklist=[10, 7])
    assert result.short.to_dict("records") == [{"class_name": "cat", "keyword": "tom", "wanted": 8, "available": 3}]
    resampling.write(workspace, result)
    assert cifar101.read_blacklist(workspace.built / "blacklist.json") == [7, 10]
    assert resampling.blacklist_of(workspace) == [7, 10]
    assert len(read_table(workspace.results / "resampling.csv")) == 1
    assert "cat tom: 3 of 8" in resampling.describe(result)


def test_without_a_resampling_nothing_is_blacklisted(workspace):
    assert resampling.blacklist_of(workspace) == []
