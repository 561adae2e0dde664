"""What every search space holds; a new one is tested by being listed in the plug-in table.

An installed package's own space is tested too: pytest tests/search_spaces/test_contract.py -k NAME
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice, pairwise, product
from typing import Any

import numpy as np
import pytest
import torch
from fvcore.nn import FlopCountAnalysis
from hypothesis import given, settings
from hypothesis import strategies as st

from nas import plugins
from search_spaces.architecture import Decision
from search_spaces.errors import SpaceError
from search_spaces.operators import costs, observe, operators
from search_spaces.space import SearchSpace

IMAGE, CLASSES = (3, 32, 32), 10
SPACES = [plugins.space(name) for name in plugins.names("search_spaces")]
over_spaces = pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
seeds = st.integers(0, 2**32 - 1)


def sampled(space: SearchSpace, count: int, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(count)]


def trains(space: SearchSpace, architecture: Any, image: tuple[int, int, int]) -> None:
    """Assert a forward and a backward pass with finite gradients in every parameter."""
    network = space.build(architecture, image, CLASSES, seed=1).train()
    x = torch.randn(2, *image, generator=torch.Generator().manual_seed(2))
    losses = network.training_losses(x, torch.tensor([1, 2]))
    sum(losses).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), f"{name} has a gradient that is not finite"


@over_spaces
def test_random_architectures_train(space: SearchSpace) -> None:
    for architecture in sampled(space, 2):
        trains(space, architecture, IMAGE)


@pytest.mark.slow
@over_spaces
def test_200_random_architectures_train(space: SearchSpace) -> None:
    for architecture in sampled(space, 200, seed=1):
        trains(space, architecture, IMAGE)


@pytest.mark.slow
@over_spaces
def test_20_random_architectures_train_at_224_pixels(space: SearchSpace) -> None:
    for architecture in sampled(space, 20, seed=2):
        trains(space, architecture, (3, 224, 224))


@over_spaces
def test_published_networks_are_points(space: SearchSpace) -> None:
    for architecture in space.published.values():
        again = space.from_json(json.loads(json.dumps(architecture.to_json())))
        assert (again, again.key) == (architecture, architecture.key)


@over_spaces
def test_json_round_trip(space: SearchSpace) -> None:
    for architecture in sampled(space, 50):
        again = space.from_json(json.loads(json.dumps(architecture.to_json())))
        assert (again, again.key) == (architecture, architecture.key)
        assert not architecture.widened


@over_spaces
def test_the_short_view_of_stages_is_that_of_the_stages(space: SearchSpace) -> None:
    for architecture in (*sampled(space, 20), *space.published.values()):
        graph = space.blocks(architecture, IMAGE, CLASSES)
        stages = graph.stages()
        nodes = tuple(stage.nodes for stage in stages)
        assert graph.lazy_nodes() == nodes
        assert graph.lazy_nodes_and_state() == (nodes, [len(stage.outputs) for stage in stages])


def facts(space: SearchSpace, architecture: Any) -> Any:
    """Return operators with shapes, how the blocks connect, parameters, and what training adds."""
    graph = space.blocks(architecture, IMAGE, CLASSES)
    place = {"x": -1} | {node.name: index for index, node in enumerate(graph.nodes)}
    wiring = [[place[name] for name in node.inputs] for node in graph.nodes]
    side_heads = [
        (repr(node.spec.module()), [place[n] for n in node.inputs]) for node in graph.auxiliary
    ]
    return operators(graph), wiring, costs(graph), side_heads


@over_spaces
@pytest.mark.parametrize("count", [2, pytest.param(150, marks=pytest.mark.slow)])
def test_equal_keys_are_equal_networks_and_the_other_way_round(
    space: SearchSpace, count: int
) -> None:
    """Two pairs each, one of them a decision apart. No miss is known among the listed spaces."""
    rng = np.random.default_rng(3)
    for architecture in sampled(space, count, seed=3):
        decision = space.decisions[rng.integers(len(space.decisions))]
        changed = space.parameters(architecture)
        changed[decision.name] = decision.options[rng.integers(len(decision.options))]
        for other in (space.architecture(changed), space.sample(rng)):
            same = facts(space, architecture) == facts(space, other)
            assert same == (architecture.key == other.key), (architecture, other)


@over_spaces
@settings(max_examples=25)
@given(seed=seeds)
def test_canonical_choices_build_the_same_network(space: SearchSpace, seed: int) -> None:
    architecture = space.sample(np.random.default_rng(seed))
    chosen = architecture.decisions()
    assert space.canonical(dict(chosen)) == chosen
    assert space.architecture(space.parameters(architecture)) == architecture


@over_spaces
@settings(max_examples=15)
@given(seed=seeds)
def test_moves_stay_in_the_space(space: SearchSpace, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = space.sample(rng), space.sample(rng)
    mutant, child = space.mutate(first, rng), space.crossover(first, second, rng)
    assert mutant.key != first.key
    for architecture in (mutant, child):
        assert space.architecture(architecture.decisions()) == architecture
    values = {d: {first.decisions().get(d), second.decisions().get(d)} for d in child}
    inherited = [child[d] in values[d] for d in child if values[d] != {None}]
    assert np.mean(inherited) > 0.9  # the rest: canonical settings of what has no effect


@over_spaces
def test_neighbours_differ_from_the_architecture_and_from_each_other(space: SearchSpace) -> None:
    architecture = sampled(space, 1, seed=5)[0]
    keys = [neighbour.key for neighbour in space.neighbours(architecture)]
    assert len(keys) > len(architecture.decisions())
    assert len({architecture.key, *keys}) == len(keys) + 1


@over_spaces
def test_a_search_can_start_from_published_networks(space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    other = space.sample(rng)
    for origin in [*space.published.values()][:: max(1, len(space.published) - 1)]:
        near = list(islice(space.neighbours(origin), 20))
        mutants = [space.mutate(origin, rng) for _ in range(10)]
        children = [space.crossover(origin, other, rng) for _ in range(10)]
        assert all(a.key != origin.key for a in [*near, *mutants])
        assert len({a.key for a in near}) == len(near)
        for architecture in [*near, *mutants, *children]:
            again = space.from_json(json.loads(json.dumps(architecture.to_json())))
            assert again == architecture
            assert {*architecture.widened} <= {*origin.widened}


@over_spaces
def test_encodings_tell_architectures_apart(space: SearchSpace) -> None:
    architectures = sampled(space, 100)
    codes = np.stack([space.encode(architecture) for architecture in architectures])
    assert len(np.unique(codes, axis=0)) == len({a.choices for a in architectures})
    for architecture, code in zip(architectures, codes, strict=True):
        assert code.sum() == len(architecture.decisions())


@over_spaces
def test_distributions_hold_every_decision(space: SearchSpace) -> None:
    found = space.distributions()
    assert [*found] == [decision.name for decision in space.decisions]
    assert all(found[d.name].choices == d.options for d in space.decisions)


def reduced(space: SearchSpace, budget: int) -> SearchSpace:
    """Return a copy of the space whose decisions keep few options: at most ``budget`` products."""
    copy = object.__new__(type(space))
    copy.__dict__.update(space.__dict__)
    kept: list[Decision] = []
    for decision in space.decisions:
        options = decision.options[:2] if budget > 1 else decision.options[:1]
        budget //= len(options)
        kept.append(replace(decision, options=options))
    copy.decisions = tuple(kept)
    return copy


@over_spaces
@pytest.mark.parametrize("order", [1, -1], ids=["first-decisions", "last-decisions"])
def test_size_is_the_number_of_settings(space: SearchSpace, order: int) -> None:
    small = reduced(space, 2**9)
    if order < 0:
        free = {d.name for d in small.decisions[-9:]}
        keep = [d if d.name in free else replace(d, options=d.options[:1]) for d in space.decisions]
        small.decisions = tuple(
            replace(d, options=d.options[:2]) if d.name in free else d for d in keep
        )
    names = [decision.name for decision in small.decisions]
    settings_ = set()
    for values in product(*(decision.options for decision in small.decisions)):
        choices = dict(zip(names, values, strict=True))
        settings_.add(frozenset((name, choices[name]) for name in small.active(choices)))
    assert small.size() == len(settings_)


@over_spaces
@pytest.mark.parametrize("count", [1, pytest.param(50, marks=pytest.mark.slow)])
def test_operators_of_blocks_equal_hooks_and_fvcore_on_the_network(
    space: SearchSpace, count: int
) -> None:
    def blocks(architecture: Any) -> int:
        return len(space.blocks(architecture, IMAGE, CLASSES).nodes)

    for architecture in sorted(sampled(space, max(count, 4), seed=7), key=blocks)[:count]:
        network = space.build(architecture, IMAGE, CLASSES).eval()
        staged = operators(network.graph)
        x: tuple[torch.Tensor, ...] = (torch.zeros(1, *IMAGE),)
        for stage, expected in zip(network.stages, staged, strict=True):
            found, _ = observe(stage, x)
            assert tuple(found) == expected
            with torch.no_grad():
                x = stage(*x)[1:]
        count = FlopCountAnalysis(network, torch.zeros(1, *IMAGE))
        count = count.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        by_operator = count.by_operator()
        cost = costs(network.graph)
        assert cost.lazy_macs[-1] == by_operator["conv"] + by_operator["linear"]
        assert cost.parameters == sum(p.numel() for p in network.parameters())
        assert all(a < b for a, b in pairwise(cost.lazy_macs))


@over_spaces
@pytest.mark.parametrize("image", [(1, 28, 28), (3, 33, 47), (3, 8, 8)])
@pytest.mark.parametrize("count", [1, pytest.param(10, marks=pytest.mark.slow)])
def test_images_of_other_shapes_are_taken(
    space: SearchSpace, image: tuple[int, int, int], count: int
) -> None:
    for architecture in sampled(space, count, seed=8):
        network = space.build(architecture, image, 7).eval()
        with torch.no_grad():
            answers = network(torch.randn(2, *image))
        assert len(answers) == len(network.graph.exits)
        assert all(answer.shape == (2, 7) and answer.isfinite().all() for answer in answers)


@over_spaces
def test_stages_run_one_by_one_give_what_the_network_gives(space: SearchSpace) -> None:
    network = space.build(sampled(space, 1, seed=9)[0], IMAGE, CLASSES).eval()
    x = torch.randn(2, *IMAGE)
    state: tuple[torch.Tensor, ...] = (x,)
    with torch.no_grad():
        whole = network(x)
        for index, stage in enumerate(network.stages):
            assert len(state) == len(network.state_names(index))
            answer, *rest = stage(*state)
            state = tuple(rest)
            torch.testing.assert_close(answer, whole[index])
    assert state == ()


@over_spaces
def test_weights_come_from_the_seed_alone(space: SearchSpace) -> None:
    architecture = sampled(space, 1)[0]
    before = torch.get_rng_state()
    first, again, other = (
        space.build(architecture, IMAGE, CLASSES, seed=seed).state_dict() for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def errors(space: SearchSpace) -> dict[str, Mapping[str, Any]]:
    whole = sampled(space, 1)[0].to_json()
    first = space.decisions[0].name
    texts = all(isinstance(option, str) for option in space.decisions[0].options)
    nonsense = "nonsense" if texts else "'nonsense'"  # quoted where numbers are wanted
    chosen = whole["decisions"]
    return {
        "no decision 'colour'": whole | {"decisions": chosen | {"colour": "red"}},
        f"{first} cannot be {nonsense}": whole | {"decisions": chosen | {first: "nonsense"}},
        f"{first} cannot be [1]": whole | {"decisions": chosen | {first: [1]}},
        f"'{first}' is missing": whole
        | {"decisions": {k: chosen[k] for k in chosen if k != first}},
        "no key 'shape'": whole | {"shape": 1},
        "of version 999": whole | {"version": 999},
        "of space 'other'": whole | {"space": "other"},
        "needs 'decisions'": whole | {"decisions": [1, 2]},
    }


@over_spaces
@pytest.mark.parametrize("case", range(8))
def test_what_is_no_architecture_is_refused_in_one_line(space: SearchSpace, case: int) -> None:
    message, data = list(errors(space).items())[case]
    with pytest.raises(SpaceError) as raised:
        space.from_json(data)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
