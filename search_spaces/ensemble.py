"""Ensembles as anytime networks, the baseline of MSDNet (Huang et al., ICLR 2018, section 5).

Networks of growing depth run in ascending order; the answer at any time is the average of the
predictions of those that have finished. Every member is a whole network of another family that
reads the image, and learns as if it were alone. Images are taken as that family takes them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from search_spaces.architecture import Architecture, Condition, Decision, Domain, Option
from search_spaces.blocks import IMAGE, BlockGraph, BlockSpec, Image, Node, Norm
from search_spaces.densenet import DENSENET, densenet
from search_spaces.errors import SpaceError
from search_spaces.resnet import IMAGENET_DEPTHS, RESNET, STEMS, resnet
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from torch import nn

# The block ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MeanPrediction(BlockSpec):
    """The average prediction of the first ``members`` members, as log-probabilities."""

    members: int

    def module(self) -> "nn.Module":
        """Build the block: logits [batch, classes] of each member to [batch, classes]."""
        from search_spaces.layers import AverageProbabilities

        return AverageProbabilities()


# The members -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Family:
    """What members can be: ``network`` gives one of a depth, a stem and a width.

    By stem: ``depths``, from the cheapest network up, and the usual width (``widths``).
    """

    space: SearchSpace
    network: Callable[[int, str, int], Architecture]
    depths: Mapping[str, Sequence[int]]
    widths: Mapping[str, int]


def _resnet(depth: int, stem: str, width: int) -> Architecture:
    return resnet(depth, stem=stem, width=width)


DENSENET_DEPTHS: Mapping[int, tuple[int, ...]] = {
    36: (4, 4, 4, 4),
    53: (4, 6, 8, 6),
    73: (4, 6, 14, 10),
    97: (6, 8, 18, 14),
    121: (6, 12, 24, 16),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    264: (6, 12, 64, 48),
}
"""Layers per block on ImageNet. The MSDNet paper's ensemble goes from 36 to 121; the depths between
are ours, those beyond are DenseNet's (CVPR 2017, table 1). Their 36 is 37 by DenseNet's count:
bottlenecks make no even depth here. On CIFAR depths are 6n+4."""


def _densenet(depth: int, stem: str, width: int) -> Architecture:
    layers = DENSENET_DEPTHS[depth] if stem == "imagenet" else [(depth - 4) // 6] * 3
    return densenet(layers, growth=width, first=2 * width, stem=stem)


FAMILIES = {
    "resnet": Family(
        RESNET,
        _resnet,
        {"cifar": range(8, 1203, 6), "imagenet": tuple(IMAGENET_DEPTHS)},
        {"cifar": 16, "imagenet": 64},
    ),
    "densenet": Family(
        DENSENET,
        _densenet,
        {"cifar": range(10, 1205, 6), "imagenet": tuple(DENSENET_DEPTHS)},
        {"cifar": 12, "imagenet": 32},
    ),
}

# The network -------------------------------------------------------------------------------------


def layout(chosen: Mapping[str, Any], image: Image, classes: int) -> BlockGraph:
    """Return the members one after another, each followed by an exit that averages up to it.

    Trained are the members' own logits, so that no member's gradient depends on another.
    """
    family = FAMILIES[chosen["family"]]
    nodes: list[Node] = []
    answers: list[str] = []
    for number, depth in enumerate(member_depths(chosen), start=1):
        member = _member(chosen["family"], depth, chosen["stem"], chosen["width"])
        graph = family.space.blocks(member, image, classes)
        assert len(graph.exits) == 1 and graph.norm == Norm() and not graph.auxiliary
        nodes += [_renamed(node, f"member{number}.") for node in graph.nodes]
        answers.append(f"member{number}.{graph.exits[0]}")
        nodes.append(Node(f"exit{number}", MeanPrediction(number), tuple(answers)))
    return BlockGraph(
        image,
        classes,
        tuple(nodes),
        tuple(f"exit{number + 1}" for number in range(len(answers))),
        losses=tuple((answer, 1.0) for answer in answers),
    )


def member_depths(chosen: Mapping[str, Any]) -> list[int]:
    """Return the members' depths, first to last. Raises SpaceError beyond the deepest network."""
    depths = FAMILIES[chosen["family"]].depths[chosen["stem"]]
    steps = [chosen[f"member{number}.step"] for number in range(1, chosen["members"] + 1)]
    rungs = list(accumulate(steps))
    if rungs[-1] > len(depths):
        raise SpaceError(
            f"ensemble: the members' steps cannot sum to {rungs[-1]}: a {chosen['family']} with "
            f"the {chosen['stem']} stem has {len(depths)} depths, {depths[0]} to {depths[-1]}"
        )
    return [depths[rung - 1] for rung in rungs]


@cache
def _member(family: str, depth: int, stem: str, width: int) -> Architecture:
    return FAMILIES[family].network(depth, stem, width)


