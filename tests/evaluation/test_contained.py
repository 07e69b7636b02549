"""A stranger's model runs in a process that cannot write, connect, read what is the user's, or fill the memory."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from cifar102.__main__ import main
from cifar102.evaluation import contained, containment
from tests.models import corpus

FILES = Path(__file__).parents[1] / "models" / "keras_files"
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Landlock and seccomp are Linux's")


def test_a_contained_model_gives_what_it_gives_here(tmp_path: Path) -> None:
    path = FILES / "corpus-keras3-arithmetic.keras"
    model = contained.ContainedModel(path)
    assert model.shape == [None, 32, 32, 3] and list(model.outputs.values()) == [[None, 10]]
    np.testing.assert_allclose(model.predict(corpus.images()), np.load(path.with_suffix(".npy")), atol=1e-5)
    scratch = Path(model._scratch.name)
    model.close()
    assert not scratch.exists() and model._process.returncode is not None


def test_a_damaged_or_refused_model_is_one_sentence_and_exit_2(tmp_path: Path, capsys) -> None:
    whole = (FILES / "corpus-keras3-arithmetic.keras").read_bytes()
    damaged = {"cut.keras": whole[:-500], "text.h5": b"text", "torn.keras": whole.replace(b"Conv2D", b"Lambda")}
    for name, content in damaged.items():
        (tmp_path / name).write_bytes(content)
        assert (
            main(["evaluate", str(tmp_path / name), "--workspace", str(tmp_path / "w"), "--data", str(tmp_path)]) == 2
        )
        said = capsys.readouterr().err.strip().splitlines()
        assert len(said) == 1 and "Traceback" not in said[0]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("", "ended"),
        ("import os; os.abort()", r"it got no more memory or threads \(exit -6\)"),
        ("print('nonsense')", "ended"),
        ("print('{\"bytes\": 99999999999}')", "ended"),
        ("print('{\"bytes\": 0}')", "something else"),
        ("import time; time.sleep(60)", "ended"),
    ],
)
def test_a_process_that_ends_or_says_nonsense_is_a_sentence(code: str, found: str, monkeypatch) -> None:
    path = FILES / "corpus-keras3-arithmetic.keras"
    start = subprocess.Popen
    monkeypatch.setattr(contained, "OPEN_SECONDS", 20)
    monkeypatch.setattr(contained.subprocess, "Popen", lambda words, **o: start([sys.executable, "-c", code], **o))
    with pytest.raises(ValueError, match=rf"corpus-keras3-arithmetic\.keras: .*{found}"):
        contained.ContainedModel(path)


TRIED = """
    import os, sys
    from pathlib import Path
    from cifar102.evaluation import containment
    missing = containment.contain(Path(sys.argv[1]))
    def tried(what):
        try:
            return "done " + str(what())
        except (OSError, MemoryError, ValueError) as error:
            return type(error).__name__
    import socket, subprocess, signal
    folder = Path(sys.argv[2])
    def udp():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            opened.sendto(b"x", ("127.0.0.1", 9))
    print(missing)
    print("write", tried(lambda: (folder / "CANARY").write_text("x")))
    print("make", tried(lambda: (folder / "sub").mkdir()))
    print("remove", tried(lambda: (folder / "secret").unlink()))
    print("rename", tried(lambda: (folder / "secret").rename(folder / "other")))
    print("read", tried(lambda: (folder / "secret").read_text()))
    print("home", tried(lambda: os.listdir(folder.parent)))
    print("environ", tried(lambda: len(Path(f"/proc/{os.getppid()}/environ").read_bytes())))
    print("connect", tried(lambda: socket.create_connection(("127.0.0.1", 9), 1)))
    print("udp", tried(udp))
    print("program", tried(lambda: subprocess.run(["/bin/true"])))
    print("signal", tried(lambda: os.kill(os.getppid(), 0)))
    print("memory", tried(lambda: len(bytearray(40 << 30))))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    print("large", tried(lambda: (Path(sys.argv[1]) / "x").write_bytes(bytes(3 << 20))))
    print("scratch", tried(lambda: (Path(sys.argv[1]) / "y").write_text("x")))
    print("secrets", sorted(name for name in os.environ if "SECRET" in name or "TOKEN" in name))
"""
FORBIDDEN = ("write", "make", "remove", "rename", "read", "home", "environ", "connect", "udp", "program", "signal")


@on_linux
def test_code_that_got_past_every_check_can_do_nothing(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MY_SECRET", "x")
    monkeypatch.setenv("HF_TOKEN", "x")
    scratch, home = tmp_path / "scratch", tmp_path / "home"
    scratch.mkdir()
    home.mkdir()
    (home / "secret").write_text("x")
    words = [sys.executable, "-P", "-c", textwrap.dedent(TRIED), str(scratch), str(home)]
    environment = containment.clean_environment(scratch)
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd=scratch, timeout=600)
    first, *lines = done.stdout.splitlines()
    if first != "[]":
        pytest.skip(f"this system cannot: {first}")
    said = dict(line.split(" ", 1) for line in lines)
    assert {name: said[name] for name in FORBIDDEN} == dict.fromkeys(FORBIDDEN, "PermissionError"), done.stderr
    assert said["memory"] == "MemoryError" and said["large"] == "OSError"
    assert said["scratch"] == "done 1" and said["secrets"] == "[]"
    assert [path.name for path in home.iterdir()] == ["secret"] and (home / "secret").read_text() == "x"


@on_linux
def test_a_check_that_fails_lets_nothing_out(tmp_path: Path, monkeypatch) -> None:
    """The last line: were a writing operation in the table, the process could not write with it."""
    code = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from cifar102.evaluation import containment, model_worker
        from cifar102.models import files
        def hostile(path, content):
            import tensorflow as tf
            tf.io.write_file({str(tmp_path / "CANARY")!r}, "x")
        files.open_model = hostile
        model_worker.main(Path(sys.argv[1]))
    """)
    start = subprocess.Popen
    monkeypatch.setattr(
        contained.subprocess, "Popen", lambda words, **o: start([sys.executable, "-P", "-c", code, words[-1]], **o)
    )
    with pytest.raises(ValueError, match=r"hard-sigmoid\.keras: .*(denied|not permitted)"):
        contained.ContainedModel(FILES / "corpus-keras3-hard-sigmoid.keras")
    assert not (tmp_path / "CANARY").exists()


def test_the_file_is_read_once(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes((FILES / "corpus-keras3-hard-sigmoid.keras").read_bytes())
    read = contained.read_whole

    def swap(given: Path, *limits: object) -> bytes:
        content = read(given, *limits)
        path.write_bytes(b"another")
        return content

    monkeypatch.setattr(contained, "read_whole", swap)
    assert contained.ContainedModel(path).predict(corpus.images()).shape == (4, 10)
