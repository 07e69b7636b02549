"""The published models: every table of the analysis from files of CIFAR-10.1's form, and the real ones' numbers."""

import json
from pathlib import Path

import numpy as np
import pytest

from cifar102 import cifar
from cifar102.analysis import gaps
from cifar102.analysis import published as published_models

VERSIONS = {"v4": 60, "v6": 50, "v10": 40}


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """CIFAR-10.1 in miniature: five models of which one was never run on the new sets, three versions."""
    home = tmp_path / "CIFAR-10.1"
    (home / "datasets").mkdir(parents=True)
    labels = {"original": np.arange(120) % 10} | {word: rng.permutation(n) % 10 for word, n in VERSIONS.items()}
    for word, truth in labels.items():
        place = home / "model_predictions" / f"{word}_predictions"
        place.mkdir(parents=True)
        if word != "original":
            np.save(home / "datasets" / f"cifar10.1_{word}_labels.npy", truth)
        for k, skill in enumerate((0.5, 0.6, 0.75, 0.9, 0.95)):
            if k == 4 and word != "original":
                continue
            right = rng.random(len(truth)) < skill - 0.05 * (word != "original")
            said = np.where(right, truth, (truth + 1) % 10)
            (place / f"model_{k}_predictions.json").write_text(json.dumps(said.tolist()))
    return home


def read(folder: Path, version: str = "cifar10.1-v4", **more: object) -> published_models.PublishedModels:
    return published_models.read_published_models(folder, version, np.arange(120) % 10, **more)


def test_every_version_with_labels_and_predictions_is_found_in_order(folder: Path) -> None:
    assert published_models.published_versions(folder) == ("cifar10.1-v4", "cifar10.1-v6", "cifar10.1-v10")
    (folder / "datasets" / "cifar10.1_v6_labels.npy").rename(folder / "cifar10.1_v6_labels.npy")
    assert "cifar10.1-v6" in published_models.published_versions(folder)
    (folder / "datasets" / "cifar10.1_v4_labels.npy").unlink()
    assert "cifar10.1-v4" not in published_models.published_versions(folder)
    assert published_models.published_versions(folder / "none") == ()


def test_only_models_on_both_sets_are_read(folder: Path) -> None:
    found = read(folder, "cifar10.1-v10")
    assert list(found.predictions["cifar10"]) == [f"model_{k}" for k in range(4)]
    assert found.sets == ("cifar10", "cifar10.1-v10")
    assert len(found.labels["cifar10.1-v10"]) == 40
    assert found.keywords == {}


def test_another_number_of_labels_is_refused_by_file(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"model_0_predictions.json: expected 100 "):
        published_models.read_published_models(folder, "cifar10.1-v4", np.arange(100) % 10)


def test_scores_are_the_accuracies_image_by_image(folder: Path) -> None:
    found = read(folder)
    scores = published_models.published_scores(found)
    gap = published_models.model_tables(found)["gap"].set_index("model")
    for model, sets in scores.items():
        assert sets["cifar10"].shape == (1, 120)
        assert sets["cifar10"].mean() == gap.loc[model, "original"]
        assert sets["cifar10.1-v4"].mean() == gap.loc[model, "new"]


def test_tables_hold_every_model_and_pair(folder: Path) -> None:
    tables = published_models.model_tables(read(folder), level=0.9)
    assert {name: len(table) for name, table in tables.items()} == {
        **{"gap": 4, "averages": 2 * 11 * 4, "ranks": 4, "terms": 16, "pairs": 6, "certain_ranks": 4, "reversals": 0},
        **{"robustness": 4, "agreement": 4, "influence": 12},
    }
    assert (tables["gap"]["level"] == 0.9).all()
    whole = tables["averages"].query("left_out == '' and set == 'cifar10.1-v4'").set_index("model")["micro"]
    assert whole.to_dict() == tables["gap"].set_index("model")["new"].to_dict()


def test_all_tables_are_of_the_version_asked_for_and_fits_of_every_version(folder: Path) -> None:
    versions = published_models.read_published_versions(folder, np.arange(120) % 10)
    chosen, tables = published_models.published_tables(versions, "cifar10.1-v6")
    assert chosen.version == "cifar10.1-v6" and set(tables["difficulty"]["set"]) == {"cifar10", "cifar10.1-v6"}
    assert tables["fits"]["version"].unique().tolist() == [models.version for models in versions]
    assert published_models.published_tables(versions, "cifar10.1-v99")[0].version == "cifar10.1-v4"
    assert published_models.published_tables([], "cifar10.1-v4") == (None, {})


