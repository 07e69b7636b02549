"""The blind judging page without a browser: what it is told, in which order, and what it may write."""

import json

import numpy as np
import pytest

from cifar102.__main__ import main
from cifar102.dedup import pair_judgements, screening
from cifar102.review.judging_desk import JudgingDesk
from cifar102.workspace.folders import Workspace
from tests.review.site import make_workspace

FIRST = "2026-01-01T00:00:00.000Z"


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("judging") / "pool")


@pytest.fixture
def desk(pool: Workspace) -> JudgingDesk:
    pool.pair_verdicts.unlink(missing_ok=True)
    return JudgingDesk(pool)


def verdict(pair: str, verdict: str = "near", rater: str = "ann") -> dict[str, str]:
    return {"pair": pair, "rater": rater, "verdict": verdict, "time": FIRST}


def test_a_page_is_told_no_score_no_set_and_no_row(desk: JudgingDesk) -> None:
    reply, pictures = desk.sheet("ann")
    assert reply.keys() == {"items", "columns"} and len(pictures) == 1
    assert all(item.keys() == {"pair", "verdict", "time"} for item in reply["items"])
    told = json.dumps(reply)
    assert "cifar10" not in told and "0." not in told


def test_raters_have_the_same_pairs_in_orders_of_their_own(desk: JudgingDesk) -> None:
    orders = {rater: [item["pair"] for item in desk.sheet(rater)[0]["items"]] for rater in ("ann", "bob", " Ann ")}
    assert orders["ann"] == orders[" Ann "] != orders["bob"]
    assert sorted(orders["ann"]) == sorted(orders["bob"]) and len(orders["ann"]) == len(set(orders["ann"]))


def test_a_verdict_is_on_disk_with_its_page_and_is_found_again(desk: JudgingDesk, pool: Workspace) -> None:
    pairs = [item["pair"] for item in desk.sheet("ann")[0]["items"]]
    reply, _ = desk.record([verdict(pairs[0]), verdict("none"), verdict(pairs[1], "maybe")])
    assert [place for place, _ in reply["refused"]] == [1, 2]
    rows = [json.loads(line) for line in pool.pair_verdicts.read_text().splitlines()]
    assert len(rows) == 1 and rows[0]["page"] == screening.BLIND and rows[0]["verdict"] == "near"
    shown = {item["pair"]: item["verdict"] for item in desk.sheet("ann")[0]["items"]}
    assert shown[pairs[0]] == "near" and set(shown.values()) == {"near", None}
    assert all(item["verdict"] is None for item in desk.sheet("bob")[0]["items"])


def test_the_difference_is_given_for_a_pair_of_the_sample_only(desk: JudgingDesk) -> None:
    pair = desk.sheet("ann")[0]["items"][0]["pair"]
    assert len(desk.difference(pair)[1]) == 1
    with pytest.raises(ValueError, match="no pair of this sample"):
        desk.difference("../../etc/passwd")


def test_judging_changes_no_other_verdict_of_the_workspace(desk: JudgingDesk, pool: Workspace) -> None:
    pairs = [item["pair"] for item in desk.sheet("ann")[0]["items"]]
    desk.record([verdict(pair) for pair in pairs])
    sample = pair_judgements.sample_of(pool)
    said = pair_judgements.judged(sample, pair_judgements.blind_verdicts(pool.pair_verdicts))
    assert len(said) == len(sample) == len(pairs) and np.all(said["is_copy"])


def test_the_command_prints_the_report_and_leaves_its_table(desk: JudgingDesk, pool: Workspace, capsys) -> None:
    assert main(["judgements", "--workspace", str(pool.root)]) == 0
    assert "Nobody has judged" in capsys.readouterr().out
    for rater, word in (("ann", "near"), ("bob", "similar")):
        desk.record([verdict(item["pair"], word, rater) for item in desk.sheet(rater)[0]["items"]])
    assert main(["judgements", "--workspace", str(pool.root)]) == 0
    told = capsys.readouterr().out
    assert "ann and bob: 0.0% of" in told and "errors on decoys" in told
    assert (pool.results / "pair_judgements.csv").is_file()
