"""Looking at records by index, and candidates as folders of PNG files."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cifar102.__main__ import main
from cifar102.commands import records
from cifar102.datasets import downloads, sets
from cifar102.tiny_images.pair import write_tiny_images
from cifar102.workspace import ownership
from cifar102.workspace.files import write_array, write_table
from tests.annotations.test_labelimg import pictures_of


@pytest.fixture
def filled(workspace, rng):
    """A pool of nine records, six of them candidates of two classes."""
    images = rng.integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
    keywords = ["abbey"] * 3 + ["cat"] * 4 + ["ship"] * 2
    names = [f"{keyword}_s_{row:06d}.png" for row, keyword in enumerate(keywords)]
    write_tiny_images(workspace.raw, images, pd.DataFrame({"keyword": keywords, "filename": names}))
    table = pd.DataFrame({"tiny_index": np.arange(3, 9), "keyword": keywords[3:], "filename": names[3:]})
    table["class_name"] = table["keyword"]
    write_table(workspace.built / "candidates.parquet", table)
    write_array(workspace.built / "candidate_images.npy", images[3:])
    ownership.sign(workspace)
    return workspace, images, table


def test_records_are_shown_enlarged_in_the_order_asked_with_their_fields(filled, tmp_path):
    workspace, images, _ = filled
    text = records.show(workspace, [8, 0, 8], tmp_path / "shown.png")
    shown = np.asarray(Image.open(tmp_path / "shown.png"))
    step = 32 * records.SCALE + records.GAP
    for place, index in enumerate([8, 0, 8]):
        left = place * step
        np.testing.assert_array_equal(
            shown[: 32 * records.SCALE : records.SCALE, left : left + 32 * records.SCALE : records.SCALE], images[index]
        )
    assert [line for line in text.splitlines() if line.startswith("record")] == [
        "record 8 (ship)",
        "record 0 (no candidate)",
        "record 8 (ship)",
    ]
    assert "  filename     ship_s_000008.png" in text and "  colors       3" in text


def test_a_record_that_is_not_there_and_a_lossy_name_are_refused(filled, tmp_path):
    with pytest.raises(ValueError, match="record 9 is not in"):
        records.show(filled[0], [9], tmp_path / "shown.png")
    with pytest.raises(ValueError, match="never with a lossy format"):
        records.show(filled[0], [0], tmp_path / "shown.jpg")
    assert list(tmp_path.glob("shown*")) == []


def test_a_sheet_breaks_its_lines(rng):
    images = rng.integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    page = records.sheet(images, scale=1, a_line=2)
    assert page.shape == (3 * 32 + 2 * records.GAP, 2 * 32 + records.GAP, 3)
    np.testing.assert_array_equal(page[-32:, :32], images[4])
    assert (page[-32:, 32:] == 255).all()


def test_candidates_are_exported_with_their_very_pixels(filled, tmp_path):
    workspace, images, table = filled
    assert records.export(workspace, tmp_path / "out") == 6
    np.testing.assert_array_equal(pictures_of(tmp_path / "out", table), images[3:])
    assert records.export(workspace, tmp_path / "ships", classes=["ship"]) == 2
    assert records.export(workspace, tmp_path / "few", keywords=["cat", "ship"], limit=1) == 2
    assert sorted(path.relative_to(tmp_path / "few").as_posix() for path in (tmp_path / "few").rglob("*.png")) == [
        "cat/cat/cat_s_000003.png",
        "ship/ship/ship_s_000007.png",
    ]


def test_a_keyword_or_class_without_candidates_brings_the_near_names(filled, tmp_path):
    with pytest.raises(ValueError, match=r"no candidate has keyword 'ships': did you mean ship\?"):
        records.export(filled[0], tmp_path / "out", keywords=["ships"])
    with pytest.raises(ValueError, match="no candidate has class_name 'zebra': and none has a name like it"):
        records.export(filled[0], tmp_path / "out", classes=["zebra"])


def test_the_commands_show_and_export_do_it_from_the_command_line(filled, tmp_path, capsys):
    root = str(filled[0].root)
    assert main(["show", "8", "0", "--workspace", root]) == 0
    assert "record 8 (ship)" in capsys.readouterr().out
    assert (filled[0].results / "records.png").is_file()
    assert main(["export", str(tmp_path / "out"), "--workspace", root, "--classes", "ship"]) == 0
    assert f"2 images in {tmp_path / 'out'}" in capsys.readouterr().out
    assert main(["show", "9", "--workspace", root]) == 2
    assert "record 9 is not in" in capsys.readouterr().err


def test_the_command_fetch_downloads_into_one_folder_or_says_why_not(tmp_path, capsys, monkeypatch):
    def fetch(dataset, raw):
        assert (dataset, raw) == ("cifar10.1-v6", tmp_path)
        write_array(tmp_path / "CIFAR-10.1" / "cifar10.1_v6_data.npy", np.zeros((20, 32, 32, 3), np.uint8))
        write_array(tmp_path / "CIFAR-10.1" / "cifar10.1_v6_labels.npy", np.arange(20) % 10)

    monkeypatch.setattr(sets.downloads, "fetch_dataset", fetch)
    assert main(["fetch", "cifar10.1-v6", "--data", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "cifar10.1-v6: test 20 images\n"

    def no_network(dataset, raw):
        raise downloads.DownloadError("cifar10.1_v4_data.npy is not here: get it from its home")

    monkeypatch.setattr(sets.downloads, "fetch_dataset", no_network)
    assert main(["fetch", "cifar10.1-v4", "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "cifar102: cifar10.1_v4_data.npy is not here: get it from its home\n"