def test_slopes_are_on_two_axes_and_accuracies_of_both_sets(folder: Path) -> None:
    found = read(folder)
    slopes = published_models.published_slopes(found, resamples=20)
    assert [table["axis"].iloc[0] for table in slopes] == ["linear", "probit"]
    assert [table["n"].iloc[0] for table in published_models.published_accuracies(found)] == [120, 60]


def test_without_copies_the_original_set_alone_loses_images(folder: Path) -> None:
    table = published_models.published_gap_without_copies(read(folder), np.arange(120) < 20)
    assert table.groupby("subset")[["n_original", "n_new"]].first().to_dict("index") == {
        "all": {"n_original": 120, "n_new": 60}, "without duplicates": {"n_original": 100, "n_new": 60},
    }  # fmt: skip


def test_two_models_have_pairs_and_no_line(folder: Path) -> None:
    for path in folder.glob("model_predictions/*/model_[234]*"):
        path.unlink()
    found = read(folder)
    tables = published_models.model_tables(found)
    assert "pairs" in tables and not {"robustness", "agreement", "influence"} & set(tables)
    assert published_models.version_table(found).empty and published_models.published_slopes(found) == []


def test_keyword_tables_need_the_keywords_of_both_sets(folder: Path) -> None:
    assert "keywords" not in published_models.image_tables(read(folder))
    (folder / "other_data").mkdir()
    words = {"cab": list(range(30)), "jet": list(range(30, 60))}
    for end, content in (("", list(range(60))), ("_per_keyword", words)):
        (folder / "other_data" / f"cifar10.1_v4_ti_indices{end}.json").write_text(json.dumps(content))
    original = np.where(np.arange(120) < 60, "cab", "wren")
    tables = published_models.image_tables(read(folder, original_keywords=original))
    assert set(tables["keywords"]["keyword"]) == {"cab"}
    assert 0 < tables["keyword_mixture"]["covered"].iloc[0] < 1
    assert len(tables["difficulty"]) == 180


def test_people_are_asked_about_labels_and_gaps(folder: Path) -> None:
    found = read(folder)
    labels = found.labels["cifar10"]
    counts = 10 * np.eye(10, dtype=int)[labels]
    counts[0] = np.eye(10, dtype=int)[(labels[0] + 1) % 10]
    tables = published_models.people_tables(found, labels, counts)
    assert tables["people_disagree"]["row"].tolist() == [0]
    assert set(tables["people_none_right"]["row"]) <= {0} and len(tables["gap_by_labelling"]) == 3 * 5
    assert list(published_models.people_tables(None, labels, counts)) == ["people_disagree"]


@pytest.fixture(scope="module")
def real(real_data: Path, published: Path) -> published_models.PublishedModels:
    test = cifar.read_batch(real_data / "cifar-10-batches-py" / "test_batch")
    return published_models.read_published_models(published, "cifar10.1-v4", test.labels, test.keywords)


@pytest.mark.real_data
def test_table_of_versions_has_the_published_numbers(real: published_models.PublishedModels) -> None:
    table = published_models.version_table(real).set_index("axis")
    assert (table["num_models"] == 30).all()
    assert round(100 * table["gap"].iloc[0], 4) == 8.1112
    assert table["slope"].round(4).to_dict() == {"linear": 1.6166, "logit": 0.8385, "probit": 0.9515}
    assert table["r2"].round(4).to_dict() == {"linear": 0.9887, "logit": 0.9806, "probit": 0.9831}
    assert (round(table["spearman"].iloc[0], 4), round(table["kendall"].iloc[0], 4)) == (0.9779, 0.8884)


@pytest.mark.real_data
def test_best_and_worst_hard_images_are_as_published(real: published_models.PublishedModels) -> None:
    difficulty = published_models.image_tables(real)["difficulty"]
    for name, counts in {"cifar10": (28, 6507), "cifar10.1-v4": (21, 872)}.items():
        right = difficulty.loc[difficulty["set"] == name, "num_right"]
        assert ((right == 0).sum(), (right == 30).sum()) == counts


@pytest.mark.real_data
def test_slopes_of_the_published_models_leave_out_one_where_the_placebo_should_hold_it(real) -> None:
    table = gaps.placebo_slope(published_models.published_scores(real), *real.sets, resamples=300)
    assert not table["holds_one"].any()
    assert round(table["slope"].iloc[0], 4) == 1.6166


@pytest.mark.real_data
def test_keywords_of_v4_are_its_own(published: Path) -> None:
    keywords = published_models.read_published_keywords(published, "cifar10.1-v4")
    assert len(keywords) == 2021
