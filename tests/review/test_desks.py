"""What the review pages are told and what they may write, without a browser."""

import io
import json
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cifar102.annotations import votes
from cifar102.annotations.votes import VoteLog
from cifar102.dedup import screening
from cifar102.review import disagreements_desk, labelling_desk, pairs_desk, sheets, widget
from cifar102.review.widget import ReviewPages
from cifar102.workspace.files import read_table, write_array, write_table
from cifar102.workspace.folders import Workspace
from tests.review.site import make_workspace

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
FIRST = "2026-01-01T00:00:00.000Z"
LATER = "2026-01-01T00:00:01.000Z"


@pytest.fixture(scope="module")
def pool(tmp_path_factory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("review") / "pool")


@pytest.fixture
def open_pool(pool: Workspace, tmp_path) -> Workspace:
    """The pool with a log of its own, in which nobody but the demo's two raters has said anything."""
    workspace = Workspace(tmp_path / "workspace")
    workspace.root.mkdir()
    for name in ("raw", "built", "results"):
        (workspace.root / name).symlink_to(pool.root / name)
    workspace.labels.mkdir()
    (workspace.labels / "votes.jsonl").write_bytes((pool.labels / "votes.jsonl").read_bytes())
    return workspace


def vote(index: int, rater: str = "ann", verdict: str = "yes", time: str = FIRST) -> dict:
    return dict(zip(votes.FIELDS, (index, "tabby", "cat", rater, verdict, time), strict=True))


