"""What a model file may name: the layers of Keras and of this project, and of what kind each of their options is.

A file is never given to Keras's own readers, which find classes and functions by the names that a file holds: it is
read against these tables, and what is not in them is refused. Sources: the constructors of Keras 2.15 and of 3.15.
"""

import math
import re
from collections.abc import Callable

LARGEST_WHOLE = 1 << 31
LONGEST_LIST = 1 << 16  # numbers in one option or constant
# No path that leads out of a folder: Keras makes files of these names where a model is saved again (CVE-2026-12479).
PLAIN_NAME = re.compile(r"(?!/)(?!(.*/)?\.\.(/|$))[\w.\-/+:()=> ]{1,200}")
DTYPES = {"float16", "bfloat16", "float32", "float64", "mixed_float16", "mixed_bfloat16"}
TENSOR_DTYPES = DTYPES - {"mixed_float16", "mixed_bfloat16"} | {"uint8", "int8", "int16", "int32", "int64", "bool"}
ACTIVATIONS = {
    *("linear", "relu", "relu6", "elu", "selu", "gelu", "mish", "leaky_relu", "tanh", "sigmoid", "softmax", "softplus"),
    *("softsign", "exponential", "swish", "silu", "hard_sigmoid", "hard_silu", "hard_swish", "log_softmax"),
}
SEEDED = "seed input_axes output_axes"
INITIALIZERS = {
    **dict.fromkeys(("GlorotUniform", "GlorotNormal", "HeUniform", "HeNormal", "LecunUniform", "LecunNormal"), SEEDED),
    **dict.fromkeys(("RandomNormal", "TruncatedNormal"), "mean stddev seed"),
    **dict.fromkeys(("Orthogonal", "OrthogonalInitializer"), "gain seed"),
    **dict.fromkeys(("Identity", "IdentityInitializer"), "gain"),
    **{"Zeros": "", "Ones": "", "Constant": "value", "RandomUniform": "minval maxval seed"},
    "VarianceScaling": "scale mode distribution " + SEEDED,
}
REGULARIZERS = {"L1": "l1", "L2": "l2", "L1L2": "l1 l2", "OrthogonalRegularizer": "factor mode"}
CONSTRAINTS = {"MaxNorm": "max_value axis", "MinMaxNorm": "min_value max_value rate axis", "NonNeg": ""}
CONSTRAINTS |= {"UnitNorm": "axis"}
OBJECTS = {"initializers": INITIALIZERS, "regularizers": REGULARIZERS, "constraints": CONSTRAINTS}


def flag(value: object) -> bool:
    """True or False, and nothing that only counts as one."""
    return _kept(value, type(value) is bool, "true or false")


def whole(value: object) -> int:
    """A whole number."""
    return _kept(value, type(value) is int and abs(value) < LARGEST_WHOLE, "a whole number below 2^31")


def number(value: object) -> float:
    """A finite number."""
    fits = type(value) in (int, float) and abs(value) < 1e300 and math.isfinite(value)
    return _kept(value, fits, "a finite number")


def wholes(value: object) -> object:
    """A whole number, none, or lists of them (sizes, axes, shapes)."""
    return _nested(value, lambda item: None if item is None else whole(item))


def numbers(value: object) -> object:
    """A finite number or lists of them; Keras wraps arrays as {"class_name": "__numpy__", ...}."""
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        config = value.get("config")
        value = config.get("value") if isinstance(config, dict) else None
    return _nested(value, number)


def text(*choices: str) -> Callable[[object], str]:
    """The kind of an option that is one of some words."""
    return lambda value: _kept(value, type(value) is str and value in choices, f"one of {', '.join(choices)}")


def name(value: object) -> str:
    """A layer's own name."""
    return _kept(value, type(value) is str and bool(PLAIN_NAME.fullmatch(value)), "a plain name")


def _kept(value: object, fits: bool, expected: str) -> object:
    if not fits:
        raise ValueError(f"expected {expected}, found {shown(value)}")
    return value


def shown(value: object) -> str:
    """A value of a file as part of a sentence: short, and without characters that a terminal would obey."""
    words = ascii(value)
    return words if len(words) <= 120 else words[:117] + "..."


def _nested(value: object, kind: Callable, depth: int = 4) -> object:
    if not isinstance(value, list):
        return kind(value)
    _kept(
        f"{len(value)} values", len(value) <= LONGEST_LIST and depth > 0, f"at most {LONGEST_LIST} values in 4 levels"
    )
    return [_nested(item, kind, depth - 1) for item in value]


def _padding(value: object) -> object:
    return wholes(value) if isinstance(value, list | int) else text("same", "valid", "causal")(value)


def _scale(value: object) -> object:
    return value if type(value) is bool else numbers(value)


