"""A stage as a TFLite file, written operator by operator from its recorded calls.

As on a phone, images lie in memory pixel by pixel, [1, height, width, channels], numbers are
float32, and the batch is one image. Operators and options: the schema of TensorFlow Lite.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import Tensor, nn

from latency.errors import LatencyError
from latency.graphs.folding import ACTIVATIONS, Step, fold
from latency.graphs.recording import Recording, Shape
from latency.graphs.tflite_file import Array, TfliteFile
from latency.graphs.windows import pair, slides
from search_spaces import layers

LOWEST = float(np.finfo(np.float32).min)
GROUPED = 6  # the version of CONV_2D that knows groups


def model(recording: Recording, outputs: Sequence[str] | None = None) -> bytes:
    """Return the TFLite file of a stage.

    Its inputs and outputs have names and come in the order of the recording. ``outputs``: the names
    under which it gives its answers; those recorded if None. One that comes twice, as an exit does
    that later stages read, is given once. Raises LatencyError for a module that has no TFLite
    operator here.
    """
    graph = _Graph(recording)
    given = dict(graph.values)
    for step in fold(recording):
        graph.step(step)
    names = outputs or tuple(name for name, _ in recording.outputs)
    given_out = dict(zip(names, recording.outputs, strict=True))
    answers: dict[str, int] = {}
    for name, (inner, shape) in given_out.items():
        number = graph.values[inner]
        if number in answers.values() or (inner in given and inner != name):
            size = graph.ints(laid_out(shape))
            number = graph.between("RESHAPE", (number, size), laid_out(shape))
        answers[name] = number
    return graph.file.packed(given, answers)


def laid_out(shape: Shape) -> tuple[int, ...]:
    """Return the layout of a tensor of this shape, (channels, height, width) or (features,)."""
    return (1, *shape[1:], shape[0]) if len(shape) == 3 else (1, *shape)


def to_layout(tensor: Tensor) -> Array:
    """Return [1, channels, height, width] as [1, height, width, channels], others as they are."""
    array: Array = (tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor).numpy()
    return np.ascontiguousarray(array)


class _Graph:
    """The file that grows, and the numbers of its tensors by their names in the recording."""

    def __init__(self, recording: Recording) -> None:
        self.file = TfliteFile()
        self.values = {
            name: self.file.tensor(name, laid_out(shape)) for name, shape in recording.inputs
        }
        self.not_negative: set[str] = set()

    def step(self, step: Step) -> None:
        for kinds, write in _WRITERS:
            if isinstance(step.call.module, kinds):
                write(self, step)
                if self._gives_no_negative(step):
                    self.not_negative.add(step.output)
                return
        raise LatencyError(f"no TFLite operator is known for a {type(step.call.module).__name__}")

    def _gives_no_negative(self, step: Step) -> bool:
        if isinstance(step.call.module, layers.Concat):
            return self.not_negative.issuperset(step.inputs)
        return step.activation is not None or isinstance(step.call.module, ACTIVATIONS)

    def inputs(self, step: Step) -> list[int]:
        return [self.values[name] for name in step.inputs]

    def between(
        self, kind: str, inputs: Sequence[int], layout: Sequence[int], options: Any = None
    ) -> int:
        """Add an operator and its output inside a step; return the output's number."""
        output = self.file.tensor(f"{kind.lower()}{len(self.values)}", layout)
        self.file.operator(kind, inputs, output, options)
        return output

    def give(
        self, step: Step, kind: str, inputs: Sequence[int], options: Any = None, version: int = 1
    ) -> None:
        """Add the operator that gives the output of a step."""
        output = self.file.tensor(step.output, laid_out(step.call.output_shape))
        self.file.operator(kind, inputs, output, options, version)
        self.values[step.output] = output

    def floats(self, values: Tensor | float) -> int:
        array = values.detach().numpy() if isinstance(values, Tensor) else np.array([values])
        return self.file.constant(array.astype(np.float32))

    def ints(self, values: Any) -> int:
        return self.file.constant(np.asarray(values, np.int32))

    def padded(self, number: int, layout: Sequence[int], margins: Array, value: float = 0.0) -> int:
        """Put ``value`` around a tensor; ``margins``: (before, after) for each axis laid out."""
        sizes = [int(size) for size in np.add(layout, margins.sum(axis=1))]
        if value == 0:
            return self.between("PAD", (number, self.ints(margins)), sizes)
        return self.between("PADV2", (number, self.ints(margins), self.floats(value)), sizes)

    def framed(self, step: Step, value: float = 0.0, may_be_same: bool = True) -> tuple[int, int]:
        """Return what a kernel slides over and the padding that its operator does.

        Where the operator's own padding would read other pixels, ``value`` is put around the image.
        """
        (number,), (height, width) = self.inputs(step), slides(step)
        margins = np.array(
            [(0, 0), (height.before, height.after), (width.before, width.after), (0, 0)]
        )
        if not margins.any():
            return number, schema.Padding.VALID
        if may_be_same and height.same and width.same:
            return number, schema.Padding.SAME
        layout = laid_out(step.input_shapes[0])
        return self.padded(number, layout, margins, value), schema.Padding.VALID


