"""What a drawing says of each block, read off its fields and its traced operators.

Nothing here knows a family: a new one is described by what its blocks compute.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from typing import Any

from search_spaces.blocks import IMAGE, BlockGraph, BlockSpec, Node
from search_spaces.operators import Operator, Shape, Trace, trace_block

_WEIGHTED = ("conv", "depthwise", "linear")
_CHANGES_SHAPE = ("transition", "reduction")
_LAYER = re.compile(r"[a-z]+(\d+)(.*)")
_LAYERS_OF_BLOCK = re.compile(r"block(\d+)\.layers")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a network, described.

    ``shape`` is that of its output, without the batch. ``stage`` counts from 1: the exit before
    which it runs. ``macs`` are those at inference, none where it exists in training alone
    (``kind`` "auxiliary"). ``decision`` is the decision, or the scope of decisions, it stems from.
    ``names`` are the blocks that it stands for, more than one where alike blocks are folded.
    """

    names: tuple[str, ...]
    inputs: tuple[str, ...]
    kind: str
    op: str
    kernel: tuple[int, int] | None
    stride: int
    given: int
    shape: Shape
    gated: bool
    macs: int
    parameters: int
    stage: int
    decision: str | None

    @property
    def id(self) -> str:
        """The name of the first block it stands for."""
        return self.names[0]

    @property
    def answers(self) -> bool:
        """Whether it gives one vector, such as logits, and no map."""
        return len(self.shape) == 1

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of its output; a vector's is 1 by 1."""
        return (1, 1) if self.answers else (self.shape[1], self.shape[2])

    @property
    def text(self) -> str:
        """Everything about it in one line."""
        name = self.id if len(self.names) == 1 else f"{self.id} to {self.names[-1]}"
        kernel = f" {self.kernel[0]}×{self.kernel[1]}" if self.kernel else ""
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        gate = ", squeeze-and-excitation" if self.gated else ""
        where = "" if self.answers else f" at {self.size[0]}×{self.size[1]}"
        training = " (in training alone)" if self.kind == "auxiliary" else ""
        times = f"{len(self.names)} times " if len(self.names) > 1 else ""
        return (
            f"{name}: {times}{self.op}{kernel}{stride}{gate}, {self.given} to {self.shape[0]} "
            f"channels{where}, {self.macs:,} MACs, {self.parameters:,} parameters{training}"
        )


def described(graph: BlockGraph, decisions: Mapping[str, Any]) -> list[Block]:
    """Describe every block that is built, in the order in which they run; side heads last.

    Their MACs sum to the last of ``costs(graph).lazy_macs``, their parameters to
    ``costs(graph).parameters``.
    """
    shapes: dict[str, Shape] = {IMAGE: graph.image}
    found: dict[str, Block] = {}
    placed = [(node, k) for k, stage in enumerate(graph.stages(), start=1) for node in stage.nodes]
    kinds: dict[str, type[BlockSpec]] = {}  # of the stems
    for node, stage in placed:
        trace = _trace(node, shapes)
        kind = _kind(node, trace, kinds)
        if kind == "stem":
            kinds[node.name] = type(node.spec)
        found[node.name] = _block(node, trace, stage, kind, shapes)
    for node in graph.auxiliary:
        trace = _trace(node, shapes)
        stage = max((found[name].stage for name in node.inputs if name in found), default=1)
        found[node.name] = _block(node, trace, stage, "auxiliary", shapes)
    origins = _origins(found, decisions)
    return [replace(block, decision=origins[name]) for name, block in found.items()]


def _trace(node: Node, shapes: dict[str, Shape]) -> Trace:
    trace = trace_block(node.spec, tuple(shapes[name] for name in node.inputs))
    shapes[node.name] = trace.output
    return trace


def _block(node: Node, trace: Trace, stage: int, kind: str, shapes: dict[str, Shape]) -> Block:
    kernel, stride = _kernel(trace.operators, kind)
    return Block(
        names=(node.name,),
        inputs=node.inputs,
        kind=kind,
        op=_op(node.spec, trace.operators),
        kernel=kernel,
        stride=stride,
        given=shapes[node.inputs[0]][0],
        shape=trace.output,
        gated=any(operator.kind == "scale" for operator in trace.operators),
        macs=0 if kind == "auxiliary" else trace.macs,
        parameters=trace.parameters,
        stage=stage,
        decision=None,
    )


