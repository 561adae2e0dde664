"""A predictor as nn-Meter's: a network's time as the sum of its kernels, each foretold by a forest.

A kernel is what a runtime computes in one go: a convolution with its normalisation and activation,
a linear layer, or one of the operators that only move values (pool, concat, add, shuffle). Gates of
squeeze-and-excitation, paddings and activations by themselves are left out; the affine fit to
measured networks makes up for them. Of each kind, half of the distinct kernels are measured.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.latency.operators import GROUPS, Convolution, Moving
from latency.blocks import BlockKey, walk
from latency.model.work import convolution
from search_spaces.blocks import BlockGraph
from search_spaces.exits import Head
from search_spaces.operators import Operator, trace_block
from search_spaces.residual import Pool

TREES = 100
Kernel = tuple[str, BlockKey]
"""A kind, and a block that does the same work."""


def kernels(graph: BlockGraph) -> list[Kernel]:
    """Return the kernels of a network, as often as they run."""
    found = []
    for stage in walk(graph, lambda block: False):
        for _, key in stage:
            operators = trace_block(key.spec, key.shapes).operators
            for place, operator in enumerate(operators):
                kernel = _kernel(operator, [each.kind for each in operators[place + 1 : place + 3]])
                found += [kernel] if kernel else []
    return found


def halves(networks: Iterable[BlockGraph], seed: int) -> list[Kernel]:
    """Return half of the distinct kernels of networks, of each kind, at least one."""
    rng = np.random.default_rng(seed)
    kinds: dict[str, list[Kernel]] = {}
    for kernel in dict.fromkeys(each for graph in networks for each in kernels(graph)):
        kinds.setdefault(kernel[0], []).append(kernel)
    return [
        known[int(place)]
        for known in kinds.values()
        for place in rng.permutation(len(known))[: -(-len(known) // 2)]
    ]


@dataclass(frozen=True)
class Forests:
    """A forest for each kind of kernel, grown from measured ones."""

    forests: Mapping[str, Any]

    @classmethod
    def grown(cls, measured: Sequence[tuple[Kernel, float]], seed: int) -> "Forests":
        """Learn from kernels and their milliseconds."""
        from sklearn.ensemble import RandomForestRegressor

        kinds: dict[str, list[tuple[BlockKey, float]]] = {}
        for (kind, key), ms in measured:
            kinds.setdefault(kind, []).append((key, ms))
        return cls(
            {
                kind: RandomForestRegressor(TREES, random_state=seed).fit(
                    np.array([_features(key) for key, _ in rows]),
                    np.log([ms for _, ms in rows]),
                )
                for kind, rows in kinds.items()
            }
        )

    def sums(self, networks: Sequence[BlockGraph]) -> NDArray[np.float64]:
        """Return the summed milliseconds of each network's kernels."""
        lists = [kernels(graph) for graph in networks]
        distinct = list(dict.fromkeys(kernel for each in lists for kernel in each))
        ms: dict[Kernel, float] = {}
        for kind, forest in self.forests.items():
            own = [kernel for kernel in distinct if kernel[0] == kind]
            if own:
                said = np.exp(forest.predict(np.array([_features(key) for _, key in own])))
                ms |= dict(zip(own, map(float, said), strict=True))
        return np.array([sum(ms[kernel] for kernel in each) for each in lists])


def _features(key: BlockKey) -> list[float]:
    found = trace_block(key.spec, key.shapes)
    first = found.operators[0]
    return [
        first.in_channels,
        first.out_channels,
        first.groups,
        *first.kernel,
        *first.stride,
        *first.input_size,
        *first.output_size,
        found.macs,
        found.parameters,
        first.elements_in,
        first.elements_out,
    ]


def _kernel(operator: Operator, then: Sequence[str]) -> Kernel | None:
    shape = (operator.in_channels, *operator.input_size)
    if operator.kind in ("conv", "depthwise"):
        return str(convolution(operator)), BlockKey(_convolution(operator, then), (shape,))
    if operator.kind == "linear":
        head = Head(operator.in_channels, (), operator.out_channels, bias=operator.bias)
        return "linear", BlockKey(head, (shape,))
    if operator.kind == "pool":
        return "pool", BlockKey(_pool(operator), (shape,))
    if operator.kind == "shuffle" and operator.in_channels % GROUPS == 0:
        return "shuffle", BlockKey(Moving("shuffle"), (shape,))
    if operator.kind in ("concat", "add"):
        half = operator.in_channels // 2
        first = max(half, operator.out_channels) if operator.kind == "add" else half
        shapes = ((first, *shape[1:]), (operator.in_channels - first, *shape[1:]))
        kind: Any = operator.kind
        return kind, BlockKey(Moving(kind), shapes)
    return None


def _convolution(operator: Operator, then: Sequence[str]) -> Convolution:
    normed = then[:1] == ["norm"]
    return Convolution(
        operator.in_channels,
        operator.out_channels,
        operator.kernel,
        operator.stride,
        (_padding(operator, 0), _padding(operator, 1)),
        operator.groups,
        operator.bias,
        norm=normed,
        activated=normed and then[1:] == ["activation"],
    )


def _pool(operator: Operator) -> Pool:
    return Pool("average", operator.kernel[0], operator.stride[0], _padding(operator, 0))


def _padding(operator: Operator, axis: int) -> int:
    """The zeros on each side: none where the sizes say so, else half the kernel."""
    kernel, stride = operator.kernel[axis], operator.stride[axis]
    unpadded = (operator.input_size[axis] - kernel) // stride + 1
    return 0 if unpadded == operator.output_size[axis] else kernel // 2
