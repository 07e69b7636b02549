"""A stranger's model, opened and run in a process of its own that can do nothing but compute (see `containment`)."""

import contextlib
import hashlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cifar102.evaluation import containment, model_worker
from cifar102.evaluation.answers import digest_of
from cifar102.workspace.files import read_whole

OPEN_SECONDS, BATCH_SECONDS = 600, 600
LARGEST_ROW = 1 << 16  # bytes of the answer for an image
LARGEST_FILE = 1 << 31  # bytes, or of a folder's files together
PARTS = ("saved_model.pb", "fingerprint.pb", "variables/*")  # of a SavedModel, what is copied


class ContainedModel:
    """A model file or SavedModel folder that another process holds open; a ValueError says what is wrong with it.

    shape, dtype: of its input, None for a free size; outputs: declared shapes by name; layers: class names; notes: what
    the user should know of it; missing: what this system could not take from the process, in words; digest: BLAKE2b of
    the file, or of the folder's files. trust: the user's word that a SavedModel may run where it cannot be contained.
    """

    def __init__(self, path: Path, trust: bool = False) -> None:
        self.path, is_folder = Path(path), Path(path).is_dir()
        kind = "saved_model" if is_folder else "onnx" if self.path.suffix.lower() == ".onnx" else "keras"
        content = b"" if is_folder else read_whole(self.path, LARGEST_FILE, "model file")
        self._scratch = tempfile.TemporaryDirectory(prefix="cifar102-model-")
        given = _copy(self.path, Path(self._scratch.name) / "model") if is_folder else self.path
        self.digest = (
            digest_of(_files(given).values()) if is_folder else hashlib.blake2b(content, digest_size=32).hexdigest()
        )
        words = [sys.executable, "-P", "-m", "cifar102.evaluation.model_worker", self._scratch.name]
        environment = containment.clean_environment(Path(self._scratch.name))
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=self._scratch.name,
        )
        self.close = weakref.finalize(self, _end, self._process, self._scratch)
        message = {"path": str(given), "kind": kind, "trust": trust}
        answer, _ = self._ask(message, content, 0, OPEN_SECONDS)
        try:
            shapes = answer["shapes"]
            self.shape, self.dtype = _sizes(shapes["input"]), str(shapes["dtype"])
            self.outputs = {str(name): _sizes(shape) for name, shape in shapes["outputs"].items()}
            words = [list(map(str, answer[key])) for key in ("layers", "notes", "missing")]
            self.layers, self.notes, self.missing = words
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: the process that opened it answered with something else") from error

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The outputs of the model for one batch: float32 or int64, (n, classes) or (n,); images: as it takes them."""
        message = {"shape": images.shape, "dtype": images.dtype.name}
        content = np.ascontiguousarray(images).tobytes()
        answer, found = self._ask(message, content, min(LARGEST_ROW * len(images), 1 << 31), BATCH_SECONDS)
        try:
            return np.frombuffer(found, {"float32": np.float32, "int64": np.int64}[answer["dtype"]]).reshape(
                tuple(answer["shape"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{self.path}: the model gave {len(found)} bytes for {len(images)} images") from error

    def _ask(self, message: dict, content: bytes, limit: int, seconds: float) -> tuple[dict, bytes]:
        try:
            with _killed_after(self._process, seconds):
                model_worker.send(self._process.stdin, message, content)
                answer, found = model_worker.receive(self._process.stdout, limit)
        except (EOFError, OSError, ValueError) as error:
            self.close()
            raise ValueError(f"{self.path}: the process that ran the model ended: {self._reason(seconds)}") from error
        if "error" in answer:
            self.close()
            words = "".join(letter if letter.isprintable() else " " for letter in str(answer["error"]))
            raise ValueError(words if words.startswith(str(self.path)) else f"{self.path}: {words}")
        return answer, found

    def _reason(self, seconds: float) -> str:
        """Why the process is thought to have ended, by its exit code."""
        code = self._process.returncode
        if code == -signal.SIGABRT:  # what C++ does when memory or a thread is refused
            return (
                f"it got no more memory or threads (exit {code}); try again when less is running, or a smaller --batch"
            )
        return f"it used more than its memory or {seconds} s, or was damaged (exit {code})"


def _files(folder: Path) -> dict[str, Path]:
    """The regular files of a SavedModel by their names in it, sorted."""
    found = [file for part in PARTS for file in folder.glob(part) if file.is_file()]
    return {file.relative_to(folder).as_posix(): file for file in sorted(found)}


def _copy(folder: Path, target: Path) -> Path:
    """Copy a SavedModel to where the process may read it: what is looked at there is what is loaded."""
    found = _files(folder)
    size = sum(file.stat().st_size for file in found.values())
    if size > LARGEST_FILE:
        raise ValueError(f"{folder}: a model of {size} bytes, at most {LARGEST_FILE}")
    (target / "variables").mkdir(parents=True)
    for name, file in found.items():
        shutil.copyfile(file, target / name)
    return target


def _sizes(shape: object) -> list:
    return [size if type(size) is int else None for size in list(shape)]


@contextlib.contextmanager
def _killed_after(process: subprocess.Popen, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(process: subprocess.Popen, scratch: tempfile.TemporaryDirectory) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            stream.close()
    scratch.cleanup()