KINDS: dict[Callable, str] = {
    flag: "trainable use_bias center synchronized keepdims return_sequences return_state go_backwards stateful "
    "unroll time_major unit_forget_bias reset_after zero_output_for_mask mask_zero use_scale normalize invert sparse "
    "ragged optional dynamic autocast crop_to_aspect_ratio pad_to_aspect_ratio antialias renorm use_gate "
    "supports_masking rms_scaling fused",
    whole: "filters units depth_multiplier height width n num_heads key_dim value_dim input_dim output_dim groups seed "
    "stride num_tokens implementation input_length",
    number: "rate momentum epsilon alpha negative_slope theta threshold stddev l1 l2 renorm_momentum dropout "
    "recurrent_dropout mean_value gain minval maxval min_value power_iterations fill_value mask_value",
    numbers: "mean variance offset value max_value factor height_factor width_factor value_range x_factor y_factor",
    wholes: "kernel_size strides pool_size dilation_rate output_padding size cropping dims target_shape axis axes "
    "noise_shape attention_axes output_shape shared_axes output_size input_axes output_axes batch_input_shape "
    "batch_shape query_shape key_shape value_shape build_input_shape",
    text("channels_last", "channels_first"): "data_format",
    text(
        "nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"
    ): "interpolation",
    text("constant", "reflect", "wrap", "nearest"): "fill_mode",
    text("sum", "mul", "concat", "ave"): "merge_mode",
    text("dot", "concat"): "score_mode",
    text("untruncated_normal", "truncated_normal", "uniform", "normal"): "distribution",
    text(
        "fan_in", "fan_out", "fan_avg", "rows", "columns", *("horizontal", "vertical", "horizontal_and_vertical")
    ): "mode",
    text("auto"): "use_cudnn",
    name: "name",
    _padding: "padding",
    _scale: "scale",
}
OPTIONS = {option: kind for kind, options in KINDS.items() for option in options.split()}

EVERY = "name trainable dtype activity_regularizer autocast batch_input_shape batch_shape dynamic supports_masking "
WEIGHTED = "use_bias activation bias_initializer bias_regularizer bias_constraint "
KERNEL = WEIGHTED + "kernel_initializer kernel_regularizer kernel_constraint "
DEPTH = "depth_multiplier depthwise_initializer depthwise_regularizer depthwise_constraint "
POINT = "pointwise_initializer pointwise_regularizer pointwise_constraint "
WINDOW = "kernel_size strides padding data_format dilation_rate "
CONV = "filters groups output_padding " + WINDOW + KERNEL
AFFINE = "axis epsilon center scale beta_initializer gamma_initializer beta_regularizer gamma_regularizer "
AFFINE += "beta_constraint gamma_constraint "
BATCH_NORM = AFFINE + "momentum moving_mean_initializer moving_variance_initializer synchronized renorm "
BATCH_NORM += "renorm_clipping renorm_momentum virtual_batch_size fused adjustment"
SIMPLE = "units recurrent_initializer recurrent_regularizer recurrent_constraint dropout recurrent_dropout seed "
SIMPLE += (
    "return_sequences return_state go_backwards stateful unroll zero_output_for_mask time_major use_cudnn " + KERNEL
)
GATED = SIMPLE + "recurrent_activation implementation "
RANDOM = "seed data_format value_range "
WARP = RANDOM + "fill_mode fill_value interpolation "
QUANTIZED = "lora_rank lora_alpha quantization_config quantization_mode gptq_unpacked_column_size "  # only when null
ATTENTION = "num_heads key_dim value_dim dropout output_shape attention_axes seed sliding_window flash_attention "
ATTENTION += "use_gate query_shape key_shape value_shape " + KERNEL


def _alike(pattern: str, ranks: str, options: str) -> dict[str, str]:
    return {pattern.format(f"{rank}D"): options for rank in ranks}


