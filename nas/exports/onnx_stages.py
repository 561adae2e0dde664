"""The stages of a network as ONNX files.

The exporter is the tracing one (``dynamo=False``): both are exact and keep the batch axis free, but
it takes 0.2 to 1.1 s for a small network of any of our search spaces, and the other 20 to 40 times
as long. A stage has neither loops nor branches that tracing would lose.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from nas.onnx_runner.policy import StageFile
from search_spaces.blocks import IMAGE
from search_spaces.network import StagedBlocks, run_nodes

if TYPE_CHECKING:
    from search_spaces.network import StagedNetwork

OPSET = 17


class _Part(nn.Module):
    """A stage without the tensors that it only hands on: whoever runs it has them already."""

    def __init__(self, stage: StagedBlocks) -> None:
        super().__init__()
        self.stage, graph = stage, stage.stage
        read = {graph.exit, *(name for node in graph.nodes for name in node.inputs)}
        self.inputs = tuple(name for name in graph.inputs if name in read)
        handed_on = {*graph.inputs, graph.exit}
        self.outputs = tuple(name for name in graph.outputs if name not in handed_on)

    def forward(self, *given: Tensor) -> tuple[Tensor, ...]:
        values = dict(zip(self.inputs, given, strict=True))
        run_nodes(self.stage.stage.nodes, self.stage.blocks, values)
        return tuple(values[name] for name in (self.stage.stage.exit, *self.outputs))


def write(network: "StagedNetwork", image: tuple[int, int, int], to: Path) -> Iterator[StageFile]:
    """Write stage1.onnx, stage2.onnx... into a folder, and say after each what it is.

    The first axis of every tensor is the batch, of any size. The network is in evaluation mode.
    """
    known = {IMAGE: torch.zeros(2, *image)}
    for index, stage in enumerate(network.stages, 1):
        assert isinstance(stage, StagedBlocks) and not stage.training
        part = _Part(stage).eval()
        found = StageFile(f"stage{index}.onnx", part.inputs, stage.stage.exit, part.outputs)
        given = tuple(known[name] for name in part.inputs)
        with torch.no_grad():
            _export(part, given, found, to / found.file)
            known |= zip((found.logits, *found.outputs), part(*given), strict=True)
        yield found


def _export(part: nn.Module, state: tuple[Tensor, ...], found: StageFile, path: Path) -> None:
    outputs = [found.logits, *found.outputs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the exporter itself
        # That numbers of channels, which blocks compare, are written down as they are.
        warnings.filterwarnings("ignore", "Converting a tensor to a Python")
        torch.onnx.export(
            part,
            state,
            path,
            input_names=list(found.inputs),
            output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in (*found.inputs, *outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
