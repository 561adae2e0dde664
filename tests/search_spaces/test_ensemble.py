"""Ensembles: what their exits say, what their members learn, and what they cost."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, softmax

from search_spaces.ensemble import ENSEMBLE, FAMILIES, ensemble, member_depths
from search_spaces.errors import SpaceError
from search_spaces.network import StagedNetwork
from search_spaces.operators import costs
from search_spaces.resnet import RESNET, resnet

CIFAR = (3, 32, 32)
SMALL = (8, 14, 20)


def whole_and_alone() -> tuple[StagedNetwork, list[StagedNetwork]]:
    """Return an ensemble, and its members as networks of their own with the same weights."""
    network = ENSEMBLE.build(ensemble("resnet", SMALL, width=4), CIFAR, 5, seed=1)
    alone = [RESNET.build(resnet(d, stem="cifar", width=4), CIFAR, 5, seed=2) for d in SMALL]
    with torch.no_grad():
        for stage, member in zip(network.stages, alone, strict=True):
            for tensor, copy in zip(
                stage.state_dict().values(), member.state_dict().values(), strict=True
            ):
                copy.copy_(tensor)
    return network, alone


def test_exit_k_is_the_mean_prediction_of_members_1_to_k() -> None:
    network, alone = whole_and_alone()
    x = torch.randn(4, *CIFAR, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        exits = network.eval()(x)
        predictions = [softmax(member.eval()(x)[0], dim=1) for member in alone]
    for count, answer in enumerate(exits, start=1):
        torch.testing.assert_close(answer.exp(), sum(predictions[:count]) / count)


def test_members_learn_as_if_alone() -> None:
    network, alone = whole_and_alone()
    x = torch.randn(4, *CIFAR, generator=torch.Generator().manual_seed(3))
    y = torch.tensor([0, 1, 2, 4])
    losses = network.train().training_losses(x, y)
    sum(losses).backward()
    for stage, loss, member in zip(network.stages, losses, alone, strict=True):
        own = cross_entropy(member.train()(x)[0], y)
        own.backward()
        torch.testing.assert_close(loss, own)
        for one, other in zip(stage.parameters(), member.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad)


def test_the_state_holds_the_image_and_the_answers_so_far() -> None:
    network, _ = whole_and_alone()
    assert network.state_names(0) == ("x",)
    assert network.state_names(2) == ("x", "member1.exit1", "member2.exit1")


@pytest.mark.parametrize("name", ENSEMBLE.published)
def test_an_ensemble_costs_what_its_members_cost(name: str) -> None:
    architecture = ENSEMBLE.published[name]
    chosen: dict[str, Any] = architecture.decisions()
    family = FAMILIES[chosen["family"]]
    found = costs(ENSEMBLE.blocks(architecture, CIFAR, 10))
    members = [
        costs(
            family.space.blocks(family.network(depth, chosen["stem"], chosen["width"]), CIFAR, 10)
        )
        for depth in member_depths(chosen)
    ]
    assert found.parameters == sum(member.parameters for member in members)
    assert found.macs == found.lazy_macs
    assert [*found.macs] == [*np.cumsum([member.macs[-1] for member in members])]


@pytest.mark.parametrize("family", FAMILIES)
def test_deeper_networks_of_a_family_cost_more(family: str) -> None:
    """At the published sizes: 32 pixels on CIFAR, 224 on ImageNet."""
    members = FAMILIES[family]
    for stem, image in (("cifar", CIFAR), ("imagenet", (3, 224, 224))):
        depths = members.depths[stem][:8]
        assert len(depths) == 8  # what 4 members of step 2 reach
        networks = [members.network(depth, stem, members.widths[stem]) for depth in depths]
        macs = [costs(members.space.blocks(n, image, 10)).macs[-1] for n in networks]
        assert all(shallow < deep for shallow, deep in pairwise(macs))


def test_random_ensembles_grow() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        depths = member_depths(ENSEMBLE.sample(rng).decisions())
        assert all(shallow < deep for shallow, deep in pairwise(depths))


def test_the_stem_follows_from_the_depths() -> None:
    assert ensemble()["stem"] == "imagenet"
    assert ensemble("resnet", (20, 26, 50))["stem"] == "cifar"
    assert ensemble("resnet", (26, 50), stem="cifar")["width"] == 16
    assert member_depths(ensemble("resnet", (26, 50), stem="cifar").decisions()) == [26, 50]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "vgg"}, "family cannot be 'vgg': choose from resnet"),
        ({"depths": ()}, r"depths cannot be \(\)"),
        ({"depths": 18}, "depths cannot be 18"),
        ({"depths": range(8, 110, 6)}, "depths cannot be .*: 1 to 16 whole numbers that grow"),
        ({"depths": (20, 20)}, "each must be deeper"),
        ({"depths": (50, 18)}, "each must be deeper"),
        ({"depths": (20, 21)}, "depth cannot be 21: .* choose from 8, 14, 20"),
        ({"depths": (20, True)}, "depth cannot be True"),
        ({"depths": (10, 20), "stem": "imagenet"}, "depth cannot be 20: .* choose from 10, 18"),
        ({"stem": "mnist"}, "stem cannot be 'mnist': choose from cifar, imagenet"),
        ({"width": 0}, "width cannot be 0"),
        ({"width": 20.0}, "width cannot be 20.0"),
    ],
)
def test_what_no_ensemble_has_is_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message) as raised:
        ensemble(**options)
    assert "\n" not in str(raised.value)


def test_steps_beyond_the_deepest_network_are_refused() -> None:
    choices = ensemble().decisions() | {"member5.step": 9}
    with pytest.raises(SpaceError, match=r"cannot sum to 13: .* 8 depths, 10 to 200"):
        ENSEMBLE.point(choices)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_depth_of_the_tables_is_a_network(name: str) -> None:
    family = FAMILIES[name]
    for stem, depths in family.depths.items():
        for depth in (depths[0], depths[-1]):
            assert family.network(depth, stem, 4).space == name
