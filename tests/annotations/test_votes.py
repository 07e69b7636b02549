"""The vote log, the acceptance rule, and what is counted of votes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cifar102.annotations import kappa, votes
from cifar102.annotations.votes import VoteLog

QUICK = settings(max_examples=40, deadline=None, derandomize=True)
TIME = "2026-01-02T03:04:05+00:00"


def vote(index: int, rater: str = "ann", verdict: str = "yes", keyword: str = "tabby", class_name: str = "cat") -> dict:
    return dict(zip(votes.FIELDS, (index, keyword, class_name, rater, verdict, TIME), strict=True))


def table_of(*given: dict) -> pd.DataFrame:
    return votes.vote_table(list(given))


def make_candidates(count: int) -> pd.DataFrame:
    table = pd.DataFrame({"tiny_index": np.arange(count) * 10, "keyword": "tabby", "class_name": "cat", "label": 3})
    return table.assign(filename=[f"tabby_s_{number:06d}.png" for number in range(count)])


def test_vote_is_in_the_file_when_append_returns(tmp_path):
    log = VoteLog(tmp_path / "labels" / "votes.jsonl")
    assert log.table().empty
    written = log.append(5, "tabby", "cat", "ann", "yes")
    assert json.loads(log.path.read_text()) == written
    log.append(tiny_index=np.int64(6), keyword="tabby", class_name="cat", rater="ann", verdict="no", time=TIME)
    log.append(vote(7))
    assert log.table()["tiny_index"].tolist() == [5, 6, 7]


def test_append_syncs_before_it_returns(tmp_path, monkeypatch):
    synced, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: (synced.append(os.fstat(handle).st_size), real(handle)))
    log = VoteLog(tmp_path / "votes.jsonl")
    log.append(vote(1))
    assert log.path.stat().st_size in synced


def test_state_is_the_last_verdict_per_rater_and_image(tmp_path):
    log = VoteLog(tmp_path / "votes.jsonl")
    log.append_many([vote(1, "ann", "yes"), vote(1, "bob", "no"), vote(1, "ann", "unsure")])
    assert log.table()[["rater", "verdict"]].to_numpy().tolist() == [["ann", "unsure"], ["bob", "no"]]
    assert log.table(all=True)["verdict"].tolist() == ["yes", "no", "unsure"]


def test_cruiser_is_asked_about_once_per_class():
    car, ship = (vote(1, "ann", v, "cruiser", c) for v, c in (("no", "automobile"), ("yes", "ship")))
    assert len(votes.current(table_of(car, ship))) == 2


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_torn_last_line_is_kept_apart_and_the_next_vote_is_whole(tmp_path, cut):
    log = VoteLog(tmp_path / "votes.jsonl")
    log.append_many([vote(1), vote(2)])
    torn = log.path.read_bytes()[:-cut]
    log.path.write_bytes(torn)
    assert len(log.table()) == (2 if cut == 1 else 1)  # with only the line feed lost the vote is whole
    log.append(vote(3))
    assert log.path.read_bytes().startswith(torn + b"\n")
    assert log.table()["tiny_index"].tolist() == ([1, 2, 3] if cut == 1 else [1, 3])
    assert log.refused()["line"].tolist() == ([] if cut == 1 else [2])


def test_reading_and_opening_never_change_the_log(tmp_path):
    log = VoteLog(tmp_path / "votes.jsonl")
    log.append(vote(1))
    content = log.path.read_bytes() + b'{"tiny_index": 2}\n\xff\xfe\nnull\n'
    log.path.write_bytes(content)
    again = VoteLog(log.path)
    assert len(again.table()) == 1 and again.refused()["line"].tolist() == [2, 3, 4]
    votes.tallies(again.table()), kappa.agreement(again.table())
    assert log.path.read_bytes() == content


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"verdict": "maybe"}, "maybe"),
        ({"class": "cow"}, "cow"),
        ({"tiny_index": -1}, "tiny_index"),
        ({"tiny_index": 1.5}, "tiny_index"),
        ({"tiny_index": True}, "tiny_index"),
        ({"rater": " "}, "rater"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2026-01-02T03:04:05+02:00"}, "UTC"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_wrong_vote_is_refused_and_nothing_of_its_batch_is_written(tmp_path, change, word):
    log = VoteLog(tmp_path / "votes.jsonl")
    with pytest.raises(ValueError, match=word):
        log.append_many([vote(1), vote(2) | change])
    assert not log.path.exists()


WRITER = """
import sys
from cifar102.annotations.votes import VoteLog
path, rater, count = sys.argv[1:]
for index in range(int(count)):
    VoteLog(path).append(index, "tabby", "cat", rater, "yes")
    print(index, flush=True)
