"""The calls of torch modules in one run of a stage: what the writers of graphs start from.

All that a block computes is done by modules without children (joins and reshapes are modules too,
see ``search_spaces.layers``), so hooks on these see the whole computation. Exporters that trace
torch itself take 0.2 s to minutes for a network; this takes one pass.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latency.errors import LatencyError

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """One module that ran: the names of what it read and of what it gave, with their shapes.

    Shapes have no batch: (channels, height, width) or (features,).
    """

    module: nn.Module
    inputs: tuple[str, ...]
    output: str
    input_shapes: tuple[Shape, ...]
    output_shape: Shape


@dataclass(frozen=True, slots=True)
class Recording:
    """The calls of a stage in order; ``inputs`` and ``outputs`` are names with their shapes.

    ``outputs`` come in the order in which the stage returned them, the logits first. An output may
    be an input that is handed on.
    """

    inputs: tuple[tuple[str, Shape], ...]
    outputs: tuple[tuple[str, Shape], ...]
    calls: tuple[Call, ...]


def record(stage: nn.Module, given: Mapping[str, Tensor]) -> tuple[Recording, tuple[Tensor, ...]]:
    """Run a stage on named tensors [batch, ...], without training; return calls and answers.

    Raises LatencyError where something is computed outside of modules without children.
    """
    book = _Book(given)
    leaves = [leaf for leaf in stage.modules() if not list(leaf.children())]
    with ExitStack() as stack, torch.no_grad():
        for leaf in leaves:
            stack.callback(leaf.register_forward_hook(book.note).remove)
        answers: tuple[Tensor, ...] = stage(*given.values())
    return book.closed(answers), answers


class _Book:
    """Names of tensors while a stage runs. It holds every tensor, so that no identity is reused."""

    def __init__(self, given: Mapping[str, Tensor]) -> None:
        self._tensors: list[Tensor] = list(given.values())
        self._names = {id(tensor): name for name, tensor in given.items()}
        self._inputs = tuple((name, _shape(tensor)) for name, tensor in given.items())
        self._calls: list[Call] = []

    def note(self, leaf: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        if any(output is tensor for tensor in given) and not _in_place(leaf):
            return  # handed on as it is
        inputs = tuple(self._name(tensor) for tensor in given)
        shapes = tuple(_shape(tensor) for tensor in given)
        name = f"t{len(self._calls)}"
        self._tensors.append(output)
        # A module that works in place gives the tensor that it got: from here on it has a new name.
        self._names[id(output)] = name
        self._calls.append(Call(leaf, inputs, name, shapes, _shape(output)))

    def closed(self, answers: tuple[Tensor, ...]) -> Recording:
        outputs = tuple((self._name(tensor), _shape(tensor)) for tensor in answers)
        return Recording(self._inputs, outputs, tuple(self._calls))

    def _name(self, tensor: Tensor) -> str:
        """Raises LatencyError for what was computed between modules, which nobody saw."""
        if id(tensor) not in self._names:
            raise LatencyError(
                f"a tensor {list(tensor.shape)} is not the output of a module without children: "
                "what a block computes must be done by such modules"
            )
        return self._names[id(tensor)]


def _in_place(leaf: nn.Module) -> bool:
    return bool(getattr(leaf, "inplace", False)) and not isinstance(leaf, nn.Dropout)


def _shape(tensor: Tensor) -> Shape:
    return tuple(tensor.shape[1:])
