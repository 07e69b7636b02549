"""ONNX files, run by onnxruntime on the processor (extra `onnx`). Called in the worker only.

The file is opened from its bytes: weights in other files are refused, and no library of operators is ever loaded.
Source: https://onnx.ai/onnx/repo-docs/ExternalData.html, https://onnxruntime.ai/docs/api/python/
"""

import numpy as np

from cifar102.evaluation import open_model
from cifar102.evaluation.open_model import OpenModel

INSTALL = 'pip install "cifar102[onnx]"'
NUMBERS = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}
NUMBERS |= {f"tensor({name})": name for name in ("uint8", "int32", "int64")}


def open_onnx(content: bytes) -> OpenModel:
    """Open a model; ValueError says what is wrong with it, or that onnxruntime is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError(f"an ONNX model needs onnxruntime: {INSTALL}") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it has to say is in the error
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of many kinds, all its own
        raise ValueError(_told(str(error))) from error
    given = {entry.name: entry for entry in session.get_inputs()}
    entry = given[open_model.the_only(list(given), "inputs")]
    outputs = {entry.name: open_model.sizes(entry.shape) for entry in session.get_outputs()}

    def run(x: np.ndarray) -> dict[str, np.ndarray]:
        found = session.run(None, {entry.name: x})
        return {name: values for name, values in zip(outputs, found, strict=True) if isinstance(values, np.ndarray)}

    return OpenModel(open_model.sizes(entry.shape), NUMBERS.get(entry.type, entry.type), outputs, run)


def _told(words: str) -> str:
    """What onnxruntime says, and for the commonest cause what to do."""
    if "external" in words.lower() or "model_path must not be empty" in words:
        return "keeps its weights in another file; expected all in one (onnx.save(model, path), below 2 GiB)"
    return f"onnxruntime cannot open it: {words}"
