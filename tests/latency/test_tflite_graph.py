"""TFLite graphs written from the modules answer like torch, for every family and odd cases."""

import numpy as np
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import nn

from latency.errors import LatencyError
from latency.graphs import recording, tflite_graph
from latency.runtimes.building import build
from latency.runtimes.runtime import Piece
from nas import plugins
from search_spaces import layers


def assert_answers_like(content, given, answers):
    graph = Interpreter(model_content=content, num_threads=1)
    graph.allocate_tensors()
    for detail, tensor in zip(graph.get_input_details(), given.values(), strict=True):
        graph.set_tensor(detail["index"], tflite_graph.to_layout(tensor))
    graph.invoke()
    for detail, answer in zip(graph.get_output_details(), answers, strict=True):
        ours, expected = graph.get_tensor(detail["index"]), tflite_graph.to_layout(answer)
        np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)
    return graph


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
        assert_answers_like(tflite_graph.model(recorded, names), given, answers)
        state = dict(zip(names, answers, strict=True))


class Stage(nn.Module):
    """A stage made of one module, or of several that run one after another."""

    def __init__(self, *modules):
        super().__init__()
        self.inner = nn.Sequential(*modules) if len(modules) > 1 else modules[0]

    def forward(self, *given):
        return (self.inner(*given),)


def image(channels=8, height=9, width=12, seed=0):
    return torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(seed))


def norm(channels):
    layer = nn.BatchNorm2d(channels)
    for values in (layer.weight, layer.bias, layer.running_mean):
        nn.init.normal_(values)
    nn.init.uniform_(layer.running_var, 0.5, 2)
    return layer


CHAINS = {
    "stride 2, odd and even sides": [nn.Conv2d(8, 6, 3, 2, 1)],
    "a kernel that is not square": [nn.Conv2d(8, 6, (1, 7), (1, 2), (0, 3)), norm(6), nn.ReLU()],
    "padding wider than SAME": [nn.Conv2d(8, 6, 3, 1, 2), nn.ReLU6()],
    "dilation": [nn.Conv2d(8, 6, 3, 1, 2, dilation=2), norm(6)],
    "groups": [nn.Conv2d(8, 12, 3, 2, 1, groups=4, bias=False), norm(12), nn.ReLU(inplace=True)],
    "depthwise": [nn.Conv2d(8, 8, 5, 2, 2, groups=8), norm(8), nn.ReLU6(inplace=True)],
    "depthwise, two for each": [nn.Conv2d(8, 16, 3, 1, 1, groups=8)],
    "norm before convolution": [norm(8), nn.ReLU(inplace=True), nn.Conv2d(8, 6, 3, padding=1)],
    "two norms": [nn.Conv2d(8, 6, 1), norm(6), norm(6)],
    "SAME with stride": [layers.SamePad((3, 3), (2, 2)), nn.Conv2d(8, 6, 3, 2), norm(6)],
    "SAME, kernel 5": [layers.SamePad((5, 5), (2, 2)), nn.Conv2d(8, 8, 5, 2, groups=8)],
    "SAME for nobody": [layers.SamePad((3, 3), (2, 2)), nn.ReLU()],
    "maximum after activation": [nn.ReLU(), nn.MaxPool2d(3, 2, 1)],
    "maximum, rounded up": [nn.MaxPool2d(2, 2, ceil_mode=True)],
    "average with padding": [nn.AvgPool2d(3, 1, 1)],
    "average without what is padded": [nn.AvgPool2d(3, 1, 1, count_include_pad=False)],
    "average with stride": [nn.AvgPool2d(2)],
    "shuffle": [layers.ChannelShuffle(4)],
    "every second pixel": [layers.Subsample(2)],
    "flatten an image": [nn.Flatten(), nn.Linear(8 * 9 * 12, 5, bias=False), nn.ReLU()],
    "squeeze": [layers.SqueezeExcite(8, 2)],
    "nothing but dropout": [nn.Dropout()],
}


@pytest.mark.parametrize("case", CHAINS)
def test_a_chain_answers_like_torch(case):
    torch.manual_seed(0)
    given = {"x": image()}
    recorded, answers = recording.record(Stage(*CHAINS[case]).eval(), given)
    assert_answers_like(tflite_graph.model(recorded, ["logits"]), given, answers)


JOINS = {
    "concatenation": (layers.Concat(), [image(3), image(5)]),
    "addition of fewer channels": (layers.AddGrown(), [image(8), image(5)]),
    "raised, corners on corners": (layers.Resize(), [image(4, 4, 5), image(2, 9, 12)]),
    "lowered": (layers.Resize(), [image(4, 9, 12), image(2, 4, 5)]),
    "maximum of negative numbers": (nn.MaxPool2d(3, 2, 1), [image() - 9]),
    "ensemble": (layers.AverageProbabilities(), [60 * image()[:, 0, 0], 60 * image()[:, 1, 1]]),
}


@pytest.mark.parametrize("case", JOINS)
def test_a_join_answers_like_torch(case):
    join, tensors = JOINS[case]
    given = {f"in{place}": tensor for place, tensor in enumerate(tensors)}
    recorded, answers = recording.record(Stage(join), given)
    assert_answers_like(tflite_graph.model(recorded), given, answers)


class Shared(nn.Module):
    """A convolution that is read twice, an input handed on, and an answer given twice."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(8, 8, 3, padding=1), norm(8)

    def forward(self, x, kept):
        raw = self.conv(x)
        return self.norm(raw), raw, kept, kept, raw


def test_what_others_read_is_not_folded_away_and_states_are_handed_on():
    torch.manual_seed(0)
    given = {"x": image(), "kept": image(seed=1)}
    recorded, answers = recording.record(Shared().eval(), given)
    names = ["logits", "raw", "kept", "also kept", "also raw"]
    graph = assert_answers_like(tflite_graph.model(recorded, names), given, answers)
    assert [*graph.get_signature_list()["serving_default"]["outputs"]] == sorted(names)


@pytest.mark.parametrize(
    ("module", "named"),
    [
        (nn.Softsign(), "Softsign"),
        (nn.AvgPool2d(3, 2, 1, count_include_pad=False), r"AvgPool2d\(kernel_size=3"),
    ],
)
def test_a_module_without_an_operator_is_named(module, named):
    recorded, _ = recording.record(Stage(module), {"x": image(height=8)})
    with pytest.raises(LatencyError, match=named):
        tflite_graph.model(recorded)
