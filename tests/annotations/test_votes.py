"""The vote log, the acceptance rule, agreement, and the folders and files that labelling programs exchange."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from cifar102.annotations import kappa, labelimg, votes
from cifar102.annotations import kappa as agreement_module
from cifar102.annotations.votes import VoteLog
from cifar102.sampling import cifar101

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


def test_csv_round_trips_votes_with_the_keyword_nan(tmp_path):
    given = table_of(vote(1), vote(2, keyword="nan"))
    path = votes.write_votes_csv(tmp_path / "votes.csv", given)
    pd.testing.assert_frame_equal(votes.read_csv(path), given)
    path.write_text(path.read_text().replace("2,nan,cat", "2,nan,cow"))
    with pytest.raises(ValueError, match=r"line 3.*cow"):
        votes.read_csv(path)


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


def random_votes(rng, raters, count=60):
    codes = rng.integers(0, 3, (count, 1)) * (rng.random((count, len(raters))) < 0.8)
    return codes, table_of(
        *(vote(i, r, votes.VERDICTS[codes[i, k]]) for i in range(count) for k, r in enumerate(raters))
    )


def test_agreement_of_two_raters_is_cohens_kappa_of_scikit_learn(rng):
    codes, table = random_votes(rng, ["ann", "bob"])
    found = kappa.agreement(table)
    assert (found.measure, found.n, found.num_raters) == ("cohen", 60, 2)
    assert found.kappa == pytest.approx(cohen_kappa_score(codes[:, 0], codes[:, 1]))
    assert found.low < found.kappa < found.high
    assert found == kappa.agreement(table.sample(frac=1, random_state=0))


def test_bootstrap_interval_is_that_of_resampled_images(rng):
    codes, table = random_votes(rng, ["ann", "bob"])
    found = kappa.agreement(table)
    draws = [codes[rng.integers(0, 60, 60)] for _ in range(1000)]
    low, high = np.quantile([cohen_kappa_score(d[:, 0], d[:, 1]) for d in draws], [0.025, 0.975])
    assert (found.low, found.high) == (pytest.approx(low, abs=0.03), pytest.approx(high, abs=0.03))


def test_agreement_of_three_raters_is_fleiss_kappa_of_statsmodels(rng):
    codes, table = random_votes(rng, ["ann", "bob", "eve"])
    counts = np.stack([(codes == code).sum(axis=1) for code in range(3)], axis=1)
    found = kappa.agreement(table, resamples=50)
    assert (found.measure, found.n) == ("fleiss", 60) and found.kappa == pytest.approx(fleiss_kappa(counts))


def test_krippendorff_alpha_of_a_hand_worked_example():
    # Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example B: two observers, 10 units, nominal
    # binary data, alpha = 0.095
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    given = [vote(i, r, votes.VERDICTS[x]) for r, row in (("a", first), ("b", second)) for i, x in enumerate(row)]
    found = kappa.agreement(table_of(*given), measure="krippendorff", resamples=0)
    assert round(found.kappa, 3) == 0.095


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([vote(1), vote(2)], "two raters"),
        ([vote(1, "ann"), vote(2, "bob")], "no image"),
        ([vote(i, r) for i in range(4) for r in ("ann", "bob")], "the same"),
        ([vote(i, r) for i in range(4) for r in ("ann", "bob", "eve")], "the same"),
    ],
)
def test_agreement_that_is_undefined_says_why(given, reason):
    found = kappa.agreement(table_of(*given))
    assert found.kappa is None and reason in found.reason


def test_agreement_is_told_per_class_and_keyword():
    given = [
        vote(i, r, "yes" if i % 2 else "no", w) for i in range(8) for r in "ab" for w in (["tabby", "tom"][i // 4],)
    ]
    table = agreement_module.agreement_by(table_of(*given), "keyword", resamples=5)
    assert table[["keyword", "kappa", "n"]].to_numpy().tolist() == [["tabby", 1.0, 4], ["tom", 1.0, 4]]


def test_disagreements_show_both_verdicts():
    found = votes.disagreements(table_of(vote(1, "a"), vote(1, "b", "no"), vote(2, "a"), vote(2, "b")))
    assert found.to_dict("records") == [{"tiny_index": 1, "keyword": "tabby", "class": "cat", "a": "yes", "b": "no"}]


def test_labelimg_files_round_trip(tmp_path):
    rows = make_candidates(3).assign(verdict=["yes", "no", "unsure"])
    labelimg.write_labelimg(tmp_path, rows)
    read, refused = labelimg.read_labelimg(tmp_path)
    names = ["class_name", "keyword", "filename", "verdict"]
    assert not refused
    assert read[names].to_numpy().tolist() == rows[names].to_numpy().tolist()
    found, lost = labelimg.to_votes(read, rows.iloc[:2], "ann")
    assert [item["tiny_index"] for item in found] == [0, 10] and lost[0].file == "cat/tabby/tabby_s_000002.xml"


def xml(path: str, more: str = "") -> str:
    return f"<annotation><path>{path}</path>{more}</annotation>"


def thing(name: str) -> str:
    return f"<object><name>{name}</name></object>"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + xml("/x/cat/tabby/a.png", "<n>&b;</n>")
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + xml("/x/cat/tabby/&a;.png")
REFUSED = {
    "cut": ("<annotation><path>C:\\x\\cat\\tabby\\a.png</pa", "does not parse"),
    "empty": ("", "does not parse"),
    "no_path": ("<annotation/>", "does not end in"),
    "short": (xml("tabby/a.png"), "does not end in"),
    "up": (xml("/x/cat/../a.png"), "outside"),
    "up_back": (xml("..\\..\\cat\\tabby\\a.png"), "outside"),
    "unknown": (xml("/x/cow/jersey/a.png"), "cow"),
    "object": (xml("/x/cat/tabby/a.png", thing("sofa")), "sofa"),
    "contradiction": (xml("/x/cat/tabby/a.png", thing("yes") + thing("dog")), "contradict"),
    "bomb": (BOMB, "no annotation needs"),
    "external": (EXTERNAL, "no annotation needs"),
    "large": (xml("/x/cat/tabby/a.png", " " * (1 << 20)), "bytes"),
}


def test_labelimg_takes_either_slash_and_refuses_the_rest_by_name(tmp_path):
    (tmp_path / "slash.xml").write_text(xml("/pictures/cat/tabby/a.png", thing("cat")))
    (tmp_path / "backslash.xml").write_text(xml("C:\\pictures\\cat\\tabby\\b.png", thing("tabby")))
    (tmp_path / "other.xml").write_text(xml("cat/tabby/c.png", thing("dog")))
    for name, (text, _) in REFUSED.items():
        (tmp_path / f"bad_{name}.xml").write_text(text)
    rows, refused = labelimg.read_labelimg(tmp_path)
    assert rows[["filename", "verdict"]].to_numpy().tolist() == [["b.png", "yes"], ["c.png", "no"], ["a.png", "yes"]]
    reasons = dict(refused)
    assert sorted(reasons) == sorted(f"bad_{name}.xml" for name in REFUSED)
    for name, (_, words) in REFUSED.items():
        assert words in reasons[f"bad_{name}.xml"], name


@QUICK
@given(st.binary(max_size=200))
def test_no_bytes_whatever_stop_the_reader_of_labelimg(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("xml")
    (folder / "a.xml").write_bytes(content)
    rows, refused = labelimg.read_labelimg(folder)
    assert len(rows) + len(refused) == 1


def test_labelimg_link_to_outside_is_refused(tmp_path):
    (tmp_path / "secret.xml").write_text(xml("/x/cat/tabby/a.png"))
    inside = tmp_path / "inside"
    inside.mkdir()
    try:
        (inside / "link.xml").symlink_to(tmp_path / "secret.xml")
    except OSError:
        pytest.skip("this system makes no links without privileges")
    assert labelimg.read_labelimg(inside)[1][0].file == "link.xml"


def test_names_that_leave_the_folder_are_not_written(tmp_path):
    for filename in ("../x.png", "a/b.png", "a\\b.png", ".."):
        with pytest.raises(ValueError, match=re.escape(repr(filename)[1:-1].split("/")[-1])):
            labelimg.write_labelimg(tmp_path, make_candidates(1).assign(filename=filename))
    assert not list(tmp_path.iterdir())


def test_exported_pictures_have_the_very_pixels(tmp_path, rng):
    candidates, images = make_candidates(4), rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    assert labelimg.export_images(tmp_path, candidates, images) == 4
    assert {path.suffix for path in tmp_path.rglob("*.*")} == {".png"}
    np.testing.assert_array_equal(labelimg.read_images(tmp_path, candidates), images)
    assert votes.candidate_at(candidates, 20)["filename"] == "tabby_s_000002.png"


def test_export_never_overwrites_another_picture(tmp_path, rng):
    candidates, images = make_candidates(1), rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    labelimg.export_images(tmp_path, candidates, images)
    labelimg.export_images(tmp_path, candidates, images)
    with pytest.raises(ValueError, match="another picture"):
        labelimg.export_images(tmp_path, candidates, 255 - images)
    np.testing.assert_array_equal(labelimg.read_images(tmp_path, candidates), images)
    with pytest.raises(ValueError, match="jpg"):
        labelimg.export_images(tmp_path, candidates.assign(filename="a.jpg"), images)


def test_published_good_indices_and_blacklists_round_trip(published, tmp_path):
    files = published / "other_data"
    for name in ("tinyimage_good_indices", "tinyimage_good_indices_subselected_v7", "cruiser_good_indices"):
        good = cifar101.read_good_indices(files / f"{name}.json")
        copy = cifar101.read_good_indices(cifar101.write_good_indices(tmp_path / "good.json", good))
        assert copy == good and list(copy) == list(good)
    black = cifar101.read_blacklist(files / "blacklist_v7.json")
    assert len(black) == 231
    assert cifar101.read_blacklist(cifar101.write_blacklist(tmp_path / "black.json", black)) == black


def test_bad_index_files_are_refused_by_name(tmp_path):
    path = tmp_path / "good.json"
    for text, words in (("[1]", "keyword -> indices"), ('{"a": [-1]}', "a: "), ('{"a": "b"}', "list"), ("{", "JSON")):
        path.write_text(text)
        with pytest.raises(ValueError, match=words):
            cifar101.read_good_indices(path)


def test_accepted_table_becomes_good_indices():
    table = pd.DataFrame({"tiny_index": [5, 3, 4], "keyword": ["tom", "tom", "manx"]})
    assert cifar101.from_accepted(table) == {"manx": [4], "tom": [3, 5]}