def tiles(picture: bytes, count: int, columns: int = sheets.COLUMNS) -> np.ndarray:
    """Cut a sheet into its images again."""
    pixels = np.asarray(Image.open(io.BytesIO(picture)))
    columns = min(columns, count)
    return np.stack([pixels[32 * (n // columns) :][:32, 32 * (n % columns) :][:, :32] for n in range(count)])


def test_a_sheet_holds_the_very_pixels(rng):
    images = rng.integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
    assert np.array_equal(tiles(sheets.sheet(images, 3), 7, 3), images)
    assert sheets.sheet(images[:0]) == b""


def test_a_moved_image_lies_on_the_one_it_was_cut_from(rng):
    large = rng.integers(0, 256, (36, 36, 3), dtype=np.uint8)
    image, other = large[2:34, 2:34], large[3:35, 1:33]
    assert np.array_equal(sheets.moved(other, 1, -1)[1:, :-1], image[1:, :-1])
    assert not sheets.difference(image, other, 1, -1).any()
    assert sheets.difference(image, other, 0, 0).any()
    assert sheets.difference(np.full_like(image, 9), np.full_like(image, 250), 0, 0).max() == 241


def test_every_rater_has_an_order_of_their_own_that_stays(open_pool):
    desk = labelling_desk.LabellingDesk(open_pool)
    class_name, keyword = desk.keywords("ann")[0]["keywords"][0][:2]
    first, again, other = (desk.sheet(name, class_name, keyword) for name in ("ann", "ann", "bob"))
    orders = [[item[0] for item in reply["items"]] for reply, _ in (first, again, other)]
    assert orders[0] == orders[1] != orders[2] and sorted(orders[0]) == sorted(orders[2])
    candidates = read_table(open_pool.built / "candidates.parquet")
    rows = candidates.reset_index().set_index("tiny_index")["index"].loc[orders[0]].to_numpy()
    images = np.load(open_pool.built / "candidate_images.npy")[rows]
    assert np.array_equal(tiles(first[1][0], len(rows)), images)


def test_the_other_raters_verdicts_are_in_no_reply_of_the_labelling_page(open_pool):
    desk = labelling_desk.LabellingDesk(open_pool)
    with_others = [desk.keywords("new")[0]]
    class_name, keyword = with_others[0]["keywords"][0][:2]
    with_others += [method("new", class_name, keyword) for method in (desk.sheet, desk.verdicts)]
    (open_pool.labels / "votes.jsonl").unlink()
    desk = labelling_desk.LabellingDesk(open_pool)
    alone = [desk.keywords("new")[0], *(method("new", class_name, keyword) for method in (desk.sheet, desk.verdicts))]
    assert with_others == alone
    assert all(row[3] == row[4] == 0 for row in alone[0]["keywords"]) and alone[1][0]["items"][0][1:] == [None, None]


def test_quotas_come_from_the_counts_until_a_run_has_set_them(open_pool):
    wanted = labelling_desk.wanted(open_pool, per_class=30)
    assert set(pd.Series(wanted).groupby(level=0).sum()) == {30}
    assert not labelling_desk.wanted(Workspace(open_pool.root / "elsewhere"))


def test_a_keyword_with_many_candidates_is_shown_in_parts(tmp_path, rng):
    workspace = Workspace(tmp_path)
    table = pd.DataFrame({"tiny_index": np.arange(2_500), "keyword": "tabby", "class_name": "cat"})
    write_table(workspace.built / "candidates.parquet", table)
    write_array(workspace.built / "candidate_images.npy", np.zeros((2_500, 32, 32, 3), np.uint8))
    desk = labelling_desk.LabellingDesk(workspace)
    replies = [desk.sheet("ann", "cat", "tabby", part)[0] for part in (0, 1)]
    assert [len(reply["items"]) for reply in replies] == [2_000, 500]
    assert len({item[0] for reply in replies for item in reply["items"]}) == 2_500
    with pytest.raises(ValueError, match="parts 0 to 1, found 2"):
        desk.sheet("ann", "cat", "tabby", 2)


def test_a_vote_that_is_sent_again_is_not_written_again_and_a_bad_one_is_named(open_pool):
    desk = labelling_desk.LabellingDesk(open_pool)
    class_name, keyword = desk.keywords("ann")[0]["keywords"][0][:2]
    index = desk.sheet("ann", class_name, keyword)[0]["items"][0][0]
    good = vote(index) | {"keyword": keyword, "class": class_name}
    rows = [good, good | {"tiny_index": 10**6}, good | {"rater": "ann" + votes.SETTLING}, good | {"verdict": "perhaps"}]
    before = len(desk.ledger.path.read_bytes().splitlines())
    for _ in range(2):
        refused = desk.record(rows)[0]["refused"]
        assert [position for position, _ in refused] == [1, 2, 3] and "is no candidate" in refused[0][1]
    assert len(desk.ledger.path.read_bytes().splitlines()) == before + 1


def test_a_reply_to_record_comes_after_the_disk_has_it(open_pool, monkeypatch):
    pages, events = ReviewPages(open_pool), []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("disk"), real(handle)))
    monkeypatch.setattr(pages, "send", lambda reply, buffers: events.append(reply))
    candidate = read_table(open_pool.built / "candidates.parquet").iloc[0]
    row = vote(int(candidate["tiny_index"])) | {"keyword": candidate["keyword"], "class": candidate["class_name"]}
    pages._receive({"id": "1", "request": "labelling.record", "data": {"rows": [row]}})
    assert events == ["disk", {"id": "1", "refused": []}]


@pytest.mark.parametrize("request_name", ["labelling.ledger", "labelling.__init__", "os.system", "", "pairs.sheet"])
def test_a_page_may_ask_only_what_its_desks_offer(open_pool, request_name):
    replies = []
    pages = ReviewPages(open_pool, ("labelling",))
    pages.send = lambda reply, buffers: replies.append(reply)
    pages._receive({"id": "1", "request": request_name, "data": {"rater": "ann"}})
    assert "there is no request" in replies[0]["error"]


def test_pairs_stand_once_sorted_around_the_thresholds(open_pool):
    desk = pairs_desk.PairsDesk(open_pool)
    reply, pictures = desk.sheet("ann")
    scores = [item["scores"]["ssim"] for item in reply["items"]]
    assert scores == sorted(scores, key=lambda score: abs(score - 0.75)) and len(scores) == 8
    assert reply["items"][0]["scores"]["score"] == pytest.approx(20 * (scores[0] - 0.675))
    near_review = [item["scores"]["ssim"] for item in desk.sheet("ann", "review")[0]["items"]]
    assert near_review[0] == 0.55 and near_review[-1] == 1.0
    among = desk.sheet("ann", reference_set="candidates")[0]["items"]
    tiny_indices = read_table(open_pool.built / "candidates.parquet")["tiny_index"]
    assert [(item["tiny_index"], item["reference"]) for item in among] == [(tiny_indices[20], tiny_indices[21])]
    views = tiles(pictures[0], 32).reshape(8, 4, 32, 32, 3)
    place = scores.index(1.0)
    query, reference = np.load(open_pool.built / "candidate_images.npy")[5], views[place, 3]
    assert np.array_equal(views[place, 0], query)
    assert np.array_equal(views[place, 1], sheets.moved(reference, 1, -2))
    assert np.array_equal(views[place, 2], sheets.difference(query, reference, 1, -2))


def test_pair_verdicts_are_kept_per_rater_and_override_the_score(open_pool):
    desk = pairs_desk.PairsDesk(open_pool)
    item = desk.sheet("ann")[0]["items"][0]
    row = {key: item[key] for key in ("tiny_index", "reference_set", "reference")}
    row |= {"rater": "ann", "verdict": "similar", "time": FIRST}
    refused = desk.record([row, row | {"reference": 10**5}, row | {"verdict": "maybe"}])[0]["refused"]
    assert [position for position, _ in refused] == [1, 2]
    assert desk.sheet("ann")[0]["judged"] == 1 and desk.sheet("bob")[0]["judged"] == 0
    assert desk.sheet("ann")[0]["items"][0]["verdict"] == "similar" and "similar" not in json.dumps(
        desk.sheet("bob")[0]
    )
    pairs = read_table(open_pool.built / "pairs.parquet").assign(verdict="duplicate")
    candidates = read_table(open_pool.built / "candidates.parquet")["tiny_index"].to_numpy()
    log = screening.read_pair_verdicts(open_pool.labels / "pair_verdicts.jsonl")
    judged = screening.apply_pair_verdicts(pairs, log, candidates)
    assert judged.loc[judged["is_reviewed"], ["ssim", "verdict"]].to_numpy().tolist() == [[0.751, "different"]]


def test_a_disagreement_is_settled_apart_from_the_blind_votes(open_pool):
    desk = disagreements_desk.DisagreementsDesk(open_pool)
    reply, pictures = desk.sheet("cleo")
    item = reply["items"][0]
    assert {rater for rater, _ in item["said"]} == {"rater-a", "rater-b"} and len(
        {said for _, said in item["said"]}
    ) == 2
    first, count = item["own"]
    assert count and len(tiles(pictures[1], reply["own_shown"])[first:][:count]) == count
    row = {key: item[key] for key in ("tiny_index", "keyword", "class")} | {"rater": "cleo", "verdict": "yes"}
    assert desk.record([row | {"time": FIRST}])[0]["refused"] == []
    assert desk.sheet("cleo")[0]["items"][0]["verdict"] == "yes" and desk.sheet("dan")[0]["items"][0]["verdict"] is None
    assert ["cleo (settling)", "yes"] in desk.sheet("dan")[0]["items"][0]["said"]
    own = desk.sheet("rater-a")[0]
    assert own["items"] == [] and own["waiting"] == reply["all"]
    desk.record([row | {"verdict": "withdrawn", "time": LATER}])
    assert desk.sheet("cleo")[0]["items"][0]["verdict"] is None


def test_a_workspace_without_candidates_or_pairs_says_what_to_run(tmp_path, open_pool):
    with pytest.raises(FileNotFoundError, match="run notebook 01"):
        widget.labelling(tmp_path)
    (open_pool.root / "built").unlink()
    (open_pool.root / "built").mkdir()
    with pytest.raises(ValueError, match="run notebook 03"):
        pairs_desk.PairsDesk(open_pool)


STEPS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([*votes.VERDICTS, votes.WITHDRAWN])), max_size=8)


