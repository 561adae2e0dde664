"""Early exits at work: the same answers as without them, for exactly the work that is needed."""

from collections.abc import Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nas import networks
from nas.exits import NEVER
from nas.exits.confidence import confidence
from nas.inference.execution import Leaving, classify, classify_many, masked, selected
from nas.training.steps import channels_last
from search_spaces.densenet import densenet
from search_spaces.ensemble import ensemble
from search_spaces.msd import msdnet
from search_spaces.network import StagedNetwork
from search_spaces.operators import costs
from search_spaces.ranet import ranet
from search_spaces.resnet import resnet

IMAGE, CLASSES, POOL = (3, 16, 16), 5, 12
FAMILIES = {
    "msd": msdnet(nBlocks=3, base=1, nChannels=4, growthRate=2),
    "ranet": ranet(nChannels=4, growthRate=2, step=2),
    "resnet": resnet(14, width=4, exits="1"),
    "densenet": densenet((2, 2, 2), 4, 8, exits="1", stem="cifar"),
    "ensemble": ensemble("resnet", (8, 14, 20), width=4),
}
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
over_families = pytest.mark.parametrize("family", FAMILIES)


@cache
def network(family: str) -> StagedNetwork:
    built = networks.build(FAMILIES[family], IMAGE, CLASSES, seed=1).eval()
    generator = torch.Generator().manual_seed(2)
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
    return channels_last(built)


@cache
def images() -> Tensor:
    x = torch.randn(POOL, *IMAGE, generator=torch.Generator().manual_seed(3))
    return x.contiguous(memory_format=torch.channels_last)


@cache
def sureness(family: str, temperature: float) -> np.ndarray:
    """How sure each exit is of each image, [images, exits]."""
    with torch.inference_mode():
        logits = torch.stack(network(family)(images()), dim=1)
    return confidence(logits, temperature)[0].numpy()


def between(levels: np.ndarray, part: float) -> float:
    """A threshold well off every confidence: in the widest gap near a quantile."""
    levels = np.sort(levels)
    at = round(part * (len(levels) - 2))
    near = range(max(0, at - 1), min(len(levels) - 1, at + 2))
    gap = max(near, key=lambda i: levels[i + 1] - levels[i])
    return float(levels[gap] + levels[gap + 1]) / 2


@contextmanager
def rows_seen(staged: StagedNetwork):
    """Note how many images every block gets, in order: (stage, place in it, images)."""
    seen: list[tuple[int, int, int]] = []
    hooks = [
        block.register_forward_hook(
            lambda _, given, __, where=(k, place): seen.append((*where, len(given[0])))
        )
        for k, stage in enumerate(staged.stages)
        for place, block in enumerate(stage.blocks)
    ]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def same(one: Leaving, other: Leaving) -> None:
    assert torch.equal(one.exits, other.exits)
    assert torch.equal(one.answers, other.answers)
    torch.testing.assert_close(one.confidence, other.confidence, rtol=1e-4, atol=1e-6)


policies = st.lists(
    st.one_of(st.just(0.0), st.just(1.0), st.just(NEVER), st.floats(0, 1).map(lambda p: (p,))),
    min_size=12,
    max_size=12,
)


@over_families
@settings(max_examples=15, deadline=None)
@given(
    drawn=st.lists(st.integers(0, POOL - 1), min_size=1, max_size=17),
    parts=policies,
    temperature=st.sampled_from([1.0, 0.05]),
    batch=st.integers(1, 9),
)
def test_the_same_as_every_stage_on_every_image(
    family: str, drawn: list[int], parts: list[float | tuple[float]], temperature: float, batch: int
) -> None:
    staged, sure = network(family), sureness(family, temperature)
    exits = len(staged.stages)
    thresholds = [
        between(sure[:, k], part[0]) if isinstance(part, tuple) else part
        for k, part in enumerate(parts[:exits])
    ]
    x = images()[drawn]  # the same image may come twice: it leaves at the same exit
    x = x.contiguous(memory_format=torch.channels_last)
    temperatures = (temperature,) * exits
    expected = masked(staged, x, thresholds, temperatures)
    walked = [walk(sure[row], thresholds) for row in drawn]
    assert expected.exits.tolist() == walked
    with rows_seen(staged) as seen:
        same(classify(staged, x, thresholds, temperatures), expected)
    assert seen == [
        (k, place, stayed)
        for k, stage in enumerate(staged.stages)
        for place in range(len(stage.blocks))
        if (stayed := sum(exit_ >= k for exit_ in walked))
    ]
    with rows_seen(staged) as seen:
        many = classify_many(staged, x.split(batch), thresholds, temperatures)
    same(many, expected)
    for k, stage in enumerate(staged.stages):
        for place in range(len(stage.blocks)):
            ran = sum(rows for at, where, rows in seen if (at, where) == (k, place))
            assert ran == sum(exit_ >= k for exit_ in walked)