def _kind(node: Node, trace: Trace, stems: Mapping[str, type[BlockSpec]]) -> str:
    """What a block is for; a stem reads the image, or only stems that are blocks like itself."""
    if len(trace.output) == 1:
        return "head" if trace.parameters else "join"
    if not any(operator.kind in _WEIGHTED for operator in trace.operators):
        return "pool" if any(operator.kind == "pool" for operator in trace.operators) else "join"
    if all(name == IMAGE or stems.get(name) is type(node.spec) for name in node.inputs):
        return "stem"
    last = node.name.rpartition(".scale")[0] or node.name
    changes = last.rpartition(".")[2].rstrip("0123456789") in _CHANGES_SHAPE
    return "transition" if changes else "block"


def _op(spec: BlockSpec, operators: tuple[Operator, ...]) -> str:
    """The operation that the block names; else its only operator; else the name of its kind."""
    if named := dict.fromkeys(_named(spec)):
        return " and ".join(named)
    weighted = [operator.kind for operator in operators if operator.kind in _WEIGHTED]
    if len(weighted) == 1:
        return weighted[0]
    if not weighted and operators:
        return operators[0].kind
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(spec).__name__).lower()


def _named(value: Any) -> Iterator[str]:
    """The fields called ``op`` of a block and of the blocks inside it."""
    if isinstance(value, tuple):
        for each in value:
            yield from _named(each)
    elif isinstance(value, BlockSpec):
        for field in fields(value):  # type: ignore[arg-type]
            given = getattr(value, field.name)
            if field.name == "op" and isinstance(given, str):
                yield given
            else:
                yield from _named(given)


def _kernel(operators: tuple[Operator, ...], kind: str) -> tuple[tuple[int, int] | None, int]:
    """How far its convolutions see (1x7 and 7x1: 7x7), or its pooling, and its stride."""
    wanted = ("pool",) if kind == "pool" else ("conv", "depthwise")
    found = [operator for operator in operators if operator.kind in wanted]
    if not found:
        return None, 1
    kernel = (max(each.kernel[0] for each in found), max(each.kernel[1] for each in found))
    return kernel, max(max(each.stride) for each in found)


# Where a block comes from -------------------------------------------------------------------------


def _origins(blocks: Mapping[str, Block], decisions: Mapping[str, Any]) -> dict[str, str | None]:
    """The decision or scope of each block by its name.

    A classifier or transition without one has that of the features it reads.
    """
    scopes = {name[:end] for name in decisions for end in _ends(name)}
    layers = _layers(decisions) if any(name.startswith("layer") for name in blocks) else []
    found: dict[str, str | None] = {}
    for name, block in blocks.items():
        own = _counted(name, layers)
        prefixes = (own[:end] for end in reversed(list(_ends(own))))
        origin = next((prefix for prefix in prefixes if prefix in scopes), None)
        if origin is None and (block.answers or block.kind == "transition"):
            origin = next((found[each] for each in block.inputs if each in found), None)
        if origin is None and block.kind in scopes:
            origin = block.kind
        found[name] = origin
    return found


def _ends(name: str) -> Iterator[int]:
    """Where the dotted prefixes of a name end, the name itself last."""
    return accumulate((len(part) + (at > 0) for at, part in enumerate(name.split("."))))


def _layers(decisions: Mapping[str, Any]) -> list[str]:
    """The layers of a network whose names count on through its blocks: "block2.layer1" ..."""
    depths = {
        int(match[1]): value
        for name, value in decisions.items()
        if (match := _LAYERS_OF_BLOCK.fullmatch(name)) and isinstance(value, int)
    }
    return [f"block{b}.layer{n}" for b in sorted(depths) for n in range(1, depths[b] + 1)]


def _counted(name: str, layers: list[str]) -> str:
    """The name in its block, of a layer (or what follows it) that is counted through blocks."""
    match = _LAYER.fullmatch(name)
    if not layers or match is None or not 1 <= int(match[1]) <= len(layers):
        return name
    return name if name.startswith("exit") else layers[int(match[1]) - 1] + match[2]
