"""The stages of a network as ONNX models, from the built modules."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx
from torch import Tensor

from latency.graphs import onnx_graph, recording
from latency.runtimes.building import build
from latency.runtimes.runtime import Piece
from search_spaces.network import StagedBlocks

Names = tuple[list[str], list[str]]
"""The names of what a model takes and of what it gives, the logits first."""


def stage_models(
    stages: Sequence[StagedBlocks], given: Mapping[str, Tensor]
) -> Iterator[tuple[bytes, Names]]:
    """Yield each stage, in evaluation mode, as a serialised model with its names.

    given: what the first stage reads, [batch, ...]. A model takes and gives the whole state, also
    what a stage only hands on. Raises LatencyError for a module without an ONNX operator.
    """
    state = dict(given)
    for stage in stages:
        inputs = {name: state[name] for name in stage.stage.inputs}
        outputs = (stage.stage.exit, *stage.stage.outputs)
        recorded, answers = recording.record(stage, inputs)
        state = dict(zip(outputs, answers, strict=True))
        model = onnx_graph.model(recorded, outputs)
        yield model.SerializeToString(), (list(inputs), list(state))


def write_stages(piece: Piece, seed: int, folder: Path) -> list[Path]:
    """Write the stages of a piece into a folder as ``stage1.onnx`` and so on; return the files.

    They take one image: some runtimes of phones read no graph without a fixed batch. ``seed``
    draws the weights. Raises LatencyError when an answer is not finite or a module has no operator.
    """
    built, paths = build(piece, seed), list[Path]()
    for number, (model, _) in enumerate(stage_models(built.stages, built.given), start=1):
        paths.append(folder / f"stage{number}.onnx")
        onnx.save(_for_one_image(model), paths[-1])
    return paths


def _for_one_image(model: bytes) -> onnx.ModelProto:
    graph = onnx.load_from_string(model)
    for value in (*graph.graph.input, *graph.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    return graph
