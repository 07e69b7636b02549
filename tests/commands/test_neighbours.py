"""The command `neighbours`: a table on disk and a sentence, for two sets and within one."""

import numpy as np
import pandas as pd
import pytest

from cifar102.__main__ import main


def test_the_table_is_written_and_the_sentence_printed(rng, tmp_path, capsys) -> None:
    images = rng.integers(0, 256, (9, 32, 32, 3), np.uint8)
    first, second = tmp_path / "a b" / "first.npy", tmp_path / "second.npy"
    first.parent.mkdir()
    np.save(first, images), np.save(second, images[[4, 2]])
    place = tmp_path / "w"
    place.mkdir()
    assert main(["neighbours", str(first), str(second), "--k", "3", "--workspace", str(place)]) == 0
    assert "2 have an equal one" in capsys.readouterr().out
    table = pd.read_parquet(place / "results" / "neighbours_first.npy_second.npy" / "neighbours.parquet")
    assert table.loc[table["rank"] == 1, "reference"].tolist() == [4, 2] and len(table) == 6
    assert main(["neighbours", str(first), str(first), "--workspace", str(place)]) == 0
    assert "0 have an equal one" in capsys.readouterr().out


@pytest.mark.parametrize("k", ["0", "-1"])
def test_a_wrong_k_is_refused_before_anything_is_read(k: str, tmp_path, capsys) -> None:
    tmp_path.joinpath("w").mkdir()
    assert main(["neighbours", "no", "no", "--k", k, "--workspace", str(tmp_path / "w")]) == 2
    assert "expected 1 or more" in capsys.readouterr().err