def _renamed(node: Node, scope: str) -> Node:
    inputs = tuple(name if name == IMAGE else scope + name for name in node.inputs)
    return Node(scope + node.name, node.spec, inputs)


# The decisions -----------------------------------------------------------------------------------

_SEARCHED, _MOST = 4, 16  # members


def _decisions(most: int) -> tuple[Decision, ...]:
    """Return the decisions of ensembles of at most ``most`` members.

    A member's depth is given as steps beyond the member before, so that depths always grow.
    """
    about = "how many depths of the family it is deeper than the member before (the first: than 0)"
    steps = Domain("int", 1, 1000)
    return (
        Decision("family", tuple(FAMILIES), "what the members are"),
        Decision("stem", STEMS, "of the members: 3x3 convolution, or 7x7/2 and max-pool"),
        Decision(
            "width",
            (16, 8, 12),
            "members' channels in stage 1 (ResNet) or growth rate (DenseNet)",
            domain=Domain("int", 1, 100_000),
            width=True,
        ),
        Decision("members", (3, 2, 4), "networks, shallowest first", None, Domain("int", 1, _MOST)),
        *(
            Decision(
                f"member{number}.step",
                (1, 2),
                about,
                Condition("members", tuple(range(number, most + 1))) if number > 1 else None,
                steps,
            )
            for number in range(1, most + 1)
        ),
    )


# The space ---------------------------------------------------------------------------------------


class Ensemble(SearchSpace):
    """Ensembles of networks of one family and growing depth."""

    name = "ensemble"
    version = 1
    reference: ClassVar[str] = "Huang et al., ICLR 2018"
    decisions = _decisions(_SEARCHED)

    @cached_property
    def published(self) -> Mapping[str, Architecture]:
        """The baselines on ImageNet, and one of the CIFAR depths of the ResNet paper.

        Of the five depths on ImageNet the MSDNet paper gives the first and the last.
        """
        return {
            "ensemble-resnet-imagenet": ensemble("resnet", (10, 18, 26, 34, 50)),
            "ensemble-densenet-imagenet": ensemble("densenet", (36, 53, 73, 97, 121)),
            "ensemble-resnet-cifar": ensemble("resnet", (20, 32, 44, 56, 110)),
        }

    def decisions_for(self, choices: Mapping[str, Option]) -> tuple[Decision, ...]:
        """Return the searched decisions, and more where ``choices`` say more members."""
        members = choices.get("members")
        if type(members) is int and _SEARCHED < members <= _MOST:
            return _decisions(members)
        return self.decisions

    def blocks(self, architecture: Architecture, image: Image, classes: int) -> BlockGraph:
        """Return the blocks; images of any size and number of channels are taken."""
        return layout(architecture.decisions(), image, classes)


ENSEMBLE = Ensemble()


# The published networks ---------------------------------------------------------------------------


def ensemble(
    family: str = "resnet",
    depths: Sequence[int] = (10, 18, 26, 34, 50),
    *,
    stem: str | None = None,
    width: int | None = None,
) -> Architecture:
    """Return the ensemble of the networks of these ``depths``, which must grow.

    ``stem`` is "imagenet" where all are depths of ImageNet networks, else "cifar", unless said
    otherwise. ``width`` is the members' (ResNet: channels of stage 1, DenseNet: growth rate; the
    usual one where None). Raises SpaceError for what no ensemble has.
    """
    if family not in tuple(FAMILIES):
        raise SpaceError(f"family cannot be {family!r}: choose from {', '.join(FAMILIES)}")
    if not isinstance(depths, Sequence) or not 1 <= len(depths) <= _MOST:
        raise SpaceError(f"depths cannot be {depths!r}: 1 to {_MOST} whole numbers that grow")
    known = FAMILIES[family].depths
    if stem is None:
        stem = "imagenet" if all(depth in known["imagenet"] for depth in depths) else "cifar"
    if stem not in STEMS:
        raise SpaceError(f"stem cannot be {stem!r}: choose from {', '.join(STEMS)}")
    choices: dict[str, Option] = {
        "family": family,
        "stem": stem,
        "width": FAMILIES[family].widths[stem] if width is None else width,
        "members": len(depths),
    }
    for number, step in enumerate(_steps(depths, known[stem]), start=1):
        choices[f"member{number}.step"] = step
    return ENSEMBLE.point(choices)


def _steps(depths: Sequence[int], known: Sequence[int]) -> list[int]:
    for depth in depths:
        if type(depth) is not int or depth not in known:
            some = ", ".join(map(str, known[:9]))
            more = ", ..." if len(known) > 9 else ""
            raise SpaceError(f"depth cannot be {depth!r}: with this stem choose from {some}{more}")
    rungs = [0, *(known.index(depth) + 1 for depth in depths)]
    if any(rung >= deeper for rung, deeper in pairwise(rungs)):
        raise SpaceError(f"depths cannot be {tuple(depths)}: each must be deeper than the last")
    return [deeper - rung for rung, deeper in pairwise(rungs)]
