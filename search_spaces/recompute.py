"""Training in memory linear in depth: what the backward pass can compute again is not kept.

A dense layer joins all features before it, normalises and activates them; kept for the backward
pass, these copies grow with the square of the depth. Here the joined state of a dense layer is a
tuple of parts, each kept once, and every block runs under torch's checkpoint: joining, norms and
activations run again during the backward pass. Source: Memory-Efficient Implementation of DenseNets
(Pleiss et al., 2017, arXiv 1707.06990).

A block with a true ``grows`` appends to its first input: ``grow`` takes what ``forward`` takes and
gives the new features alone.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from search_spaces.blocks import Node

Parts = tuple[Tensor, ...]
"""A state as the tensors [batch, c_i, h, w] whose concatenation it is."""


def run_nodes(nodes: Sequence[Node], blocks: nn.ModuleList, values: dict[str, Any]) -> None:
    """Run blocks as ``network.run_nodes`` does; a dense layer leaves ``Parts`` in ``values``."""
    for node, block in zip(nodes, blocks, strict=True):
        given = [_parts(values[name]) for name in node.inputs]
        new = _recomputed(block, given)
        values[node.name] = (*given[0], *new) if _grows(block) else new[0]


def _recomputed(block: nn.Module, given: Sequence[Parts]) -> Parts:
    """Return what the block adds to the state, keeping nothing but its inputs for the backward."""

    def run(*flat: Tensor) -> Parts:
        rest = iter(flat)
        inputs = [_joined(tuple(next(rest) for _ in parts)) for parts in given]
        if _grows(block):
            new: Parts = block.grow(*inputs)  # type: ignore[operator]
            return new
        return (block(*inputs),)

    flat = [part for parts in given for part in parts]
    result: Parts = checkpoint(
        run, *flat, use_reentrant=False, context_fn=lambda: (nullcontext(), _second_run(block))
    )
    return result


def _grows(block: nn.Module) -> bool:
    return bool(getattr(block, "grows", False))


def _parts(value: Tensor | Parts) -> Parts:
    return value if isinstance(value, tuple) else (value,)


def _joined(parts: Parts) -> Tensor:
    return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]


def _second_run(block: nn.Module) -> AbstractContextManager[None]:
    """Return a context in which the block's BatchNorms leave their running statistics alone."""
    norms = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]

    @contextmanager
    def frozen() -> Iterator[None]:
        before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
        for norm in norms:
            norm.momentum, norm.num_batches_tracked = 0.0, None
        try:
            yield
        finally:
            for norm, (momentum, batches) in zip(norms, before, strict=True):
                norm.momentum, norm.num_batches_tracked = momentum, batches

    return frozen()
