"""The stages of a network as ONNX files.

The exporter is the tracing one (``dynamo=False``): both are exact and keep the batch axis free, but
it takes 0.2 to 1.1 s for a network of any of our search spaces, the other 6 to 11 s and more for
the large ones. A stage has neither loops nor branches that tracing would lose.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nas.onnx_runner.policy import StageFile
from search_spaces.network import StagedBlocks

if TYPE_CHECKING:
    from search_spaces.network import StagedNetwork

OPSET = 17


class _New(nn.Module):
    """A stage without the tensors that it only hands on: whoever runs it has them already."""

    def __init__(self, stage: StagedBlocks) -> None:
        super().__init__()
        self.stage, graph = stage, stage.stage
        given = {*graph.inputs, graph.exit}
        self.places = [i for i, name in enumerate(graph.outputs, 1) if name not in given]
        self.names = [graph.outputs[i - 1] for i in self.places]

    def forward(self, *state: Tensor) -> tuple[Tensor, ...]:
        outputs = self.stage(*state)
        return (outputs[0], *(outputs[i] for i in self.places))


def write(network: "StagedNetwork", image: tuple[int, int, int], to: Path) -> Iterator[StageFile]:
    """Write stage1.onnx, stage2.onnx... into a folder, and say after each what it is.

    The first axis of every tensor is the batch, of any size. The network is in evaluation mode.
    """
    state: tuple[Tensor, ...] = (torch.zeros(2, *image),)
    for index, stage in enumerate(network.stages):
        assert isinstance(stage, StagedBlocks) and not stage.training
        part = _New(stage)
        found = StageFile(
            file=f"stage{index + 1}.onnx",
            inputs=network.state_names(index),
            logits=stage.stage.exit,
            outputs=tuple(part.names),
        )
        _export(part, state, found, to / found.file)
        with torch.no_grad():
            state = stage(*state)[1:]
        yield found


def _export(part: nn.Module, state: tuple[Tensor, ...], found: StageFile, path: Path) -> None:
    outputs = [found.logits, *found.outputs]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the exporter itself
        torch.onnx.export(
            part.eval(),
            state,
            path,
            input_names=list(found.inputs),
            output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in (*found.inputs, *outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
