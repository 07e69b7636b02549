"""Keywords belong to classes, and candidates are all records under them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102.cifar import ImageSet, load_cifar10
from cifar102.figures import drawing
from cifar102.sampling import quotas
from cifar102.tiny_images import candidates
from cifar102.tiny_images.pair import TinyImages, write_tiny_images
from cifar102.workflow import notebooks
from cifar102.workspace.files import read_table
from cifar102.workspace.folders import REPOSITORY


def image_set(rng: np.random.Generator, names: list[tuple[str, int]]) -> ImageSet:
    files = tuple(f"{keyword}_s_{number:06d}.png" for number, (keyword, _) in enumerate(names))
    images = rng.integers(0, 256, (len(names), 32, 32, 3), dtype=np.uint8)
    return ImageSet(images, np.array([label for _, label in names]), files)


def test_keywords_are_counted_by_class_then_frequency_then_name(rng: np.random.Generator) -> None:
    found = candidates.keyword_table(
        [image_set(rng, [("elk", 4), ("deer", 4), ("deer", 4), ("airbus", 0), ("bock", 4)])]
    )
    assert found["keyword"].tolist() == ["airbus", "deer", "bock", "elk"]
    assert found["count"].tolist() == [1, 2, 1, 1]
    assert found["class_name"].tolist() == ["airplane", "deer", "deer", "deer"]


def test_a_decided_keyword_keeps_one_class_and_an_undecided_one_is_an_error(rng: np.random.Generator) -> None:
    twice = candidates.keyword_table([image_set(rng, [("cruiser", 1), ("cruiser", 8)])])
    assert candidates.decide_keywords(twice)["class_name"].tolist() == ["ship"]
    with pytest.raises(ValueError, match=r"\['bat'\] stand in two classes"):
        candidates.decide_keywords(candidates.keyword_table([image_set(rng, [("bat", 2), ("bat", 3)])]))


def test_every_record_of_a_keyword_is_a_candidate_with_its_own_picture(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    keywords = ["elk", "airbus", "zebra", "elk", "airbus"]
    images = rng.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    names = [f"{keyword}_s_{number:06d}.png" for number, keyword in enumerate(keywords)]
    order = write_tiny_images(tmp_path, images, pd.DataFrame({"keyword": keywords, "filename": names}))
    table = pd.DataFrame(
        {"keyword": ["elk", "airbus", "moose"], "class_name": ["deer", "airplane", "deer"], "label": [4, 0, 4]}
    )
    with TinyImages(tmp_path) as tiny:
        found, missing = candidates.extract_candidates(tiny, table)
        np.testing.assert_array_equal(tiny.images(found["tiny_index"]), images[order[found["tiny_index"]]])
    assert found["keyword"].tolist() == ["airbus", "airbus", "elk", "elk"]
    assert found["filename"].tolist() == [names[row] for row in order[found["tiny_index"]]]
    assert found["label"].tolist() == [0, 0, 4, 4] and missing["keyword"].tolist() == ["moose"]


def test_an_image_is_unreached_when_its_keyword_is_of_another_class_or_none() -> None:
    keywords = pd.DataFrame({"keyword": ["elk", "cruiser"], "label": [4, 8]})
    truth = pd.DataFrame({"keyword": ["elk", "cruiser", "bat", "bus"], "true_label": [4, 1, 2, -1]})
    found = candidates.unreached_images(truth, keywords).set_index("class_name")
    assert found.loc[["deer", "automobile", "bird", "ship"], "unreached"].tolist() == [0, 1, 1, 0]
    assert found["images"].sum() == 3


def test_notebook_01_ends_only_when_all_it_collected_is_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "draw", lambda *given, **named: None)
    monkeypatch.setattr(drawing, "draw_sheet", lambda *given, **named: None)
    names: dict[str, object] = {}
    for cell in notebooks.read_cells(REPOSITORY / "notebooks" / "01_build_subset.ipynb"):
        if cell["cell_type"] == "code":
            exec(cell["source"], names)
            if "parameters" in notebooks.tags_of(cell):
                names["workspace"] = str(tmp_path)
    found = read_table(tmp_path / "built" / "candidates.parquet")
    pixels = np.load(tmp_path / "built" / "candidate_images.npy", mmap_mode="r")
    with TinyImages(tmp_path / "raw") as tiny:
        np.testing.assert_array_equal(pixels, tiny.images(found["tiny_index"]))


@pytest.mark.real_data
def test_only_cruiser_stands_in_two_classes_of_cifar10(real_data: Path) -> None:
    sets = load_cifar10(real_data / "cifar-10-batches-py")
    table = candidates.keyword_table([sets["train"], sets["test"]])
    assert table.loc[table["keyword"].duplicated(), "keyword"].tolist() == ["cruiser"]
    names = [*sets["train"].filenames, *sets["test"].filenames]
    counts = quotas.keyword_counts(names, np.r_[sets["train"].labels, sets["test"].labels])
    assert sum(map(len, counts.values())) == len(table) == 397
