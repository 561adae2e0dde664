"""Networks of the literature against the figures of their authors' code.

``published_networks.json`` holds facts obtained by running official and reference implementations:
trainable parameters, multiply-accumulates per exit (layer by layer and lazy) and official operation
counts. Every entry is a case here, and every figure of a kind in ``figures`` is compared.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from nas import plugins
from search_spaces.architecture import Architecture
from search_spaces.blocks import IMAGE, BlockGraph
from search_spaces.densenet import densenet
from search_spaces.inception import inception_v3
from search_spaces.mnasnet import mnasnet
from search_spaces.msd import msdnet
from search_spaces.operators import Trace, costs, trace_block
from search_spaces.ranet import ranet
from search_spaces.resnet import resnet, resnet_mc
from search_spaces.shufflenet import shufflenet

Facts = dict[str, Any]
PUBLISHED = json.loads(Path(__file__).with_name("published_networks.json").read_text())

# From an entry of the file to the architecture --------------------------------------------------


def of_msdnet(name: str, facts: Facts) -> Architecture:
    return msdnet(**{key: value for key, value in facts["config"].items() if key != "num_classes"})


def of_ranet(name: str, facts: Facts) -> Architecture:
    return ranet(**{key: value for key, value in facts["config"].items() if key != "num_classes"})


def of_imagenet_densenet(name: str, facts: Facts) -> Architecture:
    return densenet(facts["blocks"], facts["growth"], facts["init"], facts["bn_size"])


def of_cifar_densenet(name: str, facts: Facts) -> Architecture:
    bottleneck = 4 if facts["bottleneck"] else None
    shape = (facts["blocks"], facts["growth"], facts["init"], bottleneck, facts["compression"])
    return densenet(*shape, stem="cifar")


def of_densenet_star(name: str, facts: Facts) -> Architecture:
    stem = "imagenet" if name.startswith("imagenet") else "cifar"
    return densenet(facts["stages"], facts["growth"], 2 * facts["growth"][0], stem=stem)


def of_inception(name: str, facts: Facts) -> Architecture:
    return inception_v3(aux=name.startswith("torchvision"))


def of_shufflenet(name: str, facts: Facts) -> Architecture:
    groups, width = name.split("_")[:2]
    return shufflenet(int(groups[1:]), float(width.rstrip("x")))


def of_mnasnet(name: str, facts: Facts) -> Architecture:
    if name.startswith("official_tf_mnasnet-"):
        return mnasnet(name.removeprefix("official_tf_mnasnet-"))
    if name == "timm_mnasnet_small":
        return mnasnet("small", conventions="torch")
    if name.startswith("timm_"):
        kind = "a1" if "semnasnet" in name else "b1"
        return mnasnet(kind, int(name[-3:]) / 100, "torch")
    width = name.removeprefix("torchvision_mnasnet").replace("_", ".")
    return mnasnet("b1", float(width), "torchvision")


def of_baseline(name: str, facts: Facts, head: str = "pool") -> Architecture:
    if name.startswith("resnet_mc"):
        return resnet_mc(head)
    if name.startswith("resnet"):
        return resnet(int(name.split("_")[0].removeprefix("resnet")))
    thirds = (facts["layers_per_block"],) * 3
    bottleneck = 4 if facts["bottleneck"] else None
    exits = ("-".join(str(round(third * facts["layers_per_block"] / 16)) for third in (6, 12)),) * 3
    first = 2 * facts["k"]
    shape = (thirds, facts["k"], first, bottleneck, facts["compression"], "cifar")
    return densenet(*shape, exits, head)


def of_ensemble_member(name: str, facts: Facts) -> Architecture:
    if name.startswith("resnet"):
        return resnet(int(name.removeprefix("resnet").split("_")[0]))
    if "_L" in name:
        return densenet((4, 4, 4, 4))
    return plugins.space("densenet").published[f"densenet-{name.removeprefix('densenet')}"]


ARCHITECTURES: dict[str, Callable[[str, Facts], Architecture]] = {
    "msdnet": of_msdnet,
    "ranet": of_ranet,
    "densenet_imagenet": of_imagenet_densenet,
    "densenet_cifar": of_cifar_densenet,
    "densenet_star": of_densenet_star,
    "inception_v3": of_inception,
    "shufflenet_v1": of_shufflenet,
    "mnasnet": of_mnasnet,
    "multi_classifier_baselines": of_baseline,
    "imagenet_ensemble_members": of_ensemble_member,
}

# From an entry to what is compared --------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One network of the file: how it is made, and the figures that it must have."""

    name: str
    make: Callable[[], Architecture]
    image: tuple[int, int, int]
    classes: int
    figures: dict[str, Any]


