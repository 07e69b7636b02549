"""The machine and the software of a run: devices, determinism, versions."""

import functools
import hashlib
import logging
import os
import platform
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import tensorflow as tf
from tensorflow import keras

from cifar102.workspace.files import replacing

PACKAGE = Path(__file__).resolve().parents[1]
PACKAGES = ("tensorflow", "keras", "numpy", "tensorflow-addons", "cifar102")


def strategy() -> tf.distribute.Strategy:
    """MirroredStrategy where several GPUs are visible, else TensorFlow's default."""
    devices = tf.config.list_logical_devices("GPU")
    return (
        tf.distribute.MirroredStrategy([d.name for d in devices]) if len(devices) > 1 else tf.distribute.get_strategy()
    )


def fast_precision() -> str:
    """The Keras policy that trains fastest here: "mixed_bfloat16" where bfloat16 has products of its own.

    Else "float32". Where GPUs are visible the slowest counts (Ampere, compute capability 8.0, is the first), else the
    x86 processor, whose abilities are known on Linux alone. A config that takes it is another one on another machine.
    """
    if gpus := tf.config.list_physical_devices("GPU"):
        capabilities = [tf.config.experimental.get_device_details(gpu).get("compute_capability") for gpu in gpus]
        has_products = all(found is not None and found >= (8, 0) for found in capabilities)
    else:
        processor = Path("/proc/cpuinfo")
        flags = set(processor.read_text(encoding="utf-8").split()) if processor.is_file() else set()
        has_products = bool(flags & {"avx512_bf16", "amx_bf16"})
    return "mixed_bfloat16" if has_products else "float32"


def silence_retracing() -> None:
    """Drop TensorFlow's warnings of retracing: each run traces a network of its own, which it takes for a mistake."""
    tf.get_logger().addFilter(_is_no_retracing)  # the same filter is added once, however often this is called


def _is_no_retracing(record: logging.LogRecord) -> bool:
    return "triggered tf.function retracing" not in record.getMessage()


def fix_randomness(seed: int) -> None:
    """Seed Python, numpy and Keras, and have TensorFlow use deterministic kernels: a seed gives the same digits.

    Whatever trains calls it first: else the last digits depend on what this process trained before.
    """
    keras.utils.set_random_seed(seed)
    _make_deterministic()


@functools.cache
def _make_deterministic() -> None:
    """Have TensorFlow use deterministic kernels from now on (https://www.tensorflow.org/api_docs, op determinism)."""
    tf.config.experimental.enable_op_determinism()


def record() -> dict:
    """Versions, processor and devices, and the hash of this package's code, for config.json."""
    found = {name: _version(name) for name in PACKAGES}
    gpus = [device.name for device in tf.config.list_physical_devices("GPU")]
    place = {"system": platform.platform(), "processor": platform.machine(), "num_cores": os.cpu_count(), "gpus": gpus}
    return {"python": platform.python_version(), **found, **place, "code_hash": code_hash()}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@functools.cache
def code_hash() -> str:
    """SHA-256 over the sources of this package, line ends apart."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def code_note(run_record: dict) -> str | None:
    """A sentence where a finished run was made by other code or another TensorFlow than today's, else None."""
    made_by = run_record.get("machine", {})
    if made_by.get("tensorflow") != _version("tensorflow"):
        return f"made with TensorFlow {made_by.get('tensorflow')}, here is {_version('tensorflow')}"
    if made_by.get("code_hash") != code_hash():
        return f"made by code {str(made_by.get('code_hash'))[:8]}, today's is {code_hash()[:8]}; kept"
    return None


def save_model(model: object, path: Path) -> None:
    """Write a Keras model as .keras, atomically; an estimator is not kept (its fit takes no longer than a load).

    In a thread of its own: in a thread that did not import it, as those of a Dask worker, Keras 2.15 writes its second
    file as HDF5 under the same name, which no `.keras` reader opens.
    """
    if not isinstance(model, keras.Model):
        return
    with replacing(path) as temporary, ThreadPoolExecutor(1) as fresh:
        fresh.submit(model.save, temporary).result()
