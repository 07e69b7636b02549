"""Keras files as open models. Called in the worker only; `models.files` is the one door that they come through."""

from pathlib import Path

import numpy as np

from cifar102.evaluation import open_model
from cifar102.evaluation.open_model import OpenModel
from cifar102.models import files


def open_keras(path: Path, content: bytes) -> OpenModel:
    """Open a .keras or .h5 file from its bytes; ValueError names the file and what was found."""
    model, config = files.open_model(path, content)
    given = {tensor.name: tensor for tensor in model.inputs}
    tensor = given[open_model.the_only(list(given), "inputs")]
    dtype = getattr(tensor.dtype, "name", tensor.dtype)
    outputs = {name: open_model.sizes(output.shape) for name, output in zip(_names(model), model.outputs, strict=True)}

    def run(x: np.ndarray) -> dict[str, np.ndarray]:
        found = model.predict_on_batch(x)
        return dict(zip(outputs, found if isinstance(found, list | tuple) else [found], strict=True))

    kind = dtype if dtype.startswith(("uint", "int")) else "float32"  # policies of short numbers cast by themselves
    return OpenModel(open_model.sizes(tensor.shape), kind, outputs, run, files.layer_names(config))


def _names(model: object) -> list[str]:
    names = list(getattr(model, "output_names", ()))  # a Sequential of Keras 3 has none
    count = len(model.outputs)
    return names if len(set(names)) == count else [f"output {number}" for number in range(count)]
