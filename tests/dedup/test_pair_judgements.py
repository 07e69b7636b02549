"""What raters said of sampled pairs: counted by hand, and nobody misled by decoys or by one answer."""

import numpy as np
import pandas as pd
import pytest

from cifar102.dedup import pair_judgements as judgements
from cifar102.dedup import screening
from cifar102.workspace import append_log


def said(**answers: str) -> pd.DataFrame:
    """Verdicts by rater as letters (e, n, s, d; "-" for none) on pairs 0, 1, ...; the last two are decoys."""
    words = {word[0]: word for word in screening.MEANING}
    rows = [
        {
            "tiny_index": number,
            "reference_set": "cifar10-test",
            "reference": number,
            "rater": rater,
            "verdict": words[a],
        }
        for rater, text in answers.items()
        for number, a in enumerate(text)
        if a != "-"
    ]
    count = max(map(len, answers.values()))
    sample = pd.DataFrame({"tiny_index": range(count), "reference_set": "cifar10-test", "other": range(count)})
    kinds = ["pair"] * (count - 2) + ["identical", "unrelated"]
    strata = ["0.75 to 0.85" if number % 2 else "0.55 to 0.65" for number in range(count - 2)] + ["", ""]
    sample = sample.assign(reference=0, kind=kinds, stratum=strata, weight=1.0)
    return judgements.judged(sample, pd.DataFrame(rows))


def test_agreement_is_that_of_the_hand_calculation() -> None:
    table = judgements.agreement_table(said(ann="eenndds-" + "ed", bob="enssddsd" + "dd"))
    row = table.iloc[0]
    assert (row["first"], row["second"], row["n"]) == ("ann", "bob", 7)
    assert row["raw"] == pytest.approx(5 / 7)
    share = (4 / 7 + 2 / 7) / 2
    chance = 2 * share * (1 - share)
    assert row["ac1"] == pytest.approx((5 / 7 - chance) / (1 - chance))
    by_chance = 4 / 7 * 2 / 7 + 3 / 7 * 5 / 7
    assert row["kappa"] == pytest.approx((5 / 7 - by_chance) / (1 - by_chance))


def test_one_answer_only_has_no_kappa_and_full_ac1() -> None:
    row = judgements.agreement_table(said(ann="dddded", bob="ssssed")).iloc[0]
    assert np.isnan(row["kappa"]) and row["ac1"] == 1 and row["raw"] == 1
    assert "kappa undefined" in judgements.report(said(ann="dddded", bob="ssssed"), 6)


def test_precision_by_stratum_counts_copies_with_exact_intervals_and_leaves_decoys_out() -> None:
    table = judgements.precision_table(said(ann="dedede" + "ed", bob="dedede" + "ed"))
    of_ann = table[table["rater"] == "ann"]
    assert of_ann["stratum"].tolist() == ["0.75 to 0.85", "0.55 to 0.65"]
    assert of_ann[["copies", "n"]].to_numpy().tolist() == [[3, 3], [0, 3]]
    assert of_ann["low"].iloc[0] == pytest.approx(0.025 ** (1 / 3)) and of_ann["high"].iloc[0] == 1
    agreed = table[table["rater"] == judgements.BOTH]
    assert agreed["n"].sum() == 6


def test_errors_on_decoys_are_counted_by_kind() -> None:
    table = judgements.decoy_table(said(ann="dd" + "se", bob="dd" + "ed")).set_index(["rater", "kind"])["errors"]
    assert table.to_dict() == {
        ("ann", "identical"): 1,
        ("ann", "unrelated"): 1,
        ("bob", "identical"): 0,
        ("bob", "unrelated"): 0,
    }


def test_a_report_without_verdicts_or_with_one_rater_says_what_is_missing() -> None:
    nobody = said(ann="----" + "ed").head(0)
    assert "Nobody has judged any of the 6" in judgements.report(nobody, 6)
    assert "needs a second rater" in judgements.report(said(ann="dedeed"), 6)


def test_only_verdicts_of_the_blind_page_count_and_the_last_of_a_rater(tmp_path) -> None:
    path = tmp_path / "pair_verdicts.jsonl"
    row = {"tiny_index": 1, "reference_set": "cifar10-test", "reference": 2, "rater": "ann", "time": append_log.now()}
    blind = {"page": screening.BLIND}
    append_log.append(path, [{**row, "verdict": "exact"}, {**row, "verdict": "near", **blind}])
    append_log.append(path, [{**row, "verdict": "similar", **blind, "rater": " Ann"}, {**row, "verdict": "exact"}])
    with path.open("a") as file:
        file.write('{"torn')
    found = judgements.blind_verdicts(path)
    assert found["verdict"].tolist() == ["similar"]
    assert len(screening.read_pair_verdicts(path)) == 1
    assert judgements.blind_verdicts(tmp_path / "none.jsonl").empty
