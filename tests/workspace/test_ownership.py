"""Whose a folder is: a workspace of ours is known, everything else is left alone."""

import pytest

from cifar102.workspace import ownership
from cifar102.workspace.files import write_json, write_text

STAMP = {"step": "02_verify", "source": "", "outputs": {}}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("raw/pool.json", {"pool": "demo"}),
        ("raw/.making-pool.json", {"pool": "demo"}),
        ("executed/02_verify.json", STAMP),
        (".workspace.json", {"made_by": "cifar102"}),
    ],
)
def test_a_workspace_of_ours_is_known_by_each_of_its_signs(workspace, path, content):
    write_text(workspace.summary, "{}")
    with pytest.raises(ValueError, match="holds results and is no workspace of this project; expected"):
        ownership.check_workspace(workspace)
    write_json(workspace.root / path, content)
    ownership.check_workspace(workspace)


@pytest.mark.parametrize("content", ["[", "[]", '{"made_by": "somebody"}', "{}"])
@pytest.mark.parametrize("path", [".workspace.json", "raw/pool.json", "executed/02_verify.json"])
def test_a_file_of_the_same_name_is_no_sign(workspace, path, content):
    write_text(workspace.root / path, content)
    write_text(workspace.summary, "{}")
    with pytest.raises(ValueError, match="is no workspace of this project"):
        ownership.check_workspace(workspace)


def test_a_pool_of_ones_own_begins_with_raw_and_labels_beside_whatever_is_not_written(workspace):
    for path in ("raw/tiny_images.bin", "labels/votes.jsonl", "notes/today.txt", "README.md"):
        write_text(workspace.root / path, "text")
    ownership.check_workspace(workspace)
    write_text(workspace.figures / "thesis.png", "text")
    with pytest.raises(ValueError, match="holds figures and is no workspace"):
        ownership.check_workspace(workspace)


def test_an_empty_folder_and_none_are_free(workspace):
    ownership.check_workspace(workspace)
    workspace.root.mkdir()
    write_text(workspace.root / ".run.lock", "")
    ownership.check_workspace(workspace)


@pytest.mark.parametrize("name", ["labels", "built", "runs/a/b", "report.html", ".running/01_build_subset.ipynb"])
def test_a_link_in_place_of_what_is_written_is_named(workspace, tmp_path, name):
    ownership.sign(workspace, profile="demo")
    ownership.check_workspace(workspace)
    (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
    (workspace.root / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=f"{name}: is a link to .*elsewhere; nothing is written through links"):
        ownership.check_workspace(workspace)


def test_a_sign_keeps_what_it_said_before(workspace):
    ownership.sign(workspace, profile="full")
    ownership.sign(workspace, pool="own")
    assert ownership.profile_of(workspace) == "full"
    before = (workspace.root / ownership.SIGN).stat().st_mtime_ns
    ownership.sign(workspace, profile="full")
    assert (workspace.root / ownership.SIGN).stat().st_mtime_ns == before