@QUICK
@given(STEPS, STEPS, st.data())
def test_any_interleaving_of_two_raters_writers_gives_the_same_table(tmp_path_factory, of_ann, of_bob, data):
    """Two processes hold the log open; some batches are sent twice, as a page does that heard no answer."""
    log = VoteLog(tmp_path_factory.mktemp("log") / "votes.jsonl")
    queues = [
        [vote(index, rater, said, f"2026-01-01T00:00:{second:02}Z") for second, (index, said) in enumerate(steps)]
        for rater, steps in (("ann", of_ann), ("bob", of_bob))
    ]
    expected = votes.current(votes.vote_table([*queues[0], *queues[1]]))
    ledgers, sent = (log.ledger(), log.ledger()), []
    while any(queues):
        writer = data.draw(st.sampled_from([number for number in (0, 1) if queues[number]]))
        size = data.draw(st.integers(1, len(queues[writer])))
        batch, queues[writer] = queues[writer][:size], queues[writer][size:]
        sent.append((writer, batch))
        ledgers[writer].record(batch)
        if data.draw(st.booleans()):
            again, old = data.draw(st.sampled_from(sent))
            ledgers[again].record(old)
    pd.testing.assert_frame_equal(log.table(), expected)
    for ledger in ledgers:
        ledger.refresh()
        pd.testing.assert_frame_equal(votes.current(votes.vote_table(list(ledger.current.values()))), expected)


