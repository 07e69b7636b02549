"""A network as tables: its layers, and its stages as a diagram shows them."""

import pandas as pd
from tensorflow import keras

SMALL = ("Activation", "LeakyReLU", "Mish", "Tanh", "BatchNormalization", "ScaledBias", "CountedDropout", "Flatten")
SMALL += ("Add", "PaddedShortcut")
SHORT = {"Conv2D": "conv", "MaxPooling2D": "max pool", "AveragePooling2D": "average pool", "Dense": "dense"}


def layer_table(model: keras.Model) -> pd.DataFrame:
    """One row per layer in order: layer, kind, output (height x width x channels), parameters, trainable ones."""
    rows = []
    for layer in model.layers:
        shape = layer.output.shape[1:] if not isinstance(layer.output, list) else layer.output[0].shape[1:]
        weights = [weight for weight in layer.weights if weight.shape.num_elements() is not None]
        trainable = sum(int(weight.shape.num_elements()) for weight in layer.trainable_weights)
        row = {"layer": layer.name, "kind": type(layer).__name__, "output": " x ".join(map(str, shape))}
        counts = {"parameters": sum(int(w.shape.num_elements()) for w in weights), "trainable": trainable}
        rows.append({**row, **counts, "shape": tuple(shape)})
    return pd.DataFrame(rows)


def stage_table(model: keras.Model) -> pd.DataFrame:
    """Layers of one size together, as sheets.network_diagram draws them.

    Columns: stage, height, channels, parameters (trainable), layers. A stage ends where height or channels change.
    """
    rows: list[dict] = []
    for layer in layer_table(model).to_dict("records"):
        shape = layer["shape"]
        height, channels = (shape[0], shape[2]) if len(shape) == 3 else (1, shape[0])
        if layer["kind"] in SMALL and rows:
            rows[-1]["parameters"] += layer["trainable"]
            continue
        if not rows or (rows[-1]["height"], rows[-1]["channels"]) != (height, channels):
            rows.append({"height": height, "channels": channels, "parameters": 0, "kinds": []})
        rows[-1]["parameters"] += layer["trainable"]
        rows[-1]["kinds"].append(SHORT.get(layer["kind"], layer["kind"]))
    rows[0]["kinds"] = ["images"]
    for number, row in enumerate(rows):
        row["stage"] = "input" if number == 0 else f"stage {number}" if number < len(rows) - 1 else "logits"
        row["layers"] = _count(row.pop("kinds"))
    return pd.DataFrame(rows)


def _count(kinds: list[str]) -> str:
    """Write ["conv", "conv", "max pool"] as "2 conv, max pool"."""
    numbers = {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}
    return "\n".join(kind if count == 1 else f"{count} {kind}" for kind, count in numbers.items())
