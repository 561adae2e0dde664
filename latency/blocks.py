"""The blocks of a network as a runtime meets them: on inputs of known shapes and layouts."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from search_spaces.blocks import IMAGE, BlockGraph, BlockSpec, signature

if TYPE_CHECKING:
    from search_spaces.operators import Trace

Shape = tuple[int, ...]

LAYOUTS = " layouts "
"""What stands in the text of a key before the layouts of its inputs, if any is not plain."""


class BlockKey(NamedTuple):
    """A block on inputs of given shapes: what a table of blocks has one row for.

    ``own``: which inputs come in the runtime's own layout; empty if none does.
    """

    spec: BlockSpec
    shapes: tuple[Shape, ...]
    own: tuple[bool, ...] = ()

    @property
    def plain(self) -> "BlockKey":
        """The same block on inputs that all come in the plain layout."""
        return BlockKey(self.spec, self.shapes)

    @property
    def text(self) -> str:
        """The same text for the same work in every process."""
        sizes = "+".join("x".join(map(str, shape)) for shape in self.shapes)
        found = "".join("o" if each else "p" for each in self.own)
        return f"{signature(self.spec)} on {sizes}" + (f"{LAYOUTS}{found}" if found else "")


Named = tuple[tuple[str, BlockKey], ...]
"""Blocks of a stage with the names of their nodes, in the order in which they run."""


def walk(graph: BlockGraph, answers_in_own: Callable[[BlockKey], bool]) -> tuple[Named, ...]:
    """Return of each stage of a network the blocks, named.

    answers_in_own: whether a block leaves its answer in the runtime's own layout, in which later
    blocks of the same stage find it. What a stage hands on to the next one is plain.
    """
    shapes: dict[str, Shape] = {IMAGE: graph.image}
    stages = []
    for nodes in graph.lazy_nodes():
        found = []
        own: set[str] = set()
        for node in nodes:
            inputs = tuple([shapes[name] for name in node.inputs])
            key = BlockKey(node.spec, inputs, layouts(node.inputs, own))
            shapes[node.name] = traced(key).output
            if answers_in_own(key):
                own.add(node.name)
            found.append((node.name, key))
        stages.append(tuple(found))
    return tuple(stages)


def layouts(inputs: Sequence[str], own: set[str]) -> tuple[bool, ...]:
    """Return which inputs are among those in the runtime's own layout; empty if none is."""
    found = tuple([name in own for name in inputs]) if own else ()
    return found if True in found else ()


def every(
    graphs: Iterable[BlockGraph], answers_in_own: Callable[[BlockKey], bool]
) -> list[BlockKey]:
    """Return the blocks of several networks, each once."""
    keys = (key for graph in graphs for stage in walk(graph, answers_in_own) for _, key in stage)
    return list(dict.fromkeys(keys))


def traced(key: BlockKey) -> "Trace":
    """Return the trace of a block."""
    from search_spaces.operators import trace_block  # torch with it

    return trace_block(key.spec, key.shapes)