def test_an_older_vote_that_arrives_late_does_not_undo_a_newer_one(tmp_path):
    log = VoteLog(tmp_path / "votes.jsonl")
    log.ledger().record([vote(1, verdict="no", time=LATER)])
    log.ledger().record([vote(1, verdict="yes", time=FIRST)])
    assert log.table()["verdict"].tolist() == ["no"] and len(log.table(all=True)) == 3


def test_a_hundred_thousand_votes_are_recorded_counted_and_not_taken_twice(tmp_path):
    log = VoteLog(tmp_path / "votes.jsonl")
    ledger = log.ledger()
    batches = [[vote(index, rater) for index in range(at, at + 500)] for at in range(0, 50_000, 500) for rater in "ab"]
    assert sum(len(ledger.record(batch)) for batch in batches) == 100_000
    assert not log.ledger().record(batches[7])
    assert len(log.table()) == 100_000 and log.path.read_bytes().count(b"\n") == 100_000


def test_every_request_is_answered_whatever_it_holds_and_whatever_stands_in_the_workspace(open_pool, tmp_path):
    (open_pool.root / "results").unlink()
    open_pool.results.mkdir()
    (open_pool.summary).write_text('{"03_deduplicate": [1]}')
    page, sent = ReviewPages(open_pool), []
    page.send = lambda message, buffers=None: sent.append(message)
    asked = [
        *(("pairs.sheet", {"rater": "ann"}), ("pairs.record", {"rows": [{"tiny_index": 1e308}]})),
        *(("labelling.record", {"rows": [None, 1, {"rater": []}]}), ("labelling.sheet", {"rater": [1]})),
        *(("disagreements.record", {"rows": [5]}), ("disagreements.sheet", {"rater": {}}), ("hello", [1]), ({}, 5)),
    ]
    for number, (request, data) in enumerate(asked):
        page._receive({"id": number, "request": request, "data": data})
    assert [message["id"] for message in sent] == list(range(len(asked)))
    assert "summary.json: 03_deduplicate: expected names and values" in sent[0]["error"]
