"""The stages of a network as ONNX files, written straight from its modules."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from latency.errors import LatencyError
from nas.errors import UserError
from nas.onnx_runner.policy import StageFile
from search_spaces.blocks import IMAGE
from search_spaces.network import StagedBlocks, run_nodes

if TYPE_CHECKING:
    from search_spaces.network import StagedNetwork


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
    Raises UserError for a module that has no ONNX operator.
    """
    from latency.graphs import onnx_graph, recording

    known = {IMAGE: torch.zeros(1, *image)}
    for index, stage in enumerate(network.stages, 1):
        assert isinstance(stage, StagedBlocks) and not stage.training
        part = _Part(stage).eval()
        found = StageFile(f"stage{index}.onnx", part.inputs, stage.stage.exit, part.outputs)
        names = (found.logits, *found.outputs)
        try:
            recorded, answers = recording.record(part, {name: known[name] for name in part.inputs})
            model = onnx_graph.model(recorded, names)
        except LatencyError as error:
            raise UserError(f"the network cannot be written as ONNX: {error}") from error
        (to / found.file).write_bytes(model.SerializeToString())
        known |= zip(names, answers, strict=True)
        yield found
