"""`calibrate`: a pool's coefficients and tables are written and said."""

from pathlib import Path

import numpy as np
import pandas as pd

from cifar102.__main__ import main
from cifar102.workspace.folders import Workspace
from tests.dedup.test_registered_score import pictures, small


def test_a_pool_and_judged_pairs_leave_four_tables(rng, tmp_path: Path, workspace: Workspace, capsys) -> None:
    images = np.array([small(picture) for picture in pictures(rng, 160)])
    images[80:] = np.rint(0.65 * images[:80] + 0.35 * images[80:])  # look-alikes that are no copies
    np.save(tmp_path / "pool.npy", images)
    np.save(tmp_path / "queries.npy", images[:40, :, ::-1])
    rows = [(i, i if i < 20 else i + 50, 1, int(i < 20), int(i < 20)) for i in range(40)]
    judged = tmp_path / "judged.csv"
    pd.DataFrame(rows, columns=["query", "reference", "mirrored", "first", "second"]).to_csv(judged, index=False)
    sets = [str(tmp_path / "pool.npy"), str(tmp_path / "queries.npy")]
    options = ["--judged", str(judged), "--images", "60", "--workspace", str(workspace.root)]
    workspace.root.mkdir()
    code = main(["calibrate", *sets, *options])
    said = capsys.readouterr()
    assert code == 0, said.err
    folder = next(workspace.results.glob("calibration_*"))
    names = {"coefficients.json", "judged.csv", "planted.csv", "probabilities.csv"}
    assert {path.name for path in folder.iterdir()} == names
    assert "published, mirrored, both say same picture: 20 of 20" in said.out


def test_more_images_than_the_pool_has_are_refused(rng, tmp_path: Path, workspace: Workspace, capsys) -> None:
    np.save(tmp_path / "pool.npy", np.array([small(picture) for picture in pictures(rng, 5)]))
    workspace.root.mkdir()
    code = main(["calibrate", str(tmp_path / "pool.npy"), "--workspace", str(workspace.root)])
    assert code == 2
    assert "expected 1 to 4 of a pool of 5, found 1000" in capsys.readouterr().err