KERAS_LAYERS = {
    **{"InputLayer": "sparse ragged optional", "Dense": "units " + KERNEL + QUANTIZED},
    **_alike("Conv{}", "123", CONV),
    **_alike("Conv{}Transpose", "123", CONV),
    **_alike("DepthwiseConv{}", "12", WINDOW + KERNEL + DEPTH + "groups filters"),
    **_alike("SeparableConv{}", "12", "filters groups " + WINDOW + KERNEL + DEPTH + POINT),
    **{"BatchNormalization": BATCH_NORM, "LayerNormalization": AFFINE + "rms_scaling"},
    **{"GroupNormalization": AFFINE + "groups", "UnitNormalization": "axis"},
    **{"Normalization": "axis mean variance invert", "RMSNormalization": "axis epsilon"},
    **_alike("MaxPooling{}", "123", "pool_size strides padding data_format"),
    **_alike("AveragePooling{}", "123", "pool_size strides padding data_format"),
    **_alike("GlobalMaxPooling{}", "123", "data_format keepdims"),
    **_alike("GlobalAveragePooling{}", "123", "data_format keepdims"),
    **{"Dropout": "rate noise_shape seed", "AlphaDropout": "rate noise_shape seed", "GaussianNoise": "stddev seed"},
    **{"GaussianDropout": "rate seed", **_alike("SpatialDropout{}", "123", "rate data_format seed noise_shape")},
    **{"Activation": "activation", "ReLU": "max_value negative_slope threshold", "ELU": "alpha", "Softmax": "axis"},
    **{
        "LeakyReLU": "alpha negative_slope",
        "PReLU": "alpha_initializer alpha_regularizer alpha_constraint shared_axes",
    },
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Identity"), ""),
    **{"Concatenate": "axis", "Dot": "axes normalize", "Masking": "mask_value", "ActivityRegularization": "l1 l2"},
    **{"Flatten": "data_format", "Reshape": "target_shape", "Permute": "dims", "RepeatVector": "n"},
    **_alike("ZeroPadding{}", "123", "padding data_format"),
    **_alike("Cropping{}", "123", "cropping data_format"),
    **_alike("UpSampling{}", "123", "size data_format interpolation"),
    **{"Rescaling": "scale offset", "CenterCrop": "height width data_format"},
    "Resizing": "height width interpolation crop_to_aspect_ratio pad_to_aspect_ratio fill_mode fill_value antialias "
    "data_format",
    **{"RandomFlip": "mode " + RANDOM, "RandomRotation": "factor " + WARP, "RandomContrast": "factor " + RANDOM},
    **{"RandomZoom": "height_factor width_factor " + WARP, "RandomTranslation": "height_factor width_factor " + WARP},
    **{"RandomBrightness": "factor " + RANDOM, "RandomCrop": "height width " + RANDOM},
    **{"RandomHeight": "factor interpolation seed", "RandomWidth": "factor interpolation seed"},
    **{"LSTM": GATED + "unit_forget_bias", "GRU": GATED + "reset_after", "SimpleRNN": SIMPLE},
    **{"TimeDistributed": "layer", "Bidirectional": "layer backward_layer merge_mode"},
    **{"MultiHeadAttention": ATTENTION, "Attention": "use_scale score_mode dropout seed"},
    "Embedding": "input_dim output_dim mask_zero sparse input_length embeddings_initializer embeddings_regularizer "
    "embeddings_constraint weights " + QUANTIZED,
}
OWN_LAYERS = {
    **dict.fromkeys(("Gelu", "Mish", "Tanh", "LocalResponseNormalization"), ""),
    **{"SmallMapConv2D": CONV, "PaddedShortcut": "filters stride", "CountedDropout": "rate seed"},
    **{"ScaledBias": "factor", "Operation": "operation operands settings"},
}
# Arithmetic between layers: the settings of each operation; `operations` computes them.
OPERATIONS = {
    **dict.fromkeys(("negative", "abs", "square", "sqrt", "rsqrt", "exp", "log", "identity", "relu", "relu6"), ()),
    **dict.fromkeys(("sigmoid", "tanh", "silu", "softplus", "elu", "selu", "hard_sigmoid", "hard_silu"), ()),
    **dict.fromkeys(("add", "subtract", "multiply", "divide", "power", "maximum", "minimum"), ()),
    **dict.fromkeys(("mean", "sum", "max", "min"), ("axis", "keepdims")),
    **dict.fromkeys(("softmax", "log_softmax", "l2_normalize", "concat", "expand_dims", "squeeze"), ("axis",)),
    **{"reshape": ("shape",), "transpose": ("perm",), "cast": ("dtype",), "pad": ("paddings",), "slice": ("slices",)},
    **{"gelu": ("approximate",), "clip": ("low", "high"), "resize": ("size", "interpolation")},
}
# Options that the other Keras writes and this one does not take: dropped where the value changes no prediction.
ALWAYS_DROPPED = {"renorm_momentum", "batch_input_shape", "batch_shape", "value_range", "implementation", "autocast"}
ALWAYS_DROPPED |= {"query_shape", "key_shape", "value_shape", "supports_masking", "seed", "use_cudnn", "input_axes"}
ALWAYS_DROPPED |= {"output_axes", "input_length", "dynamic", "sparse", "trainable"}
ALWAYS_DROPPED |= {"kernel_initializer", "kernel_regularizer", "kernel_constraint"}  # of depthwise layers, unused
DROPPED_AT = {"data_format": "channels_last", "fill_mode": "constant", "fill_value": 0.0, "groups": 1, "fused": True}
RENAMED = {"LeakyReLU": ("alpha", "negative_slope")}  # in Keras 2, in 3


def is_without_effect(option: str, value: object) -> bool:
    """Whether a layer predicts the same without this option."""
    return value is None or value is False or option in ALWAYS_DROPPED or DROPPED_AT.get(option) == value
