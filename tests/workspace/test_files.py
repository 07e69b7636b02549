"""One holder at a time, none that outlives its process; temporary files go, and nobody else's go with them."""

import csv
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cifar102.evaluation import prediction_tables
from cifar102.sampling import cifar101
from cifar102.workspace import append_log, files
from cifar102.workspace.folders import LAYOUT

HOLD = """
import sys
from pathlib import Path
from cifar102.workspace import files
with files.locked(Path(sys.argv[1]), 1):
    print(True, flush=True)
    sys.stdin.read()
"""


def take(path: Path) -> None:
    with files.locked(path, 0):
        pass


def test_a_second_holder_waits_until_the_first_gives_back(tmp_path: Path) -> None:
    path, order = tmp_path / "lock", []

    def wait() -> None:
        with files.locked(path, 30):
            order.append("second")

    with files.locked(path, 1):
        with pytest.raises(TimeoutError, match="lock: locked by another process for more than 0 seconds"):
            take(path)
        second = threading.Thread(target=wait)
        second.start()
        second.join(0.2)
        order.append("first")
    second.join(30)
    assert order == ["first", "second"]


def test_a_killed_holder_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "True\n"
        with pytest.raises(TimeoutError):
            take(path)
        holder.kill()
        holder.wait()
        take(path)


def test_a_log_that_another_process_holds_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append_log, "LOCK_SECONDS", 0)
    path = tmp_path / "log.jsonl"
    append_log.append(path, [{"number": 1}])
    with files.locked(tmp_path / ".log.jsonl.lock", 1), pytest.raises(TimeoutError, match="another process holds the"):
        append_log.append(path, [{"number": 2}])
    append_log.append(path, [{"number": 3}])
    assert path.read_text() == '{"number": 1}\n{"number": 3}\n'


THEIRS = (".thesis.autosave.tmp", ".a.npy.abcd1234.tmp.npy", ".draft.12345678.tmp", "cifar102-abcd1234.tmp")
OURS = ".pairs.parquet.cifar102-abcd1234.tmp.parquet"


@pytest.mark.parametrize("place", ["", "built", "runs/baseline/cnn", "results", "notes", "notes/built"])
def test_hidden_files_of_the_user_are_never_taken_for_leftovers(tmp_path: Path, place: str) -> None:
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*THEIRS, OURS):
        (folder / name).write_text("text")
        os.utime(folder / name, (0, 0))
    removed = files.remove_leftovers(tmp_path, LAYOUT)
    assert removed == ([] if place.startswith("notes") else [folder / OURS])
    assert sorted(path.name for path in folder.iterdir() if path.is_file()) == sorted(
        [*THEIRS, *([OURS] if place.startswith("notes") else [])]
    )


def test_leftovers_behind_a_link_are_not_ours_to_remove(tmp_path: Path) -> None:
    shared, place = tmp_path / "shared", tmp_path / "workspace"
    shared.mkdir()
    place.mkdir()
    (shared / OURS).write_text("text")
    os.utime(shared / OURS, (0, 0))
    (place / "raw").symlink_to(shared)
    assert files.remove_leftovers(place, LAYOUT) == [] and (shared / OURS).is_file()


def test_what_a_killed_writer_leaves_is_what_the_next_run_removes(tmp_path: Path) -> None:
    with files.replacing(tmp_path / "pairs.parquet") as temporary:
        assert files.LEFTOVER.fullmatch(temporary.name)
    with files.replacing(tmp_path / "Makefile") as temporary:
        assert files.LEFTOVER.fullmatch(temporary.name)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "shared.jsonl", tmp_path / "log.jsonl"
    target.write_text("shared\n")
    link.symlink_to(target)
    for write in (lambda: files.write_text(link, "ours"), lambda: append_log.append(link, [{"number": 1}])):
        with pytest.raises(ValueError, match=r"log\.jsonl: is a link to .*shared\.jsonl"):
            write()
    assert target.read_text() == "shared\n" and link.is_symlink()


FORMULAS = ("=1+1", "+A1", "-A1", "@SUM(A1)", "\tx", "\rx", "'=1", "''@x", "=cmd|' /C calc'!A0", '=HYPERLINK("x")')