def cases() -> Iterator[Case]:
    for family, entries in PUBLISHED.items():
        for name, facts in entries.items():
            image = tuple(facts.get("input", (3, 32, 32)))
            classes = facts.get("num_classes", 1000 if image[1] > 32 else None)
            classes = classes or (100 if "cifar100" in name else 10)
            if "cumulative_macs_with_gap_linear" in facts:
                heads = {head: with_heads(facts, head) for head in ("pool", "conv128")}
            else:
                heads = {"": figures(name, facts)}
            for head, expected in heads.items():
                make = ARCHITECTURES[family]
                options = (name, facts, head) if head else (name, facts)
                label = f"{family}/{name}" + (f"/{head}" if head else "")
                yield Case(label, lambda m=make, o=options: m(*o), image, classes, expected)


def figures(name: str, facts: Facts) -> dict[str, Any]:
    """The figures of an entry by the names used here; ``macs`` and operations per exit."""
    parameters = facts["params"]
    if isinstance(parameters, dict):
        parameters = parameters.get(
            "with_gradient_from_summed_exit_losses", parameters["trainable"]
        )
    found: dict[str, Any] = {"parameters": parameters}
    counter = facts.get("op_counter_convention") or facts.get("msdnet_op_counter")
    if counter and "ops" in counter:
        found[counted(name, facts)] = [counter["ops"]]
    for ours, theirs in (
        ("macs", "macs_cumulative_all_heads"),
        ("lazy_macs", "macs_lazy_cumulative_all_heads"),
        ("official_ops", "official_cumulative_ops"),
        ("head_macs", "head_macs"),
        ("one_head_macs", "macs_cumulative_this_head_only"),
        ("stage_channels", "stage_out_channels"),
        ("sums", "residual_adds"),
        ("sums", "residuals"),
    ):
        if theirs in facts:
            found[ours] = facts[theirs]
    if "macs" in facts:
        found["macs"] = [facts["macs"]]
    if "macs_without_fc" in facts:
        found["head_macs"] = [facts["macs"] - facts["macs_without_fc"]]
    return found


def counted(name: str, facts: Facts) -> str:
    """What the official counter saw of an implementation: it hooks modules, not functions.

    DenseNets call some operations as functions: torchvision's and gpleiss's (the default here) the
    last ReLU and pooling, Veit's every pooling. ResNets have modules for everything.
    """
    if "andreasveit" in facts.get("source", ""):
        return "official_ops_without_pooling"
    dense = "growth" in facts or name.startswith("densenet")
    return "official_ops_without_last_functions" if dense else "official_ops"


def with_heads(facts: Facts, head: str) -> dict[str, Any]:
    """The figures of a baseline whose early exits have one kind of head."""
    kind = {"pool": "gap_linear", "conv128": "msdnet_cifar_head"}[head]
    found = {"macs": facts[f"cumulative_macs_with_{kind}"], "trunk": facts["trunk_macs_at_exit"]}
    if f"total_params_with_{kind}" in facts:
        found["parameters"] = facts[f"total_params_with_{kind}"]
    return found


def ours(graph: BlockGraph) -> dict[str, Any]:
    """The same figures of a network of ours."""
    cost = costs(graph)
    traced = traces(graph)
    heads = [traced[name].macs for name in graph.exits]
    before = [0, *accumulate(heads[:-1])]
    sums = sum(op.kind == "add" for trace in traced.values() for op in trace.operators)
    return {
        "parameters": cost.parameters,
        "macs": list(cost.macs),
        "lazy_macs": list(cost.lazy_macs),
        "official_ops": list(cost.official_ops),
        "official_ops_without_pooling": [cost.official_ops[-1] - ops_of(traced.values(), "pool")],
        "official_ops_without_last_functions": [
            cost.official_ops[-1] - ops_of([traced[graph.exits[-1]]], "pool", "activation")
        ],
        "head_macs": heads,
        "one_head_macs": [all_ - early for all_, early in zip(cost.macs, before, strict=True)],
        "trunk": [m - h for m, h in zip(cost.macs, accumulate(heads), strict=True)],
        "stage_channels": list(dict.fromkeys(t.output[0] for t in list(traced.values())[:-1])),
        "sums": sums,
    }


def ops_of(traced: Iterable[Trace], *kinds: str) -> int:
    """The official operations of some kinds of operator."""
    return sum(op.official_ops for trace in traced for op in trace.operators if op.kind in kinds)


def traces(graph: BlockGraph) -> dict[str, Trace]:
    """Every node's block on the shapes that it reads."""
    found: dict[str, Trace] = {}
    for node in graph.nodes:
        shapes = [graph.image if n == IMAGE else found[n].output for n in node.inputs]
        found[node.name] = trace_block(node.spec, tuple(shapes))
    return found


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_published_figures_are_exact(case: Case) -> None:
    architecture = case.make()
    graph = plugins.space(architecture.space).blocks(architecture, case.image, case.classes)
    found = ours(graph)
    assert {name: found[name] for name in case.figures} == case.figures


def test_every_entry_is_a_case() -> None:
    names = {f"{family}/{name}" for family, entries in PUBLISHED.items() for name in entries}
    tested = {case.name.removesuffix("/pool").removesuffix("/conv128") for case in cases()}
    assert tested == names
    assert all(len(case.figures) > 1 for case in cases())
