"""SavedModel folders of TensorFlow 2. They are programs: they run in the worker only, and only by a table of steps.

A graph may read and write files and call Python. Before TensorFlow loads it, every function that loading or predicting
can reach is read, and a step that is not in OPERATIONS is refused by name; the worker then takes from the process what
a graph would need to do harm (containment), and where the system cannot, the user is asked first (--trust).
Source: https://github.com/tensorflow/tensorflow/blob/master/SECURITY.md ("TensorFlow models are programs")
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cifar102.evaluation import open_model
from cifar102.evaluation.open_model import OpenModel

GRAPH = "saved_model.pb"
RANDOM = (
    "it draws random numbers when it predicts, so it answers differently each time: augmentation or dropout was left "
    "on when it was exported (in Keras, layers such as RandomFlip: export a model without them)"
)
SIGNATURES = ("serving_default", "serve")
# What networks are made of: numbers in, numbers out, and variables of their own. Nothing here opens a file, prints,
# connects or calls Python (as WriteFile, SaveV2, PrintV2, PyFunc and tables of words do).
STEPS = """
Abs Add AddN AddV2 AdjustContrastv2 AdjustHue AdjustSaturation All Any ArgMax ArgMin Asinh Assert AssignAddVariableOp
AssignSubVariableOp AssignVariableOp Atan Atan2 AvgPool AvgPool3D BatchMatMul BatchMatMulV2 BatchMatMulV3
BatchToSpaceND BiasAdd Bitcast BitwiseAnd BroadcastArgs BroadcastTo Bucketize Case Cast Ceil ClipByValue Concat
ConcatV2 Const Conv2D Conv2DBackpropInput Conv3D Cos Cosh CropAndResize Cumprod Cumsum DepthToSpace
DepthwiseConv2dNative Diag Dilation2D Div DivNoNan Einsum Elu EnsureShape Equal Erf Erfc Exp ExpandDims Expm1
FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel Fill Floor FloorDiv FloorMod
FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 Gather GatherNd GatherV2 Greater GreaterEqual HSVToRGB Identity
IdentityN If ImageProjectiveTransformV2 ImageProjectiveTransformV3 Inv InvertPermutation IsFinite IsInf IsNan L2Loss
LRN LeakyRelu Less LessEqual Lgamma LinSpace Log Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr LowerBound MatMul
MatrixBandPart Max MaxPool MaxPoolV2 Maximum Mean Min Minimum MirrorPad Mul MulNoNan Neg NoOp NotEqual OneHot OnesLike
Pack Pad PadV2 PartitionedCall Placeholder PlaceholderWithDefault Pow PreventGradient Prod RGBToHSV
RandomStandardNormal RandomUniform RandomUniformInt Range Rank ReadVariableOp RealDiv Reciprocal Relu Relu6 Reshape
ResizeArea ResizeBicubic ResizeBilinear ResizeNearestNeighbor ResourceGather ReverseV2 RngReadAndSkip Roll Round Rsqrt
ScatterNd SegmentSum Select SelectV2 Selu Shape ShapeN Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign
SpaceToBatchND SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StatefulPartitionedCall StatelessCase
StatelessIf StatelessRandomGetAlg StatelessRandomGetKeyCounter StatelessRandomNormal StatelessRandomNormalV2
StatelessRandomUniform StatelessRandomUniformFullIntV2 StatelessRandomUniformIntV2 StatelessRandomUniformV2
StatelessTruncatedNormalV2 StatelessWhile StopGradient StridedSlice Sub Sum Tanh TensorListConcatV2
TensorListElementShape TensorListFromTensor TensorListGetItem TensorListReserve TensorListSetItem TensorListStack
TensorScatterUpdate Tile TopKV2 Transpose TruncateDiv TruncatedNormal Unpack UnsortedSegmentSum UpperBound VarHandleOp
VarIsInitializedOp Where While Xdivy ZerosLike _FusedConv2D
"""
OPERATIONS = frozenset(STEPS.split())
PARTS = ("user_object", "function", "variable", "bare_concrete_function", "constant", "captured_tensor")


def open_saved_model(folder: Path) -> OpenModel:
    """Open a folder that was copied into the scratch folder; ValueError says what is wrong with it."""
    check_graph((folder / GRAPH).read_bytes())
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # of many kinds
        raise ValueError(f"TensorFlow {tf.__version__} cannot load it: {error}") from error
    names = [name for name in SIGNATURES if name in loaded.signatures]
    if not names:
        raise ValueError(f"has the signatures {sorted(loaded.signatures)}; expected one of {', '.join(SIGNATURES)}")
    function = loaded.signatures[names[0]]
    given = function.structured_input_signature[1]
    spec = given[open_model.the_only(list(given), "inputs")]
    outputs = {name: _sizes(value.shape) for name, value in function.structured_outputs.items()}

    def run(x: np.ndarray) -> dict[str, np.ndarray]:
        found = function(**{next(iter(given)): tf.constant(x)})
        return {name: values.numpy() for name, values in found.items()}

    run.kept = loaded  # its variables live as long as it does
    notes = [RANDOM] if _is_random(function.graph.as_graph_def()) else []
    return OpenModel(_sizes(spec.shape), spec.dtype.name, outputs, run, notes=notes)


def _is_random(graph: object) -> bool:
    """Whether a graph draws random numbers, itself or in a function that it calls."""
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return any("Random" in node.op or node.op in ("TruncatedNormal", "RngReadAndSkip") for node in nodes)


def check_graph(content: bytes) -> None:
    """ValueError for a graph that is none of TensorFlow 2, or has a step or part that is not in the tables."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        saved = saved_model_pb2.SavedModel.FromString(content)
    except DecodeError as error:
        raise ValueError(f"{GRAPH} is damaged: {error}") from error
    if len(saved.meta_graphs) != 1 or not saved.meta_graphs[0].HasField("object_graph_def"):
        raise ValueError(f"{GRAPH} holds {len(saved.meta_graphs)} graphs; expected one, as TensorFlow 2 saves it")
    graph = saved.meta_graphs[0]
    for node in graph.object_graph_def.nodes:
        if (kind := node.WhichOneof("kind")) not in (*PARTS, None):
            raise ValueError(f"its graph has a part {kind!r} (a table or a file), which is not run here")
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    for name in _reached(list(graph.object_graph_def.concrete_functions), functions):
        for node in functions[name].node_def:
            if node.op not in OPERATIONS and node.op not in functions:
                raise ValueError(f"its graph has the step {node.op!r}, which is not in the table of steps that run")


def _reached(names: list[str], functions: dict) -> Iterator[str]:
    """The functions of a library that these names lead to, each once; ValueError for a name that is none."""
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        if name not in functions:
            raise ValueError(f"its graph calls {name!r}, which it does not hold")
        seen.add(name)
        yield name
        for node in functions[name].node_def:
            waiting += [node.op] if node.op in functions else []
            for value in node.attr.values():
                waiting += [value.func.name] if value.func.name else []
                waiting += [function.name for function in value.list.func]


def _sizes(shape: object) -> list:
    return [] if shape.rank is None else open_model.sizes(shape.as_list())
