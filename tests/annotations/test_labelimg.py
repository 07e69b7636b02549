"""The folders and files that labelling programs exchange: LabelImg's XML, and candidates as PNG files."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cifar102.annotations import labelimg
from tests.annotations.test_votes import QUICK, make_candidates


def pictures_of(folder: Path, candidates: pd.DataFrame) -> np.ndarray:
    """Read exported candidates with Pillow alone, in the row order of `candidates`: uint8 (n, 32, 32, 3)."""
    names = candidates[["class_name", "keyword", "filename"]].itertuples(index=False, name=None)
    return np.stack([np.asarray(Image.open(folder.joinpath(*parts))) for parts in names])


@pytest.mark.parametrize("link", ["{0}", "{0}/{1}", "{0}/{1}/{2}"])
def test_nothing_is_exported_through_a_link(tmp_path, rng, link):
    row = pd.DataFrame({"class_name": ["cat"], "keyword": ["tabby"], "filename": ["tabby_s_000001.png"]})
    images = rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    shared, out = tmp_path / "shared", tmp_path / "out"
    shared.mkdir()
    place = out / link.format("cat", "tabby", "tabby_s_000001.png")
    place.parent.mkdir(parents=True)
    place.symlink_to(shared if place.suffix == "" else shared / "new.png")
    with pytest.raises(ValueError, match=r"is a link to .*shared"):
        labelimg.export_images(out, row, images)
    if place.suffix == "":
        with pytest.raises(ValueError, match=r"is a link to .*shared"):
            labelimg.write_labelimg(out, row)
    assert list(shared.iterdir()) == []


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
    np.testing.assert_array_equal(pictures_of(tmp_path, candidates), images)


def test_export_never_overwrites_another_picture(tmp_path, rng):
    candidates, images = make_candidates(1), rng.integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    labelimg.export_images(tmp_path, candidates, images)
    labelimg.export_images(tmp_path, candidates, images)
    with pytest.raises(ValueError, match="another picture"):
        labelimg.export_images(tmp_path, candidates, 255 - images)
    np.testing.assert_array_equal(pictures_of(tmp_path, candidates), images)
    with pytest.raises(ValueError, match="jpg"):
        labelimg.export_images(tmp_path, candidates.assign(filename="a.jpg"), images)