def walk(sure: Sequence[float], thresholds: Sequence[float]) -> int:
    """The exit of one image, by the definition."""
    return next(
        k
        for k, threshold in enumerate(thresholds)
        if sure[k] >= threshold or k == len(thresholds) - 1
    )


@over_families
@pytest.mark.parametrize("device", DEVICES)
def test_every_device(family: str, device: str) -> None:
    staged, x = network(family).to(device), images().to(device)
    try:
        thresholds = [between(sureness(family, 0.05)[:, k], 0.5) for k in range(len(staged.stages))]
        temperatures = (0.05,) * len(thresholds)
        expected = masked(staged, x, thresholds, temperatures)
        assert len(set(expected.exits.tolist())) > 1
        same(classify(staged, x, thresholds, temperatures), expected)
        assert classify(staged, x[:1], thresholds).answers.device == x.device
    finally:
        staged.to("cpu")


@over_families
def test_stopping_at_an_exit_costs_its_lazy_macs(family: str) -> None:
    staged = network(family)
    expected = costs(staged.graph).lazy_macs
    for k in range(len(staged.stages)):
        thresholds = [NEVER] * k + [0.0] * (len(staged.stages) - k)
        with macs(staged) as spent, rows_seen(staged) as seen:
            classify(staged, images()[:1], thresholds)
        assert sum(spent) == expected[k]
        assert {stage for stage, _, _ in seen} == set(range(k + 1))
        assert len(seen) == sum(len(stage.blocks) for stage in staged.stages[: k + 1])


@contextmanager
def macs(staged: StagedNetwork):
    """Note the multiply-accumulates of every convolution and linear layer that runs."""
    spent: list[int] = []

    def note(module: nn.Module, _: object, given: Tensor) -> None:
        assert isinstance(module, nn.Conv2d | nn.Linear)
        spent.append(given.numel() * module.weight[0].numel())

    layers = [m for m in staged.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    try:
        yield spent
    finally:
        for hook in hooks:
            hook.remove()


def test_a_stream_lets_survivors_wait_for_a_whole_batch() -> None:
    staged = network("msd")
    x = images().repeat(4, 1, 1, 1)  # 48
    thresholds = [between(sureness("msd", 1.0)[:, k], 0.5) for k in range(len(staged.stages))]
    with rows_seen(staged) as seen:
        classify_many(staged, x.split(4), thresholds)
    sizes = [[n for stage, place, n in seen if (stage, place) == (k, 0)] for k in range(3)]
    assert sizes[0] == [4] * 12
    for later in sizes[1:]:
        assert all(4 <= n < 8 for n in later[:-1])


def test_no_images_no_answers() -> None:
    for found in (
        classify(network("msd"), images()[:0], [0.5, 0.5, 0.0]),
        classify_many(network("msd"), [], [0.5, 0.5, 0.0]),
    ):
        assert found.answers.tolist() == found.confidence.tolist() == found.exits.tolist() == []


def test_who_is_exactly_as_sure_as_the_threshold_leaves() -> None:
    staged, x = network("msd"), images()
    with torch.inference_mode():
        first = confidence(staged.stages[0](x)[0])[0]
    at = float(first.sort().values[POOL // 2])
    leaving = classify(staged, x, [at, NEVER, 0.0])
    assert torch.equal(leaving.exits == 0, first >= at)


def test_confidence_that_is_no_number_goes_to_the_last_exit() -> None:
    x = images().clone()
    x[3] = float("nan")
    thresholds = [0.0] * (len(network("msd").stages) - 1) + [0.0]
    for found in (classify(network("msd"), x, thresholds), masked(network("msd"), x, thresholds)):
        assert found.exits.tolist() == [2 if row == 3 else 0 for row in range(POOL)]
    assert classify(network("msd"), x[3:4], thresholds).exits.tolist() == [2]


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_selected_rows_keep_their_layout(layout: torch.memory_format) -> None:
    x = torch.arange(5 * 3 * 4 * 2.0).view(5, 3, 4, 2).contiguous(memory_format=layout)
    rows = torch.tensor([0, 3, 4])
    assert torch.equal(selected(x, rows), x[rows])
    assert selected(x, rows).is_contiguous(memory_format=layout)
    strided = x[:, :, ::2]
    assert torch.equal(selected(strided, rows), strided[rows])
    assert torch.equal(selected(x.flatten(1), rows), x.flatten(1)[rows])


@pytest.mark.parametrize("run", [classify, masked, lambda n, x, *a: classify_many(n, [x], *a)])
def test_numbers_that_do_not_fit_the_exits(run) -> None:
    with pytest.raises(ValueError, match="2 thresholds for 3 exits"):
        run(network("msd"), images(), [0.5, 0.0])
    with pytest.raises(ValueError, match="1 temperatures for 3 exits"):
        run(network("msd"), images(), [0.5, 0.5, 0.0], [1.0])
