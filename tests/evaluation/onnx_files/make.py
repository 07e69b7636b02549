"""Writes the files beside it with PyTorch and onnx: `.venv-clients/bin/python tests/evaluation/onnx_files/make.py`.

One small network in the forms people export; images.npy and logits.npy are what PyTorch itself says of them.
"""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import nn

HERE = Path(__file__).parent


def main() -> None:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))
    net, x = nn.Sequential(*layers).eval(), torch.rand(4, 3, 32, 32)
    images = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    np.save(HERE / "images.npy", images)
    np.save(HERE / "logits.npy", net(pixels).detach().numpy())
    names = {"input_names": ["input"], "output_names": ["logits"], "dynamo": False}
    free = {"input": {0: "n"}, "logits": {0: "n"}}
    torch.onnx.export(net, (x,), str(HERE / "free.onnx"), dynamic_axes=free, **names)
    torch.onnx.export(net, (x,), str(HERE / "four-at-a-time.onnx"), **names)
    torch.onnx.export(net.half(), (x.half(),), str(HERE / "float16.onnx"), dynamic_axes=free, **names)
    whole = onnx.load(HERE / "free.onnx")
    onnx.save(whole, HERE / "in-two-files.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    (HERE / "weights.bin").unlink()
    write("bytes.onnx", of_bytes(10))
    write("thousand.onnx", of_bytes(1000))
    write("own-operator.onnx", of_bytes(10, domain="somebody.else"))


def of_bytes(classes: int, domain: str = "") -> onnx.ModelProto:
    """A network that takes uint8 images (n, 32, 32, 3) and gives their mean in every class; its operators' domain."""
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["means"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["means", "axis"], ["column"]),
        helper.make_node("Expand", ["column", "shape"], ["scores"], domain=domain),
    ]
    taken = helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 32, 32, 3])
    given = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", classes])
    constants = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("shape", TensorProto.INT64, [2], [1, classes]),
    ]
    versions = [helper.make_opsetid("", 17)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    graph = helper.make_graph(nodes, "mean", [taken], [given], constants)
    return helper.make_model(graph, opset_imports=versions, ir_version=8)


def write(name: str, model: onnx.ModelProto) -> None:
    onnx.save(model, HERE / name)


if __name__ == "__main__":
    main()
