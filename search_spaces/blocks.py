"""Frozen descriptions of blocks, and the graph in which an architecture places them; no torch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from torch import nn

Image = tuple[int, int, int]
"""Shape of an image: channels, height, width in pixels."""

IMAGE = "x"
"""The name under which nodes read the image."""

_P = ParamSpec("_P")
_Made = TypeVar("_Made")


def interned(make: Callable[_P, _Made]) -> Callable[_P, _Made]:
    """Let a function of plain values, which describes blocks, give one object for equal ones.

    Laying out one network after another then makes no block twice, and looking blocks up in tables
    compares no fields. 1, 1.0 and True stay apart: their texts differ.
    """
    return cast(Callable[_P, _Made], lru_cache(maxsize=200_000, typed=True)(make))


class BlockSpec(ABC):
    """Description of one block: its kind and its numbers. Subclasses are frozen dataclasses."""

    __slots__ = ()

    @abstractmethod
    def module(self) -> "nn.Module":
        """Build the block. It takes one tensor [batch, channels, height, width] per input."""

    def chain(self) -> "tuple[BlockSpec, ...]":
        """Return the parts that run one after another, where the block is no more than that.

        What is known of a part need not be found out again for every block that has it.
        """
        return ()

    def assembled(self, build: "Callable[[BlockSpec], nn.Module]") -> "nn.Module":
        """Build the block of parts that `build` makes: a block that joins what its parts give."""
        return self.module()


@lru_cache(maxsize=200_000)
def signature(spec: BlockSpec) -> str:
    """Return kind and numbers of a block as text; equal texts describe the same block.

    Trailing fields that stand at their defaults are left out: a field that is added later, with a
    default, changes no key.
    """
    given = [getattr(spec, each.name) for each in fields(spec)]  # type: ignore[arg-type]
    for each in reversed(fields(spec)):  # type: ignore[arg-type]
        if each.default is MISSING or given[-1] != each.default:
            break
        given.pop()
    return f"{type(spec).__name__}({','.join(map(_text, given))})"


def _text(value: Any) -> str:
    if isinstance(value, BlockSpec):
        return signature(value)
    if isinstance(value, tuple):
        return f"[{','.join(map(_text, value))}]"
    return repr(value)


class Node(NamedTuple):
    """A block in its place: ``inputs`` name the nodes (or the image) that it reads."""

    name: str
    spec: BlockSpec
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """The work between two exits: reads ``inputs`` from the state, leaves ``outputs`` in it."""

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    exit: str


@dataclass(frozen=True, slots=True)
class Norm:
    """Constants of every BatchNorm of a network: share of the new batch, and the added epsilon."""

    momentum: float = 0.1
    eps: float = 1e-5


@dataclass(frozen=True, slots=True)
class BlockGraph:
    """The blocks of an architecture for one image shape, in the order of a layer-by-layer run.

    ``exits`` name the nodes whose outputs are logits [batch, classes], first exit first.
    Nodes that no exit reads may stand in the graph (the published networks have some); they count
    as layer-by-layer cost and are never built.

    ``auxiliary`` nodes exist in training alone (Inception-v3's side head): they read what other
    nodes give, no exit reads them, and they cost nothing at inference. ``losses`` names the logits
    that are trained and the weight of each; where it is empty, every exit with weight 1.
    """

    image: Image
    classes: int
    nodes: tuple[Node, ...]
    exits: tuple[str, ...]
    auxiliary: tuple[Node, ...] = ()
    losses: tuple[tuple[str, float], ...] = ()
    norm: Norm = Norm()

    def stages(self) -> tuple[Stage, ...]:
        """Schedule the nodes lazily: stage k holds what exit k needs and no earlier exit needed.

        This is MSDNet's lazy evaluation (ICLR 2018, section 4), for any graph.
        """
        first, last = self._needs()
        nodes = self._by_stage(first)
        produced = [IMAGE, *(node.name for node in self.nodes if node.name in first)]
        first[IMAGE] = -1
        stages = []
        inputs: tuple[str, ...] = (IMAGE,)
        for index, exit_name in enumerate(self.exits):
            outputs = tuple(name for name in produced if first[name] <= index < last.get(name, -1))
            stages.append(Stage(nodes[index], inputs, outputs, exit_name))
            inputs = outputs
        return tuple(stages)

    def lazy_nodes(self) -> tuple[tuple[Node, ...], ...]:
        """Return the nodes of each stage: for sums over them, without what goes in and out."""
        return self._by_stage(self._needs()[0])

    def lazy_nodes_and_state(self) -> tuple[tuple[tuple[Node, ...], ...], list[int]]:
        """Return the nodes of each stage, and how many tensors it hands on to later ones."""
        first, last = self._needs()
        first[IMAGE] = 0
        handed_on = [0] * len(self.exits)
        for name, until in last.items():
            for index in range(first[name], until):
                handed_on[index] += 1
        return self._by_stage(first), handed_on

    def _by_stage(self, first: Mapping[str, int]) -> tuple[tuple[Node, ...], ...]:
        stages: list[list[Node]] = [[] for _ in self.exits]
        for node in self.nodes:
            index = first.get(node.name)
            if index is not None:
                stages[index].append(node)
        return tuple([tuple(nodes) for nodes in stages])

    def _needs(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return, per node that is read, the first and the last stage that needs it."""
        first = {name: index for index, name in enumerate(self.exits)}
        last: dict[str, int] = {}
        for node in reversed(self.nodes):
            stage = first.get(node.name)
            if stage is None:
                continue
            for name in node.inputs:
                if stage < first.get(name, stage + 1):
                    first[name] = stage
                if stage > last.get(name, -1):
                    last[name] = stage
        return first, last

    def digest(self) -> str:
        """Return a short hash of blocks and connections, the same in every process.

        Nodes count by position: what they are called makes no other network.
        """
        nodes = (*self.nodes, *self.auxiliary)
        place = {IMAGE: -1} | {node.name: index for index, node in enumerate(nodes)}
        rows = [(signature(node.spec), [place[name] for name in node.inputs]) for node in nodes]
        exits = [place[name] for name in self.exits]
        losses = [(place[name], weight) for name, weight in self.losses]
        whole = (rows, exits, len(self.auxiliary), losses, self.norm)
        return sha256(repr(whole).encode()).hexdigest()[:12]
