"""ONNX graphs written from the modules answer like torch, for every family."""

import numpy as np
import onnxruntime
import pytest
import torch

from latency.errors import LatencyError
from latency.graphs import onnx_graph, recording
from latency.runtimes.building import build
from latency.runtimes.runtime import Piece
from nas import plugins


@pytest.mark.parametrize("name", plugins.SPACES)
def test_every_stage_answers_like_torch(name):
    space = plugins.space(name)
    architecture = space.sample(np.random.default_rng(3))
    built = build(Piece.network(space.blocks(architecture, (3, 32, 32), 10)), seed=0)
    state = built.given
    for stage in built.stages:
        given = {each: state[each] for each in stage.stage.inputs}
        names = [stage.stage.exit, *stage.stage.outputs]
        recorded, answers = recording.record(stage, given)
        graph = onnx_graph.model(recorded, names).SerializeToString()
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        found = session.run(names, {each: tensor.numpy() for each, tensor in given.items()})
        for ours, expected in zip(found, answers, strict=True):
            np.testing.assert_allclose(ours, expected.numpy(), rtol=1e-3, atol=1e-4)
        state = dict(zip(names, answers, strict=True))


class Unknown(torch.nn.Module):
    """A stage with a module that no format knows."""

    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Softsign()

    def forward(self, x):
        return (self.inner(x),)


def test_a_module_without_an_operator_is_named():
    recorded, _ = recording.record(Unknown(), {"x": torch.zeros(1, 3)})
    with pytest.raises(LatencyError, match="Softsign"):
        onnx_graph.model(recorded)


class Between(torch.nn.Module):
    """A stage that adds where no module sees it."""

    def __init__(self):
        super().__init__()
        self.inner = torch.nn.ReLU()

    def forward(self, x):
        return (self.inner(x + 1),)


class After(Between):
    """The same behind its last module."""

    def forward(self, x):
        return (self.inner(x) + 1,)


@pytest.mark.parametrize("stage", [Between(), After()])
def test_what_no_module_computed_is_refused(stage):
    with pytest.raises(LatencyError, match=r"a tensor \[1, 3\] is not the output of a module"):
        recording.record(stage, {"x": torch.zeros(1, 3)})
