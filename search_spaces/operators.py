"""What a network computes: operators with shapes, counted block by block.

Each distinct (block, input shapes) is traced once per process by hooks on the real block (on the
meta device: no memory, no arithmetic); the operators of an architecture are the concatenation.
Multiply-accumulates (MACs) are those of convolutions and linear layers, biases excluded, as fvcore
counts them. The official operation count of the MSDNet, RANet and CondenseNet code adds one per
input element of an activation, k*k per output element of a pooling, and the biases of linear
layers.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import accumulate
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces import layers
from search_spaces.blocks import IMAGE, BlockGraph, BlockSpec
from search_spaces.unfilled import BatchNorm2d

Shape = tuple[int, ...]
"""Shape of one image's tensor, without the batch: (channels, height, width) or (features,)."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operation of a network on one image; sizes in pixels (height, width)."""

    kind: str
    in_channels: int
    out_channels: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    groups: int = 1
    input_size: tuple[int, int] = (1, 1)
    output_size: tuple[int, int] = (1, 1)
    bias: bool = False
    parameters: int = 0

    @property
    def elements_in(self) -> int:
        """Number of input values."""
        return self.in_channels * prod(self.input_size)

    @property
    def elements_out(self) -> int:
        """Number of output values."""
        return self.out_channels * prod(self.output_size)

    @property
    def macs(self) -> int:
        """Multiply-accumulates; zero for all but convolutions and linear layers."""
        if self.kind not in ("conv", "depthwise", "linear"):
            return 0
        return self.elements_out * (self.in_channels // self.groups) * prod(self.kernel)

    @property
    def official_ops(self) -> int:
        """Operations as the official MSDNet code counts them."""
        if self.kind == "activation":
            return self.elements_in
        if self.kind == "pool":
            return self.elements_out * prod(self.kernel)
        return self.macs + (self.out_channels if self.kind == "linear" and self.bias else 0)


@dataclass(frozen=True, slots=True)
class Trace:
    """One block on inputs of given shapes: its operators, output shape and sums."""

    operators: tuple[Operator, ...]
    output: Shape
    macs: int
    official_ops: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of a network, cumulative over its exits, earlier exits' heads included.

    ``macs`` and ``official_ops`` are those of a layer-by-layer run; ``lazy_macs`` those of a run
    that computes nothing before it is needed, which is how the network runs here. ``parameters``
    are the trainable ones of what is built, auxiliary heads included.
    """

    parameters: int
    macs: tuple[int, ...]
    lazy_macs: tuple[int, ...]
    official_ops: tuple[int, ...]


def operators(graph: BlockGraph) -> tuple[tuple[Operator, ...], ...]:
    """Return the operators of each lazy stage, in the order in which they run."""
    traces = _traces(graph)
    return tuple(
        tuple(op for node in nodes for op in traces[node.name].operators)
        for nodes in graph.lazy_nodes()
    )


def costs(graph: BlockGraph) -> Costs:
    """Return parameters, MACs, lazy MACs and official operation counts per exit."""
    traces = _traces(graph)
    stages = [[traces[node.name] for node in nodes] for nodes in graph.lazy_nodes()]
    cuts = _exit_positions(graph)
    run = [traces[node.name] for node in graph.nodes]
    macs = list(accumulate(trace.macs for trace in run))
    official = list(accumulate(trace.official_ops for trace in run))
    return Costs(
        parameters=sum(trace.parameters for stage in stages for trace in stage)
        + sum(trace.parameters for trace in _auxiliary(graph, traces)),
        macs=tuple(macs[cut] for cut in cuts),
        lazy_macs=tuple(accumulate(sum(trace.macs for trace in stage) for stage in stages)),
        official_ops=tuple(official[cut] for cut in cuts),
    )


def _auxiliary(graph: BlockGraph, traces: dict[str, Trace]) -> list[Trace]:
    shapes = {IMAGE: graph.image} | {name: trace.output for name, trace in traces.items()}
    found = []
    for node in graph.auxiliary:
        found.append(trace_block(node.spec, tuple(shapes[name] for name in node.inputs)))
        shapes[node.name] = found[-1].output
    return found


def _exit_positions(graph: BlockGraph) -> list[int]:
    position = {node.name: index for index, node in enumerate(graph.nodes)}
    return [position[name] for name in graph.exits]


def _traces(graph: BlockGraph) -> dict[str, Trace]:
    shapes: dict[str, Shape] = {IMAGE: graph.image}
    traces = {}
    for node in graph.nodes:
        trace = trace_block(node.spec, tuple([shapes[name] for name in node.inputs]))
        traces[node.name] = trace
        shapes[node.name] = trace.output
    return traces


@lru_cache(maxsize=200_000)
def trace_block(spec: BlockSpec, inputs: tuple[Shape, ...]) -> Trace:
    """Return the operators of a block on inputs of these shapes: of its parts, or run once."""
    chain = spec.chain()
    return _chained(chain, inputs) if chain else _run(spec, inputs)


def _chained(chain: tuple[BlockSpec, ...], inputs: tuple[Shape, ...]) -> Trace:
    traces: list[Trace] = []
    for part in chain:
        traces.append(trace_block(part, (traces[-1].output,) if traces else inputs))
    return Trace(
        operators=tuple([op for trace in traces for op in trace.operators]),
        output=traces[-1].output,
        macs=sum([trace.macs for trace in traces]),
        official_ops=sum([trace.official_ops for trace in traces]),
        parameters=sum([trace.parameters for trace in traces]),
    )


def _run(spec: BlockSpec, inputs: tuple[Shape, ...]) -> Trace:
    with torch.device("meta"):
        module = spec.assembled(_Part).eval()
        for leaf in module.modules():
            if (shape := _SHAPES.get(type(leaf))) is not None:
                leaf.forward = partial(shape, leaf)
        tensors = [torch.empty(1, *shape) for shape in inputs]
    found, output = observe(module, tensors)
    parts = (leaf.trace.parameters for leaf in module.modules() if isinstance(leaf, _Part))
    return Trace(
        operators=tuple(found),
        output=tuple(output.shape[1:]),
        macs=sum(op.macs for op in found),
        official_ops=sum(op.official_ops for op in found),
        parameters=sum(parameter.numel() for parameter in module.parameters()) + sum(parts),
    )


class _Part(nn.Module):
    """In the place of a part of a block, whose own trace says all there is to know."""

    trace: Trace

    def __init__(self, spec: BlockSpec) -> None:
        super().__init__()
        self.spec = spec

    def forward(self, x: Tensor) -> Tensor:
        self.trace = trace_block(self.spec, (tuple(x.shape[1:]),))
        return x.new_empty((x.shape[0], *self.trace.output))


def _same(leaf: nn.Module, x: Tensor, *others: Tensor) -> Tensor:
    return x


def _resized(leaf: nn.Module, x: Tensor, like: Tensor) -> Tensor:
    return x.new_empty((*x.shape[:2], *like.shape[2:]))


def _joined(leaf: nn.Module, *inputs: Tensor) -> Tensor:
    first, channels = inputs[0], sum([x.shape[1] for x in inputs])
    if any(x.shape[2:] != first.shape[2:] for x in inputs):
        raise RuntimeError(f"cannot join sizes {[tuple(x.shape[2:]) for x in inputs]}")
    return first.new_empty((first.shape[0], channels, *first.shape[2:]))


def _pooled(leaf: nn.Module, x: Tensor) -> Tensor:
    size: Any = leaf.output_size
    asked = size if isinstance(size, tuple) else (size, size)
    sides = [old if new is None else new for new, old in zip(asked, x.shape[2:], strict=True)]
    return x.new_empty((*x.shape[:2], *sides))


_SHAPES: dict[type[nn.Module], Callable[..., Tensor]] = {
    **dict.fromkeys((nn.BatchNorm2d, BatchNorm2d, nn.ReLU, nn.ReLU6, nn.Sigmoid), _same),
    layers.Scale: _same,
    layers.Resize: _resized,
    layers.Concat: _joined,
    nn.AdaptiveAvgPool2d: _pooled,
}
"""Where only the shape matters: torch's own forwards take milliseconds on the meta device."""


def observe(module: nn.Module, inputs: Iterable[Tensor]) -> tuple[list[Operator], Tensor]:
    """Run ``module`` with hooks on its leaves; return the operators in order, and the output."""
    found: list[Operator] = []

    def record(leaf: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(leaf, _Part):
            found.extend(leaf.trace.operators)
            return
        operator = _operator(leaf, given, output)
        if operator is not None:
            found.append(operator)

    leaves = [leaf for leaf in module.modules() if not list(leaf.children())]
    hooks = [leaf.register_forward_hook(record) for leaf in leaves]
    try:
        with torch.no_grad():
            output = module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return found, output


def _operator(leaf: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Operator | None:
    kind: Any = type(leaf)
    return _describing(kind)(leaf, given, output)


@lru_cache
def _describing(leaf: type[nn.Module]) -> "_Describe":
    if issubclass(leaf, nn.Identity | nn.Flatten | nn.Dropout | nn.Sequential):
        return lambda *_: None
    for kinds, describe in _DESCRIBED:
        if issubclass(leaf, kinds):
            return describe
    raise AssertionError(f"no operator is described for {leaf.__name__}")


def _parameters(leaf: nn.Module) -> int:
    return sum([parameter.numel() for parameter in leaf.parameters(recurse=False)])


def _size(tensor: Tensor) -> tuple[int, int]:
    return (tensor.shape[2], tensor.shape[3]) if tensor.dim() == 4 else (1, 1)


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _conv(leaf: nn.Conv2d, given: tuple[Tensor, ...], output: Tensor) -> Operator:
    depthwise = leaf.groups == leaf.in_channels == leaf.out_channels and leaf.groups > 1
    return Operator(
        kind="depthwise" if depthwise else "conv",
        in_channels=leaf.in_channels,
        out_channels=leaf.out_channels,
        kernel=_pair(leaf.kernel_size),
        stride=_pair(leaf.stride),
        groups=leaf.groups,
        input_size=_size(given[0]),
        output_size=_size(output),
        bias=leaf.bias is not None,
        parameters=_parameters(leaf),
    )


def _linear(leaf: nn.Linear, given: tuple[Tensor, ...], output: Tensor) -> Operator:
    return Operator(
        kind="linear",
        in_channels=leaf.in_features,
        out_channels=leaf.out_features,
        bias=leaf.bias is not None,
        parameters=_parameters(leaf),
    )


def _pool(
    leaf: nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d,
    given: tuple[Tensor, ...],
    output: Tensor,
) -> Operator:
    size = _size(given[0])
    return Operator(
        kind="pool",
        in_channels=given[0].shape[1],
        out_channels=output.shape[1],
        kernel=size if isinstance(leaf, nn.AdaptiveAvgPool2d) else _pair(leaf.kernel_size),
        stride=size if isinstance(leaf, nn.AdaptiveAvgPool2d) else _pair(leaf.stride),
        input_size=size,
        output_size=_size(output),
    )


def _resize(leaf: layers.Resize, given: tuple[Tensor, ...], output: Tensor) -> Operator | None:
    """Return None where the sizes agree already: nothing is computed."""
    found = _plain("resize")(leaf, given[:1], output)
    return found if found.input_size != found.output_size else None


def _plain(kind: str) -> Callable[..., Operator]:
    def describe(leaf: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> Operator:
        return Operator(
            kind=kind,
            in_channels=sum(tensor.shape[1] for tensor in given),
            out_channels=output.shape[1],
            input_size=_size(given[0]),
            output_size=_size(output),
            parameters=_parameters(leaf),
        )

    return describe


_Describe = Callable[..., Operator | None]
_DESCRIBED: tuple[tuple[tuple[type[nn.Module], ...], _Describe], ...] = (
    ((nn.Conv2d,), _conv),
    ((nn.Linear,), _linear),
    ((nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d), _pool),
    ((nn.ReLU, nn.ReLU6, nn.Sigmoid), _plain("activation")),
    ((nn.BatchNorm2d,), _plain("norm")),
    ((layers.Concat,), _plain("concat")),
    ((layers.AddGrown,), _plain("add")),
    ((layers.Scale,), _plain("scale")),
    ((layers.ChannelShuffle,), _plain("shuffle")),
    ((layers.SamePad,), _plain("pad")),
    ((layers.Subsample,), _plain("subsample")),
    ((layers.AverageProbabilities,), _plain("average")),
    ((layers.Resize,), _resize),
)
