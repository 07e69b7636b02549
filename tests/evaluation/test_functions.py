"""Somebody's own code as a model: whatever Python can import; its mistakes are told with file and line."""

import os
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from cifar102.evaluation import functions

IMAGES = np.zeros((6, 32, 32, 3), np.uint8)
CODE = """
import os, sys
import numpy as np
print("starting")
os.chdir("/")

def predict(images):
    print("predicting")
    assert images.dtype == "uint8" and images.flags.writeable
    images[:] = 7
    return np.arange(len(images)) % 10

class Net:
    def __call__(self, images):
        return np.eye(10)[[3] * len(images)]

    @staticmethod
    def static(images):
        return [4] * len(images)

class Wrapped:
    def predict_proba(self, images):
        return np.full((len(images), 10), 0.1)

class NeedsMore:
    def __init__(self, path): pass

class Tensor:
    def detach(self): return self
    def cpu(self): return self
    def is_floating_point(self): return True
    def float(self): return np.ones((6, 10), np.float32)

net = Net()
net.inner = Net()
names = lambda images: ["cat"] * len(images)
tensor = lambda images: Tensor()
short = lambda images: [1, 2]
one = lambda images: 3
number = 5

def ends(images):
    sys.exit("enough")

def fails(images):
    return helper(images)

def helper(images):
    return np.zeros(3).reshape(7, 7)
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module in a package of the current folder."""
    package = tmp_path / "mypkg" / "deep"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").write_text("")
    (package / "mod.py").write_text(textwrap.dedent(CODE))
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "mypkg"]:
        monkeypatch.delitem(sys.modules, name)
    yield "mypkg.deep.mod"
    for name in [name for name in sys.modules if name.split(".")[0] == "mypkg"]:
        del sys.modules[name]


def line_of(text: str) -> int:
    return next(number for number, line in enumerate(CODE.splitlines(), start=1) if text in line)


def ask(name: str) -> np.ndarray:
    return functions.as_code(functions.load(name), name).predict(IMAGES)


@pytest.mark.parametrize(
    ("name", "first"),
    [("predict", 0), ("Net", 3), ("net", 3), ("net.inner", 3), ("Net.static", 4), ("Wrapped", 0), ("names", 3)],
)
def test_whatever_the_module_holds_is_asked(module: str, name: str, first: int) -> None:
    outputs = ask(f"{module}:{name}")
    assert (outputs if outputs.ndim == 1 else outputs.argmax(axis=1))[0] == first and len(outputs) == 6


def test_code_that_prints_moves_and_writes_into_its_images_does_no_harm(module: str, tmp_path, capsys) -> None:
    ask(f"{module}:predict")
    assert Path.cwd() == tmp_path and str(tmp_path) not in sys.path and not IMAGES.any()
    said = capsys.readouterr()
    assert said.out == "" and "starting" in said.err and "predicting" in said.err


def test_a_tensor_that_has_a_graph_becomes_an_array(module: str) -> None:
    assert ask(f"{module}:tensor").tolist() == np.ones((6, 10)).tolist()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fails", rf"failed on 6 images: ValueError: .*reshape.* \(\S+mod\.py:{line_of('reshape(7')}\)$"),
        ("ends", rf"failed on 6 images: SystemExit: enough \(\S+mod\.py:{line_of('sys.exit(')}\)$"),
        ("short", r"gave 2 answers, of shape \(2,\), for 6 images"),
        ("one", "gave one value for 6 images"),
        ("NeedsMore", "the class cannot be made without arguments: TypeError"),
        ("number", "is int; expected a function"),
        ("net.outer", r"mypkg\.deep\.mod has no 'net\.outer'"),
        ("nothing", r"mypkg\.deep\.mod has no 'nothing'"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_it(module: str, name: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^mypkg\.deep\.mod:{name}: {message}"):
        ask(f"{module}:{name}")


def test_a_module_that_fails_or_ends_itself_is_a_sentence(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, line, found in (("ends_itself", "raise SystemExit(3)", "SystemExit: 3"), ("broken", "1 / 0", "division")):
        (tmp_path / f"{name}.py").write_text(f"import os\n{line}\n")
        with pytest.raises(
            ValueError, match=rf"{name}:predict: the module cannot be imported: .*{found}.*{name}\.py:2"
        ):
            functions.load(f"{name}:predict")
    assert os.getcwd() == str(tmp_path)  # noqa: PTH109


def test_an_estimator_gets_rows_and_its_classes_may_be_names() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    words = np.array(["truck", "ship", "horse", "frog", "dog", "deer", "cat", "bird", "automobile", "airplane"])
    labels = np.tile(np.arange(10), 6)
    rows = rng.normal(size=(60, 3072)) + 9 * np.eye(10)[labels][:, rng.integers(0, 10, 3072)]
    named = linear_model.LogisticRegression(max_iter=20).fit(rows, words[9 - labels])
    code = functions.as_code(named, "named")
    assert code.form.axes == ("rows of pixels", "rows of colours")
    assert (code.predict(rows).argmax(axis=1) == labels).all()
    code = functions.as_code(linear_model.RidgeClassifier().fit(rows, words[9 - labels]), "ridge")
    assert (code.predict(rows) == labels).all()
    with pytest.raises(ValueError, match="takes rows of 50 numbers; expected 32 x 32 x 3 = 3072"):
        functions.as_code(linear_model.RidgeClassifier().fit(rows[:, :50], labels), "small")
    with pytest.raises(ValueError, match="expected all ten"):
        functions.as_code(linear_model.LogisticRegression().fit(rows[labels < 3], labels[labels < 3]), "three")


def test_code_that_ends_the_process_is_told_and_its_forks_may_end(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    leave = os._exit
    (tmp_path / "leaving.py").write_text("import os\ndef predict(images):\n    os._exit(3)\n")
    code = "import os\ndef predict(images):\n    child = os.fork()\n    if not child:\n        os._exit(7)\n"
    code += "    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])] * len(images)\n"
    (tmp_path / "forking.py").write_text(code)
    images = np.zeros((2, 32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match=r"failed on 2 images: SystemExit: os\._exit\(3\) \(.*leaving\.py:3\)"):
        functions.as_code(functions.load("leaving:predict"), "leaving:predict").predict(images)
    if hasattr(os, "fork"):
        assert functions.as_code(functions.load("forking:predict"), "f").predict(images).tolist() == [7, 7]
    assert os._exit is leave
