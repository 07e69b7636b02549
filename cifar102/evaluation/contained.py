"""A stranger's model, opened and run in a process of its own that can do nothing but compute (see `containment`)."""

import contextlib
import hashlib
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cifar102.evaluation import containment, model_worker

OPEN_SECONDS, BATCH_SECONDS = 600, 600
BATCH = 500  # images


class ContainedModel:
    """A model file that another process holds open; FileNotFoundError, ValueError say what is wrong with the file.

    shapes: {"input": [...], "output": [...]}; layers: class names; missing: what this system could not take from the
    process, in words.
    """

    def __init__(self, path: Path) -> None:
        from cifar102.models import files

        self.path = Path(path)
        content = files.read_content(self.path)
        self.digest = hashlib.blake2b(content, digest_size=32).hexdigest()
        self._scratch = tempfile.TemporaryDirectory(prefix="cifar102-model-")
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
        answer, _ = self._ask({"path": str(self.path)}, content, 0, OPEN_SECONDS)
        try:
            self.shapes = {key: list(answer["shapes"][key]) for key in ("input", "output")}
            self.layers, self.missing = list(map(str, answer["layers"])), list(map(str, answer["missing"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{self.path}: the process that opened it answered with something else") from error

    def predict(self, images: np.ndarray) -> np.ndarray:
        """The outputs of the model: float32 (n, classes) of images float32 (n, h, w, c)."""
        classes, batches = self.shapes["output"][-1], []
        for start in range(0, len(images), BATCH):
            batch = np.ascontiguousarray(images[start : start + BATCH], np.float32)
            size = 4 * len(batch) * classes
            _, content = self._ask({"shape": batch.shape}, batch.tobytes(), size, BATCH_SECONDS)
            if len(content) != size:
                raise ValueError(f"{self.path}: the model gave {len(content)} bytes for {len(batch)} images")
            batches.append(np.frombuffer(content, np.float32).reshape(len(batch), classes))
        return np.concatenate(batches)

    def _ask(self, message: dict, content: bytes, limit: int, seconds: float) -> tuple[dict, bytes]:
        try:
            with _killed_after(self._process, seconds):
                model_worker.send(self._process.stdin, message, content)
                answer, found = model_worker.receive(self._process.stdout, limit)
        except (EOFError, OSError, ValueError) as error:
            self.close()
            reason = f"it used more than its memory or {seconds} s, or was damaged (exit {self._process.returncode})"
            raise ValueError(f"{self.path}: the process that ran the model ended: {reason}") from error
        if "error" in answer:
            self.close()
            words = "".join(letter if letter.isprintable() else " " for letter in str(answer["error"]))
            raise ValueError(words if words.startswith(str(self.path)) else f"{self.path}: {words}")
        return answer, found


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