def test_a_cell_that_a_spreadsheet_would_run_is_written_as_text_and_read_back_as_it_was(tmp_path: Path) -> None:
    texts = [*FORMULAS, "tabby", "a=b", "'tis", "-0.5", "+1e-3", "a,b\nc"]
    table = pd.DataFrame({"=keyword": pd.Categorical(texts), "rater": texts, "value": np.linspace(-1, 1, len(texts))})
    path = files.write_table(tmp_path / "t.csv", table)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert [row[0][0] for row in rows[: len(FORMULAS) + 1]] == ["'"] * (len(FORMULAS) + 1)
    assert [row[1] for row in rows[-6:]] == texts[-6:]
    pd.testing.assert_frame_equal(files.read_table(path), table.astype({"=keyword": object}))


def test_tables_without_such_cells_have_the_bytes_that_pandas_writes(tmp_path: Path) -> None:
    mixed = pd.DataFrame({"a": [1, None, "x"], "b": [-0.5, np.nan, 2.0], "c": [True, False, True], "d": [-3, 2, 1]})
    mixed = mixed.assign(e=pd.Series([1, 2, None], dtype=object))
    assert files.write_table(tmp_path / "t.csv", mixed).read_text() == mixed.to_csv(index=False, lineterminator="\n")


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_of_200_megabytes_is_refused_before_it_is_parsed(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "long.csv"
    with path.open("wb") as file:
        file.write(b"a,b\n1,")
        for _ in range(200):
            file.write(b"2" * (1 << 20))
        file.write(end)
    for read in (files.read_table, prediction_tables.read):
        with pytest.raises(ValueError, match=r"long\.csv: a line from line 2 on is longer than 1048576 bytes"):
            read(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_of_windows_tools_is_read_like_any_other(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.json").write_bytes('{"name": "Ängström"}\r\n'.encode(encoding))
    assert files.read_json(tmp_path / "a.json") == {"name": "Ängström"}
    for end, mark in (("\r\n", ","), ("\n", ";"), ("\r\n", "\t")):
        content = f"a {mark}b{end}x{mark}1{end}Ä{mark}2{end}{end}"
        (tmp_path / "t.csv").write_bytes(content.encode(encoding))
        table = files.read_table(tmp_path / "t.csv", ("a", "b"))
        assert table.to_dict("list") == {"a": ["x", "Ä"], "b": [1, 2]}


def test_good_indices_that_an_editor_on_windows_saved_are_read(tmp_path: Path) -> None:
    (tmp_path / "good.json").write_bytes(b'\xef\xbb\xbf{"cat": [1, 2]}\r\n')
    assert cifar101.read_good_indices(tmp_path / "good.json") == {"cat": [1, 2]}


def test_what_a_file_is_is_told_at_once_whatever_it_begins_with(tmp_path: Path) -> None:
    for start, found in ((b"<!---->" * 140, ""), (b"<!-- a --> <!-- <b> -->\n<HTML lang=en>", "an HTML page")):
        (tmp_path / "p.csv").write_bytes(start)
        begun = time.process_time()
        said = files.other_content(tmp_path / "p.csv")
        assert (found in said and bool(said) == bool(found)) and time.process_time() - begun < 5


def test_a_parquet_table_of_more_cells_than_memory_is_refused_unread(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(files, "LARGEST_TABLE", 100)
    files.write_table(tmp_path / "t.parquet", pd.DataFrame({"a": range(50), "b": 1}))
    assert len(files.read_table(tmp_path / "t.parquet", ("a",))) == 50
    files.write_table(tmp_path / "t.parquet", pd.DataFrame({"a": range(51), "b": 1}))
    monkeypatch.setattr(pd, "read_parquet", lambda path: pytest.fail("it was read"))
    with pytest.raises(ValueError, match=r"t\.parquet: .*it has 102 cells, expected at most 100"):
        files.read_table(tmp_path / "t.parquet")


@pytest.mark.parametrize("text", ["a,b\n" + "1," * 400_000 + "\n", "a," * 400_000 + "\n1\n", "a,b\n1,2,3,4\n"])
def test_a_row_of_more_cells_than_columns_is_refused_at_once(tmp_path: Path, text: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    begun = time.process_time()
    with pytest.raises(ValueError, match=r"t\.csv: .*its first row has \d+ cells under \d+ names"):
        files.read_table(tmp_path / "t.csv")
    assert time.process_time() - begun < 20
    (tmp_path / "r.csv").write_text('a,b\n"x, y",1,2\n')  # as R writes it, with names of rows and none for them
    assert files.read_table(tmp_path / "r.csv")["b"].tolist() == [2]
