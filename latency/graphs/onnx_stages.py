"""The stages of a network as ONNX models, from the built modules."""

from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor

from latency.graphs import onnx_graph, recording
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
        outputs = list(dict.fromkeys((stage.stage.exit, *stage.stage.outputs)))
        recorded, answers = recording.record(stage, inputs)
        state = dict(zip((stage.stage.exit, *stage.stage.outputs), answers, strict=True))
        model = onnx_graph.model(recorded, (stage.stage.exit, *stage.stage.outputs))
        yield model.SerializeToString(), (list(inputs), outputs)