def _conv(graph: _Graph, step: Step) -> None:
    leaf = step.call.module
    assert isinstance(leaf, nn.Conv2d)
    image, padding = graph.framed(step)
    weight, bias = _folded(leaf, step.norm)
    down, across = pair(leaf.stride)
    tall, wide = pair(leaf.dilation)
    common = {
        "padding": padding,
        "strideH": down,
        "strideW": across,
        "dilationHFactor": tall,
        "dilationWFactor": wide,
        "fusedActivationFunction": _activation(step),
    }
    if leaf.groups == leaf.in_channels > 1:
        several = leaf.out_channels // leaf.in_channels
        depthwise = schema.DepthwiseConv2DOptionsT(depthMultiplier=several, **common)
        inputs = (image, graph.floats(weight.permute(1, 2, 3, 0)), graph.floats(bias))
        graph.give(step, "DEPTHWISE_CONV_2D", inputs, depthwise, 2 if (tall, wide) > (1, 1) else 1)
    else:
        inputs = (image, graph.floats(weight.permute(0, 2, 3, 1)), graph.floats(bias))
        options = schema.Conv2DOptionsT(**common)
        graph.give(step, "CONV_2D", inputs, options, GROUPED if leaf.groups > 1 else 1)


def _folded(conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Tensor, Tensor]:
    """Return the weight and bias that do what a convolution and the norm after it do."""
    weight = conv.weight.detach()
    bias = torch.zeros(conv.out_channels) if conv.bias is None else conv.bias.detach()
    if norm is None:
        return weight, bias
    scale, shift = _scale_and_shift(norm)
    return weight * scale[:, None, None, None], bias * scale + shift


def _scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return what a BatchNorm multiplies each channel by and what it then adds, in float64."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None, "our BatchNorms have statistics"
    scale = norm.weight.detach().double() / (variance.double() + norm.eps).sqrt()
    return scale, norm.bias.detach().double() - mean.double() * scale


def _norm(graph: _Graph, step: Step) -> None:
    leaf = step.call.module
    assert isinstance(leaf, nn.BatchNorm2d)
    scale, shift = _scale_and_shift(leaf)
    inputs = (*graph.inputs(step), graph.floats(scale))
    scaled = graph.between("MUL", inputs, laid_out(step.call.output_shape), schema.MulOptionsT())
    options = schema.AddOptionsT(fusedActivationFunction=_activation(step))
    graph.give(step, "ADD", (scaled, graph.floats(shift)), options)


def _linear(graph: _Graph, step: Step) -> None:
    leaf = step.call.module
    assert isinstance(leaf, nn.Linear)
    bias = torch.zeros(leaf.out_features) if leaf.bias is None else leaf.bias
    inputs = (*graph.inputs(step), graph.floats(leaf.weight), graph.floats(bias))
    options = schema.FullyConnectedOptionsT(fusedActivationFunction=_activation(step))
    graph.give(step, "FULLY_CONNECTED", inputs, options)


def _max_pool(graph: _Graph, step: Step) -> None:
    # zeros around an image without negative values win nowhere, and runtimes are quick at them
    value = 0.0 if step.inputs[0] in graph.not_negative else LOWEST
    image, padding = graph.framed(step, value)
    graph.give(step, "MAX_POOL_2D", (image,), _pool_options(step, padding))


def _average_pool(graph: _Graph, step: Step) -> None:
    leaf = step.call.module
    assert isinstance(leaf, nn.AvgPool2d)
    image, padding = graph.framed(step, may_be_same=not leaf.count_include_pad)
    counted = (
        leaf.count_include_pad or padding != schema.Padding.VALID or not any(pair(leaf.padding))
    )
    if leaf.divisor_override or leaf.ceil_mode or not counted:
        raise LatencyError(f"no TFLite operator averages as {leaf} does")
    graph.give(step, "AVERAGE_POOL_2D", (image,), _pool_options(step, padding))


def _pool_options(step: Step, padding: int) -> Any:
    leaf = step.call.module
    assert isinstance(leaf, nn.MaxPool2d | nn.AvgPool2d)
    (height, width), (down, across) = pair(leaf.kernel_size), pair(leaf.stride)
    return schema.Pool2DOptionsT(
        padding=padding, strideH=down, strideW=across, filterHeight=height, filterWidth=width
    )


def _global_pool(graph: _Graph, step: Step) -> None:
    assert step.call.output_shape[1:] == (1, 1), "adaptive pools are global here"
    inputs = (*graph.inputs(step), graph.ints((1, 2)))
    graph.give(step, "MEAN", inputs, schema.ReducerOptionsT(keepDims=True))


def _plain(kind: str, options: Callable[[], Any] = lambda: None) -> "_Writer":
    def write(graph: _Graph, step: Step) -> None:
        graph.give(step, kind, graph.inputs(step), options())

    return write