"""


def start_writer(path: Path, rater: str, count: int) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", WRITER, path, rater, str(count)], stdout=subprocess.PIPE, text=True)


def test_two_writers_one_of_them_killed_lose_no_vote_that_was_acknowledged(tmp_path):
    path = tmp_path / "votes.jsonl"
    with start_writer(path, "ann", 40) as ann, start_writer(path, "bob", 1_000_000) as bob:
        acknowledged = [int(bob.stdout.readline()) for _ in range(30)]
        bob.kill()
        acknowledged += [int(line) for line in bob.stdout.readlines() if line.endswith("\n")]
        assert ann.stdout.read().split()[-1] == "39"
    table = VoteLog(path).table()
    assert table.loc[table["rater"] == "ann", "tiny_index"].tolist() == list(range(40))
    assert set(acknowledged) <= set(table.loc[table["rater"] == "bob", "tiny_index"])
    assert len(VoteLog(path).refused()) <= 1


@QUICK
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from(votes.VERDICTS)), max_size=8), st.data())
def test_any_interleaving_of_two_raters_gives_the_same_table(rows, data):
    ann = [vote(index, "ann", verdict) for index, verdict in rows]
    bob = [vote(index, "bob", verdict) for index, verdict in reversed(rows)]
    turns = data.draw(st.permutations([True] * len(ann) + [False] * len(bob)))
    first, second = iter(ann), iter(bob)
    mixed = [next(first) if turn else next(second) for turn in turns]
    pd.testing.assert_frame_equal(votes.current(table_of(*mixed)), votes.current(table_of(*ann, *bob)))


def test_hundred_thousand_votes_are_read_whole(tmp_path):
    log = VoteLog(tmp_path / "votes.jsonl")
    log.append_many(vote(index, rater) for index in range(50_000) for rater in ("ann", "bob"))
    assert len(log.table()) == 100_000


def test_votes_are_written_as_csv_with_the_keyword_nan_as_it_is(tmp_path):
    given = table_of(vote(1), vote(2, keyword="nan"))
    path = votes.write_votes_csv(tmp_path / "votes.csv", given)
    written = pd.read_csv(path, keep_default_na=False)
    pd.testing.assert_frame_equal(written, given, check_dtype=False)


def test_accepted_needs_a_yes_from_everybody_and_two_raters():
    verdicts = {0: "yy", 10: "yn", 20: "y", 30: "yyn", 40: "yyy", 50: "yu", 60: "nn"}
    words = {"y": "yes", "n": "no", "u": "unsure"}
    given = [vote(i, f"r{k}", words[v]) for i, letters in verdicts.items() for k, v in enumerate(letters)]
    candidates = make_candidates(7)
    found = votes.accepted_images(table_of(*given), candidates)
    assert tuple(found) == votes.ACCEPTED_COLUMNS
    assert found[["candidate", "tiny_index", "num_raters"]].to_numpy().tolist() == [[0, 0, 2], [4, 40, 3]]
    assert len(votes.accepted_images(table_of(*given), candidates, minimum_raters=1)) == 3
    tally = votes.tallies(table_of(*given)).set_index("tiny_index")
    assert tally["selection_frequency"].round(2).to_dict() == {0: 1, 10: 0.5, 20: 1, 30: 0.67, 40: 1, 50: 0.5, 60: 0}
    yields = votes.yield_table(table_of(*given))
    assert yields.to_numpy().tolist() == [["cat", "tabby", 6, 2, pytest.approx(1 / 3)]]


def test_a_settling_vote_decides_where_asked_for_and_is_no_agreement():
    settler = "cleo" + votes.SETTLING
    blind = [vote(index, rater, said) for index in (0, 10, 20) for rater, said in (("ann", "yes"), ("bob", "no"))]
    blind += [vote(30, "ann"), vote(30, "bob"), vote(40, "ann")]
    settling = [vote(0, settler), vote(10, settler, "no"), vote(30, settler, "no"), vote(40, settler)]
    given, candidates = table_of(*blind, *settling), make_candidates(5)
    assert votes.accepted_images(given, candidates)["tiny_index"].tolist() == [30]
    found = votes.accepted_images(given, candidates, rule="settled")
    assert found[["tiny_index", "num_raters", "selection_frequency"]].to_numpy().tolist() == [[0, 2, 0.5], [30, 2, 1]]
    assert votes.yield_table(given, rule="settled")["num_accepted"].tolist() == [2]
    assert kappa.agreement(given) == kappa.agreement(table_of(*blind))
    assert votes.disagreements(given)["tiny_index"].tolist() == [0, 10, 20]
    with pytest.raises(ValueError, match="majority"):
        votes.accepted_images(given, candidates, rule="majority")
    twice = table_of(*blind, *settling, vote(0, "dan" + votes.SETTLING, "no"))
    assert votes.accepted_images(twice, candidates, rule="settled")["tiny_index"].tolist() == [30]


def test_votes_of_another_pool_are_an_error():
    with pytest.raises(ValueError, match="999"):
        votes.accepted_images(table_of(vote(999)), make_candidates(3))


def test_empty_log_accepts_nothing():
    empty = table_of()
    assert votes.accepted_images(empty, make_candidates(3)).empty and votes.yield_table(empty).empty
    assert kappa.agreement(empty).kappa is None and votes.disagreements(empty).empty


def test_disagreements_show_both_verdicts():
    found = votes.disagreements(table_of(vote(1, "a"), vote(1, "b", "no"), vote(2, "a"), vote(2, "b")))
    assert found.to_dict("records") == [{"tiny_index": 1, "keyword": "tabby", "class": "cat", "a": "yes", "b": "no"}]


def test_one_person_is_one_rater_however_the_name_was_typed(tmp_path):
    typed = [
        vote(1, "Zo\u00eb"),
        vote(1, " zoe\u0308 ", "no"),
        vote(2, "ZO\u00cb"),
        vote(2, "ann"),
        vote(2, "Ann ", "no"),
    ]
    table = votes.current(table_of(*typed))
    assert table[["tiny_index", "rater", "verdict"]].to_numpy().tolist() == [
        [1, "Zo\u00eb", "no"],
        [2, "Zo\u00eb", "yes"],
        [2, "ann", "no"],
    ]
    assert votes.tallies(table_of(*typed))["num_raters"].tolist() == [1, 2]
    assert votes.accepted_images(table_of(vote(0, "ann"), vote(0, "ANN")), make_candidates(1)).empty
    assert kappa.agreement(table_of(vote(0, "ann"), vote(0, "Ann", "no"))).num_raters == 1
    ledger = VoteLog(tmp_path / "votes.jsonl").ledger()
    ledger.record(typed)
    assert len(ledger.current) == 3
    assert votes.is_settling(table_of(vote(1, "Ann (Settling)"))).all()


@pytest.mark.parametrize("name", ["ann\u202e", "an\x1b[2Jn", "ann\n", "a\u200bnn"], ids=ascii)
def test_a_rater_or_keyword_that_is_not_seen_as_it_is_is_refused(name):
    for field in ("rater", "keyword"):
        with pytest.raises(ValueError, match=f"{field} .* holds a character that is not seen"):
            votes.check_vote(vote(1) | {field: name})


def test_a_log_that_an_editor_on_windows_saved_keeps_its_first_vote_and_takes_more(tmp_path):
    path = tmp_path / "votes.jsonl"
    VoteLog(path).append(tiny_index=3, keyword="tabby", class_name="cat", rater="anna", verdict="yes")
    VoteLog(path).append(tiny_index=4, keyword="tabby", class_name="cat", rater="anna", verdict="no")
    before = VoteLog(path).table()
    saved = b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b" \r\n") + b"\r\n"
    path.write_bytes(saved)
    log = VoteLog(path)
    pd.testing.assert_frame_equal(log.table(), before)
    assert log.refused().empty
    ledger = log.ledger()
    assert ledger.refresh()
    assert [row["tiny_index"] for row in ledger.current.values()] == [3, 4]
    log.append(tiny_index=5, keyword="tabby", class_name="cat", rater="anna", verdict="yes")
    assert path.read_bytes().startswith(saved), "nothing of the log is rewritten"
    assert log.table()["tiny_index"].tolist() == [3, 4, 5]


def test_a_log_in_utf_16_is_refused_line_by_line_and_nothing_is_appended(tmp_path):
    path = tmp_path / "votes.jsonl"
    path.write_bytes('{"tiny_index": 3}\n'.encode("utf-16"))
    assert "save as, encoding UTF-8" in VoteLog(path).refused()["reason"].iloc[0]
    with pytest.raises(ValueError, match=r"votes\.jsonl: the log is UTF-16 text"):
        VoteLog(path).append(tiny_index=5, keyword="tabby", class_name="cat", rater="anna", verdict="yes")
    assert path.read_bytes() == '{"tiny_index": 3}\n'.encode("utf-16")
