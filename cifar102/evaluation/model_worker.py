"""The process in which a stranger's model is opened and run: it gets a file and images, and gives numbers back.

`contained` starts it. A message is one line of JSON and as many bytes as its "bytes" says.
"""

import json
import os
import sys
from pathlib import Path
from typing import BinaryIO

from cifar102.evaluation import containment

LONGEST_LINE = 1 << 20


def send(stream: BinaryIO, message: dict, content: bytes = b"") -> None:
    """Write one message."""
    stream.write(json.dumps(message | {"bytes": len(content)}).encode("ascii") + b"\n" + content)
    stream.flush()


def receive(stream: BinaryIO, limit: int) -> tuple[dict, bytes]:
    """Read one message of at most `limit` bytes; EOFError at the end, ValueError for what is none."""
    line = stream.readline(LONGEST_LINE)
    if not line:
        raise EOFError
    message = json.loads(line)
    if not isinstance(message, dict) or type(message.get("bytes")) is not int or not 0 <= message["bytes"] <= limit:
        raise ValueError("a message that is none")
    content = stream.read(message["bytes"])
    if len(content) < message["bytes"]:
        raise EOFError
    return message, content


def main(scratch: Path) -> None:
    """Contain this process, open the model of the first message, then predict until the input ends."""
    reader, writer = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print does not come between the messages
    missing = containment.contain(scratch)
    try:
        message, content = receive(reader, 1 << 31)
        if missing and message["kind"] == "saved_model" and not message["trust"]:
            raise ValueError(
                f"a SavedModel is a program, and this system has {'; '.join(missing)}; --trust runs it all the same"
            )
        model = _open(message, content)
        shapes = {"input": model.shape, "dtype": model.dtype, "outputs": model.outputs}
        send(writer, {"shapes": shapes, "layers": model.layers, "notes": model.notes, "missing": missing})
        while True:
            message, content = receive(reader, 1 << 31)
            send(writer, *_predict(model, message, content))
    except EOFError:
        return
    except Exception as error:  # whatever it is, the other side says it in a sentence
        send(writer, {"error": " ".join(str(error).split())[:2000] or type(error).__name__})


def _open(message: dict, content: bytes) -> object:
    if message["kind"] == "onnx":
        from cifar102.evaluation import onnx_models

        return onnx_models.open_onnx(content)
    if message["kind"] == "saved_model":
        from cifar102.evaluation import saved_models

        return saved_models.open_saved_model(Path(message["path"]))
    from cifar102.evaluation import keras_models

    return keras_models.open_keras(Path(message["path"]), content)


def _predict(model: object, message: dict, content: bytes) -> tuple[dict, bytes]:
    import numpy as np

    from cifar102.evaluation import open_model

    images = np.frombuffer(content, message["dtype"]).reshape(message["shape"])
    outputs = open_model.answer(model.run(images), len(images))
    return {"shape": outputs.shape, "dtype": outputs.dtype.name}, outputs.tobytes()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