def _flatten(graph: _Graph, step: Step) -> None:
    (number,) = graph.inputs(step)
    channels, *size = step.input_shapes[0]
    if prod(size) > 1:  # torch counts channel by channel
        order = graph.ints((0, 3, 1, 2))
        number = graph.between("TRANSPOSE", (number, order), (1, channels, *size))
    graph.give(step, "RESHAPE", (number, graph.ints(laid_out(step.call.output_shape))))


def _concat(graph: _Graph, step: Step) -> None:
    axis = len(step.call.output_shape)  # the channels come last
    graph.give(step, "CONCATENATION", graph.inputs(step), schema.ConcatenationOptionsT(axis=axis))


def _add_grown(graph: _Graph, step: Step) -> None:
    features, shortcut = graph.inputs(step)
    missing = step.input_shapes[0][0] - step.input_shapes[1][0]
    if missing:
        margins = np.array([(0, 0), (0, 0), (0, 0), (0, missing)])
        shortcut = graph.padded(shortcut, laid_out(step.input_shapes[1]), margins)
    options = schema.AddOptionsT(fusedActivationFunction=_activation(step))
    graph.give(step, "ADD", (features, shortcut), options)


def _subsample(graph: _Graph, step: Step) -> None:
    leaf = step.call.module
    assert isinstance(leaf, layers.Subsample)
    steps = (1, leaf.stride, leaf.stride, 1)
    limits = [graph.ints(each) for each in ((0, 0, 0, 0), laid_out(step.input_shapes[0]), steps)]
    inputs = (*graph.inputs(step), *limits)
    graph.give(step, "STRIDED_SLICE", inputs, schema.StridedSliceOptionsT())


def _same_pad(graph: _Graph, step: Step) -> None:
    leaf = step.call.module
    assert isinstance(leaf, layers.SamePad)
    left, right, above, below = leaf.margins(step.input_shapes[0][1:])
    margins = graph.ints([(0, 0), (above, below), (left, right), (0, 0)])
    graph.give(step, "PAD", (*graph.inputs(step), margins))


def _shuffle(graph: _Graph, step: Step) -> None:
    leaf = step.call.module
    assert isinstance(leaf, layers.ChannelShuffle)
    (number,) = graph.inputs(step)
    channels, height, width = step.call.output_shape
    apart = (height * width, leaf.groups, channels // leaf.groups)
    crossed = (apart[0], apart[2], apart[1])
    number = graph.between("RESHAPE", (number, graph.ints(apart)), apart)
    number = graph.between("TRANSPOSE", (number, graph.ints((0, 2, 1))), crossed)
    graph.give(step, "RESHAPE", (number, graph.ints(laid_out(step.call.output_shape))))


def _resize(graph: _Graph, step: Step) -> None:
    inputs = (graph.inputs(step)[0], graph.ints(step.call.output_shape[1:]))
    graph.give(step, "RESIZE_BILINEAR", inputs, schema.ResizeBilinearOptionsT(alignCorners=True))


def _average_probabilities(graph: _Graph, step: Step) -> None:
    """As log of the mean of exp(logs - highest), plus highest: so no exp is too small."""
    (classes,), members = step.call.output_shape, len(step.inputs)
    every, one = (members, classes), (1, classes)
    keep, first = schema.ReducerOptionsT(keepDims=True), graph.ints((0,))
    joined = graph.between(
        "CONCATENATION", graph.inputs(step), every, schema.ConcatenationOptionsT(axis=0)
    )
    logs = graph.between("LOG_SOFTMAX", (joined,), every)
    highest = graph.between("REDUCE_MAX", (logs, first), one, keep)
    below = graph.between("SUB", (logs, highest), every, schema.SubOptionsT())
    shares = graph.between("EXP", (below,), every)
    mean = graph.between("MEAN", (shares, first), one, keep)
    graph.give(step, "ADD", (graph.between("LOG", (mean,), one), highest), schema.AddOptionsT())


def _activation(step: Step) -> int:
    kinds = schema.ActivationFunctionType
    if step.activation is None:
        return int(kinds.NONE)
    return int(kinds.RELU6 if isinstance(step.activation, nn.ReLU6) else kinds.RELU)


_Writer = Callable[[_Graph, Step], None]
_WRITERS: tuple[tuple[tuple[type[nn.Module], ...], _Writer], ...] = (
    ((nn.Conv2d,), _conv),
    ((nn.Linear,), _linear),
    ((nn.MaxPool2d,), _max_pool),
    ((nn.AvgPool2d,), _average_pool),
    ((nn.AdaptiveAvgPool2d,), _global_pool),
    ((nn.ReLU,), _plain("RELU")),
    ((nn.ReLU6,), _plain("RELU6")),
    ((nn.Sigmoid,), _plain("LOGISTIC")),
    ((nn.Flatten,), _flatten),
    ((nn.BatchNorm2d,), _norm),
    ((layers.Concat,), _concat),
    ((layers.AddGrown,), _add_grown),
    ((layers.Scale,), _plain("MUL", schema.MulOptionsT)),
    ((layers.ChannelShuffle,), _shuffle),
    ((layers.SamePad,), _same_pad),
    ((layers.Subsample,), _subsample),
    ((layers.AverageProbabilities,), _average_probabilities),
    ((layers.Resize,), _resize),
)
