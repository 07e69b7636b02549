"""The demo pool holds what it says, and the placebo pool is CIFAR under its real names."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102 import cifar
from cifar102.annotations import labelimg
from cifar102.annotations.votes import VoteLog
from cifar102.datasets import demo, downloads, pools, sets
from cifar102.dedup import exact_copies, pair_table, similarity
from cifar102.tiny_images import candidates
from cifar102.tiny_images.pair import TinyImages
from cifar102.workspace.files import hash_file, write_json, write_table, write_text
from cifar102.workspace.folders import Workspace


@pytest.fixture(scope="module")
def demo_pool(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("pool"))
    pools.ensure_pool("demo", workspace)
    return workspace


def test_every_raw_format_is_there_and_reads_back(demo_pool: Workspace) -> None:
    sets = pools.reference_sets(demo_pool)
    assert {name: len(images) for name, images in sets.items()} == {
        **{"cifar10-train": 1000, "cifar10-test": 300, "cifar100-train": 800, "cifar100-test": 200},
        **{"cifar10.1-v4": 100, "cifar10.1-v6": 100},
    }
    assert (
        len(TinyImages(demo_pool.raw))
        == len(pools.pool_truth(demo_pool))
        == pools.describe_pool(demo_pool)["num_images"]
    )
    assert pools.describe_pool(demo_pool)["title"] == "synthetic demo pool"


def test_labelimg_files_are_read_and_the_stray_one_is_refused(demo_pool: Workspace) -> None:
    rows, refused = labelimg.read_labelimg(demo_pool.raw / "labelimg")
    assert len(rows) == 10 and set(rows["class_name"]) == set(cifar.CLASS_NAMES)
    assert [Path(refusal.file).name for refusal in refused] == ["rocket_s_000001.xml"]


def test_each_record_has_the_picture_of_its_origin(demo_pool: Workspace) -> None:
    truth, sets = pools.pool_truth(demo_pool), pools.reference_sets(demo_pool)
    for name in ("cifar10-train", "cifar10-test"):
        rows = truth[truth["origin"] == name]
        images = TinyImages(demo_pool.raw).images(rows["tiny_index"].to_numpy())
        np.testing.assert_array_equal(images, sets[name].images[rows["origin_row"]])


def test_what_was_planted_is_what_it_is_called(demo_pool: Workspace) -> None:
    truth, tiny = pools.pool_truth(demo_pool), TinyImages(demo_pool.raw)
    sets = pools.reference_sets(demo_pool)
    planted = truth[truth["planted"] == "near_duplicate_of_test"]
    pairs = pair_table.near_duplicates(tiny.images(planted["tiny_index"]), sets["cifar10-test"].images)
    best = pairs.groupby("query")["ssim"].max()
    assert len(best) == 30 and (best >= 0.75).mean() > 0.9 and best.max() < 1
    groups = exact_copies.exact_groups(tiny.images(range(len(tiny))))
    copies = truth[truth["planted"].isin(["exact_copy", "label_conflict"])]["tiny_index"]
    assert (np.bincount(groups)[groups[copies]] == 2).all()


def test_raters_err_at_the_rates_that_are_stated(demo_pool: Workspace) -> None:
    votes, truth = VoteLog(demo_pool.labels / "votes.jsonl").table(), pools.pool_truth(demo_pool)
    label = np.array([cifar.CLASS_NAMES.index(name) for name in votes["class"]])
    is_right = truth["true_label"].to_numpy()[votes["tiny_index"]] == label
    for rater, rate in demo.ERROR_RATES.items():
        rows = (votes["rater"] == rater).to_numpy() & (votes["verdict"] != "unsure").to_numpy()
        errors = ((votes["verdict"] == "yes").to_numpy() != is_right)[rows].mean()
        assert abs(errors - rate) < 4 * np.sqrt(rate / rows.sum())


def test_a_pool_is_made_once_and_the_same_seed_gives_the_same_bytes(demo_pool: Workspace, tmp_path: Path) -> None:
    again = Workspace(tmp_path)
    pools.ensure_pool("demo", again)
    files = [path.relative_to(again.root) for path in again.root.rglob("*") if path.is_file()]
    assert len(files) > 30
    assert [name for name in files if hash_file(again.root / name) != hash_file(demo_pool.root / name)] == []
    before = (again.raw / "tiny_images.bin").stat().st_mtime_ns
    pools.ensure_pool("demo", again)
    assert (again.raw / "tiny_images.bin").stat().st_mtime_ns == before


def test_only_the_placebo_knows_candidates_that_published_models_were_trained_on(
    demo_pool: Workspace, tmp_path: Path
) -> None:
    assert pools.placebo_candidates(demo_pool) is None
    workspace = Workspace(tmp_path)
    write_json(workspace.raw / "pool.json", {"pool": "cifar10"})
    truth = pd.DataFrame({"tiny_index": [3, 5, 8], "origin": ["new", "cifar100-train", "new"]})
    write_table(workspace.raw / "pool_truth.parquet", truth)
    write_table(workspace.candidates, pd.DataFrame({"tiny_index": [3, 5, 8]}))
    assert pools.placebo_candidates(workspace).tolist() == [0, 2]


def test_votes_that_are_there_are_never_replaced(tmp_path: Path) -> None:
    log = tmp_path / "labels" / "votes.jsonl"
    log.parent.mkdir()
    log.write_text("somebody's work\n")
    pools.ensure_pool("demo", Workspace(tmp_path))
    assert log.read_text() == "somebody's work\n"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("name", ["tiny_images.bin", "cifar-10-batches-py/data_batch_1", "notes.txt"])
@pytest.mark.parametrize("pool", ["demo", "cifar10"])
def test_files_of_a_user_in_raw_are_never_replaced_by_a_pool(tmp_path: Path, name: str, pool: str) -> None:
    write_text(tmp_path / "raw" / name, "years of work")
    before = contents(tmp_path)
    with pytest.raises(ValueError, match=f"raw: holds {name} and no pool.json"):
        pools.ensure_pool(pool, Workspace(tmp_path), tmp_path / "data")
    assert contents(tmp_path) == before
    assert pools.ensure_pool("own", Workspace(tmp_path))["pool"] == "own"


@pytest.mark.parametrize("link", ["raw", "raw/tiny_images.bin", "labels", "built", "results/summary.json"])
def test_no_pool_is_made_through_a_link(tmp_path: Path, link: str) -> None:
    shared, place = tmp_path / "shared", tmp_path / "workspace"
    shared.mkdir()
    (place / link).parent.mkdir(parents=True)
    (place / link).symlink_to(shared)
    with pytest.raises(ValueError, match=f"{link}: is a link to .*shared|holds tiny_images.bin"):
        pools.ensure_pool("demo", Workspace(place))
    assert list(shared.iterdir()) == []


def test_a_link_to_a_shared_folder_may_be_read_as_a_pool_of_ones_own(tmp_path: Path) -> None:
    write_text(tmp_path / "shared" / "tiny_images.bin", "shared")
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "raw").symlink_to(tmp_path / "shared")
    assert pools.ensure_pool("own", Workspace(tmp_path / "workspace"))["pool"] == "own"
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["tiny_images.bin"]


def test_a_pool_of_which_the_making_was_killed_is_made_again_and_is_none_of_another_kind(
    demo_pool: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    workspace = Workspace(tmp_path)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(pools, "write_tiny_images", killed)
        pools.ensure_pool("demo", workspace)
    assert not (workspace.raw / "tiny_images.bin").exists()
    for pool in ("cifar10", "own"):
        with pytest.raises(ValueError, match="holds the pool 'demo', half made"):
            pools.ensure_pool(pool, workspace, tmp_path)
    (workspace.raw / "tiny_metadata.bin").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"tiny_metadata\.bin: is a link to .*elsewhere"):
        pools.ensure_pool("demo", workspace)
    (workspace.raw / "tiny_metadata.bin").unlink()
    pools.ensure_pool("demo", workspace)
    assert {path.name for path in workspace.raw.iterdir()} == {path.name for path in demo_pool.raw.iterdir()}


def test_a_folder_of_somebody_else_is_no_place_for_a_pool(tmp_path: Path) -> None:
    write_text(tmp_path / "thesis.docx", "years of work")
    for pool in ("demo", "own"):
        with pytest.raises(ValueError, match=r"holds thesis\.docx and is no workspace"):
            pools.ensure_pool(pool, Workspace(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_another_pool_in_the_same_workspace_is_an_error(demo_pool: Workspace, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds the pool 'demo', not 'cifar10'"):
        pools.ensure_pool("cifar10", demo_pool, tmp_path)
    with pytest.raises(ValueError, match="pool 'dmeo' is unknown"):
        pools.ensure_pool("dmeo", demo_pool)


def test_the_placebo_downloads_what_is_missing_and_says_in_a_sentence_when_it_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(request: object) -> None:
        raise OSError("no network in this test")

    fetch = downloads.fetch_dataset
    monkeypatch.setattr(downloads, "fetch_dataset", lambda name, folder: fetch(name, folder, no_network, False))
    with pytest.raises(downloads.DownloadError, match=r"(?s)cifar-10-python\.tar\.gz.*https://www\.cs\.toronto\.edu"):
        pools.ensure_pool("cifar10", Workspace(tmp_path / "w"), tmp_path / "nothing")
    assert not (tmp_path / "w" / "raw" / "pool.json").exists()


def test_a_damaged_cifar_folder_names_the_file_that_is_missing(tmp_path: Path) -> None:
    for part in ("cifar-10-batches-py", "cifar-100-python"):
        (tmp_path / "data" / part).mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"batches\.meta"):
        pools.ensure_pool("cifar10", Workspace(tmp_path / "w"), tmp_path / "data")


def test_a_retouched_image_is_another_image_of_the_same_thing(rng: np.random.Generator) -> None:
    images = demo.draw_object(np.arange(10), rng)
    near = demo.retouch(images, rng)
    assert images.dtype == near.dtype == np.uint8 and images.shape == near.shape == (10, 32, 32, 3)
    unrelated = similarity.ssim(images, np.roll(images, 1, axis=0))
    assert (similarity.ssim(images, near) > unrelated).all() and not (images == near).all(axis=(1, 2, 3)).any()


@pytest.mark.real_data
@pytest.mark.slow
def test_the_placebo_pool_is_cifar_under_its_real_names(real_data: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    pools.ensure_pool("cifar10", workspace, real_data)
    truth, tiny = pools.pool_truth(workspace), TinyImages(workspace.raw)
    assert len(tiny) == len(truth) == 120_000
    reference = cifar.load_cifar10(workspace.raw / "cifar-10-batches-py")
    assert (len(reference["train"]), len(reference["test"])) == (30_000, 10_000)
    new = truth[truth["origin"] == "new"]
    per_class = np.bincount(new["true_label"], minlength=10)
    assert (per_class.min(), per_class.max(), per_class.sum()) == (1958, 2046, 20_000)
    found, missing = candidates.extract_candidates(tiny, pools.class_keywords(workspace))
    origin = truth["origin"].to_numpy()[found["tiny_index"]]
    assert len(missing) == 0 and np.char.startswith(origin.astype(str), "cifar100").sum() == 1034
    rows = new.sample(200, random_state=0)
    published = cifar.load_cifar10(real_data / "cifar-10-batches-py")["train"]
    np.testing.assert_array_equal(tiny.images(rows["tiny_index"]), published.images[rows["origin_row"]])
    whole = sets.load("cifar10-whole", workspace)["train"]
    np.testing.assert_array_equal(whole.images, published.images)
    assert list(whole.labels) == list(published.labels) and whole.filenames == tuple(published.filenames)
    votes = VoteLog(workspace.labels / "votes.jsonl").table()
    assert set(votes["rater"]) == {pools.RATER} and len(votes) == len(found)
