"""A stage as an ONNX graph, written operator by operator from its recorded calls.

Operators and attributes: the ONNX operator schemas, opset 18. Numbers are float32, the first axis
of every tensor is the batch, of any size.
"""

from collections.abc import Callable, Sequence
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from latency.errors import LatencyError
from latency.graphs.recording import Call, Recording, Shape
from search_spaces import layers

OPSET = 18
IR_VERSION = 9  # the oldest that holds this opset: older runtimes read it too

Array = npt.NDArray[Any]


def model(recording: Recording, outputs: Sequence[str] | None = None) -> onnx.ModelProto:
    """Return the graph of a stage.

    ``outputs``: the names under which it gives its answers; those recorded if None. One that comes
    twice, as an exit does that later stages read, is given once. Raises LatencyError for a module
    that has no ONNX operator here.
    """
    graph = _Graph()
    for call in recording.calls:
        graph.call(call)
    given = {name for name, _ in recording.inputs}
    names = outputs or tuple(name for name, _ in recording.outputs)
    answers = dict(zip(names, recording.outputs, strict=True))
    for name, (inner, _) in answers.items():
        if name != inner and name not in given:
            graph.add("Identity", (inner,), name)
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "stage",
            [_declared(name, shape) for name, shape in recording.inputs],
            [_declared(name, shape) for name, (_, shape) in answers.items()],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )


def _declared(name: str, shape: Shape) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])


