"""Write the `.keras` files of this folder with the Keras that is installed: `python tests/keras_files/make.py`.

Run by both stacks; test_keras_files.py holds each stack to the files of the other. `ours` is a network of this project,
`users` a Sequential model as a user may have it.
"""

from pathlib import Path

import numpy as np
from tensorflow import keras

from cifar102.models import files, registry

FOLDER = Path(__file__).parent


def images() -> np.ndarray:
    """Three images of noise, float32 0-1."""
    return np.random.default_rng(0).random((3, 32, 32, 3), np.float32)


def build() -> dict[str, keras.Model]:
    keras.utils.set_random_seed(1)
    options = {"filters": (2, 3), "dense_units": 4, "batch_norm": True, "dropout": 0.2, "l2": 0.1}
    ours = registry.build("ablation_cnn", activation="leaky_relu", pooling="max_then_average", **options)
    first = keras.layers.Conv2D(2, 5, 4, activation="relu", name="conv")
    rest = [keras.layers.Dropout(0.5, name="drop"), keras.layers.GlobalAveragePooling2D(name="pool")]
    last = keras.layers.Dense(10, "softmax", name="probabilities")
    users = keras.Sequential([keras.Input((32, 32, 3)), keras.layers.Rescaling(2.0, name="scale"), first, *rest, last])
    users.compile("adam", "categorical_crossentropy")
    return {"ours": ours, "users": users}


if __name__ == "__main__":
    for name, model in build().items():
        path = FOLDER / f"keras{files.OWN}-{name}.keras"
        model.save(path)
        np.save(path.with_suffix(".npy"), model(images()).numpy())