class _Graph:
    """Nodes and constants, in the order in which they were added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def call(self, call: Call) -> None:
        for kinds, write in _WRITERS:
            if isinstance(call.module, kinds):
                write(self, call)
                return
        raise LatencyError(f"no ONNX operator is known for a {type(call.module).__name__}")

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def constant(self, values: Tensor | Array | Sequence[float] | Sequence[int]) -> str:
        array = values.detach().numpy() if isinstance(values, Tensor) else np.asarray(values)
        if array.dtype == np.float64:
            array = array.astype(np.float32)
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name


def _conv(graph: _Graph, call: Call) -> None:
    leaf = call.module
    assert isinstance(leaf, nn.Conv2d) and not isinstance(leaf.padding, str)
    inputs = [*call.inputs, graph.constant(leaf.weight)]
    if leaf.bias is not None:
        inputs.append(graph.constant(leaf.bias))
    graph.add(
        "Conv",
        inputs,
        call.output,
        kernel_shape=leaf.kernel_size,
        strides=leaf.stride,
        pads=[*leaf.padding, *leaf.padding],
        dilations=leaf.dilation,
        group=leaf.groups,
    )


def _norm(graph: _Graph, call: Call) -> None:
    leaf = call.module
    assert isinstance(leaf, nn.BatchNorm2d)
    numbers = (leaf.weight, leaf.bias, leaf.running_mean, leaf.running_var)
    constants = [graph.constant(each) for each in numbers if each is not None]
    assert len(constants) == 4, "our BatchNorms are affine and have statistics"
    graph.add("BatchNormalization", [*call.inputs, *constants], call.output, epsilon=leaf.eps)


def _linear(graph: _Graph, call: Call) -> None:
    leaf = call.module
    assert isinstance(leaf, nn.Linear)
    inputs = [*call.inputs, graph.constant(leaf.weight)]
    if leaf.bias is not None:
        inputs.append(graph.constant(leaf.bias))
    graph.add("Gemm", inputs, call.output, transB=1)


def _pool(graph: _Graph, call: Call) -> None:
    leaf = call.module
    assert isinstance(leaf, nn.MaxPool2d | nn.AvgPool2d)
    margins = _pair(leaf.padding)
    attributes: dict[str, Any] = {
        "kernel_shape": _pair(leaf.kernel_size),
        "strides": _pair(leaf.stride),
        "pads": [*margins, *margins],
        "ceil_mode": int(leaf.ceil_mode),
    }
    if isinstance(leaf, nn.AvgPool2d):
        attributes["count_include_pad"] = int(leaf.count_include_pad)
    kind = "MaxPool" if isinstance(leaf, nn.MaxPool2d) else "AveragePool"
    graph.add(kind, call.inputs, call.output, **attributes)


def _global_pool(graph: _Graph, call: Call) -> None:
    assert call.output_shape[1:] == (1, 1), "adaptive pools are global here"
    graph.add("GlobalAveragePool", call.inputs, call.output)


def _plain(kind: str, **attributes: Any) -> "Callable[[_Graph, Call], None]":
    def write(graph: _Graph, call: Call) -> None:
        graph.add(kind, call.inputs, call.output, **attributes)

    return write


def _clip(graph: _Graph, call: Call) -> None:
    limits = [graph.constant(np.array(value, np.float32)) for value in (0, 6)]
    graph.add("Clip", [*call.inputs, *limits], call.output)


def _add_grown(graph: _Graph, call: Call) -> None:
    features, shortcut = call.inputs
    missing = call.input_shapes[0][0] - call.input_shapes[1][0]
    if missing:
        margins = graph.constant(np.array([0, 0, 0, 0, 0, missing, 0, 0], np.int64))
        shortcut = graph.add("Pad", (shortcut, margins), f"{call.output}.grown")
    graph.add("Add", (features, shortcut), call.output)


def _subsample(graph: _Graph, call: Call) -> None:
    leaf = call.module
    assert isinstance(leaf, layers.Subsample)
    starts, ends, axes, steps = (
        graph.constant(np.array(pair, np.int64))
        for pair in ((0, 0), call.input_shapes[0][1:], (2, 3), (leaf.stride, leaf.stride))
    )
    graph.add("Slice", (*call.inputs, starts, ends, axes, steps), call.output)


def _same_pad(graph: _Graph, call: Call) -> None:
    leaf = call.module
    assert isinstance(leaf, layers.SamePad)
    left, right, top, bottom = leaf.margins(call.input_shapes[0][1:])
    margins = graph.constant(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64))
    graph.add("Pad", (*call.inputs, margins), call.output)


def _shuffle(graph: _Graph, call: Call) -> None:
    leaf = call.module
    assert isinstance(leaf, layers.ChannelShuffle)
    channels, height, width = call.output_shape
    split = [0, leaf.groups, channels // leaf.groups, height, width]  # 0: the batch, as it is
    first = graph.constant(np.array(split, np.int64))
    apart = graph.add("Reshape", (*call.inputs, first), f"{call.output}.split")
    crossed = graph.add("Transpose", (apart,), f"{call.output}.crossed", perm=[0, 2, 1, 3, 4])
    joined = graph.constant(np.array([0, channels, height, width], np.int64))
    graph.add("Reshape", (crossed, joined), call.output)


def _resize(graph: _Graph, call: Call) -> None:
    size = graph.constant(np.array(call.output_shape[1:], np.int64))
    graph.add(
        "Resize",
        (call.inputs[0], "", "", size),
        call.output,
        mode="linear",
        coordinate_transformation_mode="align_corners",
        axes=[2, 3],
    )


def _average_probabilities(graph: _Graph, call: Call) -> None:
    axis = graph.constant(np.array([0], np.int64))
    rows = []
    for place, name in enumerate(call.inputs):
        logs = graph.add("LogSoftmax", (name,), f"{call.output}.log{place}", axis=1)
        rows.append(graph.add("Unsqueeze", (logs, axis), f"{call.output}.row{place}"))
    stacked = graph.add("Concat", rows, f"{call.output}.rows", axis=0)
    summed = graph.add("ReduceLogSumExp", (stacked, axis), f"{call.output}.sum", keepdims=0)
    graph.add("Sub", (summed, graph.constant(np.array(log(len(rows)), np.float32))), call.output)


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


_Writer = Callable[[_Graph, Call], None]
_WRITERS: tuple[tuple[tuple[type[nn.Module], ...], _Writer], ...] = (
    ((nn.Conv2d,), _conv),
    ((nn.Linear,), _linear),
    ((nn.MaxPool2d, nn.AvgPool2d), _pool),
    ((nn.AdaptiveAvgPool2d,), _global_pool),
    ((nn.ReLU,), _plain("Relu")),
    ((nn.ReLU6,), _clip),
    ((nn.Sigmoid,), _plain("Sigmoid")),
    ((nn.Flatten,), _plain("Flatten")),
    ((nn.BatchNorm2d,), _norm),
    ((layers.Concat,), _plain("Concat", axis=1)),
    ((layers.AddGrown,), _add_grown),
    ((layers.Scale,), _plain("Mul")),
    ((layers.ChannelShuffle,), _shuffle),
    ((layers.SamePad,), _same_pad),
    ((layers.Subsample,), _subsample),
    ((layers.AverageProbabilities,), _average_probabilities),
    ((layers.Resize,), _resize),
)
