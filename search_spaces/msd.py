"""Multi-Scale Dense Networks for Resource Efficient Image Classification (Huang et al., ICLR 2018).

The flagship space: MSDNet's scales, growth and exits as decisions, MnasNet's choices (Tan et al.,
CVPR 2019) inside each block. The block and the network are in ``msd_network``; here are the
decisions, the space and the published networks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import ClassVar, Literal, cast

from search_spaces.architecture import Architecture, Condition, Decision, Domain, Option, whole
from search_spaces.blocks import BlockGraph, Image
from search_spaces.builder_options import Factors, factors, stem_and_head
from search_spaces.conv_op import CONV_OPS, SQUEEZED_FIRST
from search_spaces.errors import SpaceError
from search_spaces.msd_network import MultiScaleLayout, bottleneck_factors
from search_spaces.space import SearchSpace

_BLOCKS = 200  # no network may have more

# The decisions -----------------------------------------------------------------------------------


def global_decisions(max_scales: int) -> list[Decision]:
    """Return the decisions that hold for the whole network."""
    decisions = [
        Decision("stem", ("conv3", "conv7-pool"), "first convolution: 3x3, or 7x7/2 and max-pool"),
        Decision(
            "scales", (3, 2, 1, 4), "parallel resolutions, each half the last", None, whole(8)
        ),
        Decision("channels", (16, 8), "of the first layer's scale 1", None, whole(), width=True),
        Decision("growth_rate", (6, 4, 8), "channels a layer adds", None, whole(), width=True),
    ]
    for scale in range(1, max_scales + 1):
        reached = Condition("scales", tuple(range(scale, max_scales + 1))) if scale > 1 else None
        options = _GROWTH_FACTORS[min(scale, len(_GROWTH_FACTORS)) - 1]
        about = f"width of scale {scale} relative to the first"
        decisions.append(Decision(f"growth_factor.{scale}", options, about, reached, whole(64)))
    return [
        *decisions,
        Decision(
            "bottleneck_factors",
            ("growth", "1", "2", "4"),
            "bound of 1x1 bottlenecks per source scale, times what the layer gives out",
            domain=Domain("factors"),
        ),
        Decision("scheme", ("max", "min", "none", "stride"), "where scales are dropped"),
        Decision("compression", (0.5, 0.75, 1.0), "of transitions", None, Domain("float", 0, 1)),
        Decision(
            "head", ("conv128", "conv", "conv64", "conv32", "pool"), "classifier of the exits"
        ),
        Decision("blocks", (3, 2, 4, 5), "each ends where an exit may stand", None, whole(_BLOCKS)),
    ]


_GROWTH_FACTORS: tuple[tuple[int, ...], ...] = ((1,), (2, 1), (4, 2, 1), (4, 2, 1))


def layer_decisions(scope: str, condition: Condition | None) -> list[Decision]:
    """Return the choices that layers share within ``scope``."""
    return [
        Decision(scope + "op", CONV_OPS, "operation", condition),
        Decision(scope + "kernel", (3, 5), "kernel size", condition, Domain("int", 1, 31)),
        Decision(scope + "se", (0.0, 0.25), "squeeze-and-excitation ratio", condition),
        Decision(scope + "skip", ("dense", "identity", "pool", "none"), "old state", condition),
        Decision(scope + "width", (1.0, 0.5, 1.5), "times the growth rate", condition),
    ]


# The space ---------------------------------------------------------------------------------------


class MultiScale(SearchSpace):
    """MSDNet's family as a factorized hierarchical space.

    ``sharing`` says which layers share their choices: those of a "block" (the default), all of
    the "network", or none ("layer"): the ablation of the factorization.
    """

    version = 1
    reference: ClassVar[str] = "Huang et al., ICLR 2018; Tan et al., CVPR 2019"

    def __init__(self, sharing: Literal["block", "network", "layer"] = "block") -> None:
        self.sharing = sharing
        self.name = "msd" if sharing == "block" else f"msd-{sharing}"
        self.decisions = self._decisions(_SEARCHED)

    @cached_property
    def published(self) -> Mapping[str, Architecture]:
        """The MSDNets of the paper and of the official code; their layers share by block."""
        return _published(self) if self.sharing == "block" else {}

    def decisions_for(self, choices: Mapping[str, Option]) -> tuple[Decision, ...]:
        """Return the searched decisions, and more where ``choices`` say more blocks and so on."""
        layers = [choices[name] for name in choices if name.endswith(".layers")]
        reach = (choices.get("blocks"), choices.get("scales"), *layers)
        blocks, scales, *depths = (v if type(v) is int and 0 < v <= 400 else 1 for v in reach)
        extent = _Extent(
            max(blocks, _SEARCHED.blocks),
            max(scales, _SEARCHED.scales),
            max([*depths, _SEARCHED.layers]) if self.sharing == "layer" else _SEARCHED.layers,
        )
        return self.decisions if extent == _SEARCHED else self._decisions(extent)

    def canonical(self, choices: dict[str, Option]) -> dict[str, Option]:
        """Set ``scheme``, ``compression`` and ``bottleneck_factors`` back where they do nothing."""
        scales, scheme = cast(int, choices["scales"]), choices["scheme"]
        layers = sum(cast(int, v) for name, v in choices.items() if name.endswith(".layers"))
        if (scales == 1 and scheme != "min") or (layers == 1 and scheme == "none"):
            choices["scheme"] = scheme = "max"
        if scheme == "none" or layers == 1 or (scales == 1 and scheme == "max"):
            choices["compression"] = 0.5
        factors = [cast(int, choices[f"growth_factor.{s}"]) for s in range(1, scales + 1)]
        bounds = bottleneck_factors(cast(str, choices["bottleneck_factors"]), factors)
        if len(bounds) != scales:
            raise SpaceError(
                f"{self.name}: bottleneck_factors {choices['bottleneck_factors']!r} must be one "
                f"factor or one for each of {scales} scales"
            )
        used = any(v in SQUEEZED_FIRST for name, v in choices.items() if name.endswith("op"))
        if not used or bounds == factors:
            choices["bottleneck_factors"] = "growth"
        return choices

    def blocks(self, architecture: Architecture, image: Image, classes: int) -> BlockGraph:
        """Return the blocks; images of any size and number of channels are taken."""
        return MultiScaleLayout(architecture.decisions(), image, classes).graph()

    def _decisions(self, extent: "_Extent") -> tuple[Decision, ...]:
        decisions = global_decisions(extent.scales)
        if self.sharing == "network":
            decisions += layer_decisions("", None)
        for block in range(1, extent.blocks + 1):
            decisions += self._block_decisions(block, extent)
        return tuple(decisions)

    def _block_decisions(self, block: int, extent: "_Extent") -> list[Decision]:
        scope, depths = f"block{block}.", tuple(range(1, extent.layers + 1))
        exists = Condition("blocks", tuple(range(block, extent.blocks + 1))) if block > 1 else None
        decisions = [Decision(scope + "layers", (2, 1, 3), "layers", exists, whole(400))]
        if block < extent.blocks:
            followed = Condition("blocks", tuple(range(block + 1, extent.blocks + 1)))
            decisions.append(Decision(scope + "exit", (True, False), "exit at its end", followed))
        if self.sharing == "block":
            decisions += layer_decisions(scope, exists)
        if self.sharing == "layer":
            for layer in depths:
                reached = Condition(scope + "layers", depths[layer - 1 :])
                decisions += layer_decisions(f"{scope}layer{layer}.", reached)
        return decisions


@dataclass(frozen=True, slots=True)
class _Extent:
    """How many blocks, scales and layers of a block decisions are made for."""

    blocks: int
    scales: int
    layers: int


_SEARCHED = _Extent(blocks=5, scales=4, layers=3)

MSD = MultiScale()
MSD_NETWORK = MultiScale("network")
MSD_LAYER = MultiScale("layer")


# The published networks ---------------------------------------------------------------------------


def msdnet(
    *,
    data: str = "cifar10",
    nBlocks: int = 1,
    base: int = 4,
    step: int = 1,
    stepmode: Literal["even", "lin_grow"] = "even",
    nChannels: int = 32,
    growthRate: int = 6,
    grFactor: Factors = "1-2-4",
    bnFactor: Factors = "1-2-4",
    prune: Literal["max", "min"] = "max",
    reduction: float = 0.5,
    bottleneck: bool = True,
    nScales: int | None = None,
) -> Architecture:
    """Return the MSDNet of the official options (MSDNet-PyTorch, args.py), same defaults.

    ``data`` ("cifar10", "cifar100" or "imagenet") picks stem and heads. ``nScales`` follows
    from ``grFactor`` and, where given, must agree with it. Features that no classifier of the
    official network reads are not built. Raises SpaceError for options that no network has.
    """
    if type(nBlocks) is not int or not 1 <= nBlocks <= _BLOCKS:
        raise SpaceError(f"nBlocks cannot be {nBlocks!r}: a whole number from 1 to {_BLOCKS}")
    if type(step) is not int:
        raise SpaceError(f"step cannot be {step!r}: a whole number")
    growth, bounds = factors("grFactor", grFactor), factors("bnFactor", bnFactor)
    scales = len(growth) if nScales is None else nScales
    if len(growth) != scales or len(bounds) != scales:
        raise SpaceError(
            f"grFactor {grFactor!r} and bnFactor {bnFactor!r} must have one factor per scale"
        )
    if stepmode not in ("even", "lin_grow"):
        raise SpaceError(f"stepmode cannot be {stepmode!r}: choose from even, lin_grow")
    if prune not in ("max", "min"):
        raise SpaceError(f"prune cannot be {prune!r}: choose from max, min")
    steps = [base] + [step if stepmode == "even" else step * i + 1 for i in range(1, nBlocks)]
    choices: dict[str, Option] = {
        **stem_and_head(data),
        "scales": scales,
        "channels": nChannels,
        "growth_rate": growthRate,
        **{f"growth_factor.{scale}": factor for scale, factor in enumerate(growth, start=1)},
        "bottleneck_factors": "-".join(map(str, bounds)),
        "scheme": prune,
        "compression": reduction,
        "blocks": nBlocks,
    }
    for block, layers in enumerate(steps, start=1):
        choices |= _block(f"block{block}.", layers, "bottleneck" if bottleneck else "conv")
        if block < nBlocks:
            choices[f"block{block}.exit"] = True
    return MSD.point(choices)


def _published(space: MultiScale) -> Mapping[str, Architecture]:
    """Return the MSDNets of the paper and of the official scripts, and the paper's ablated forms.

    Names say the data set, the regime and the exits (CIFAR) or the layers between exits (ImageNet).
    """
    anytime = partial(msdnet, nChannels=16, base=4, step=2)
    batch = partial(msdnet, nChannels=16, stepmode="lin_grow")
    imagenet = partial(
        msdnet, data="imagenet", nBlocks=5, growthRate=16, grFactor="1-2-4-4", bnFactor="1-2-4-4"
    )
    networks = {f"msdnet-cifar-anytime-{n}": anytime(nBlocks=n) for n in (7, 10, 11, 12)}
    networks |= {f"msdnet-cifar-batch-{n}": batch(nBlocks=n, base=1) for n in (4, 5, 6, 7, 8)}
    for step in (4, 6, 7):
        networks[f"msdnet-imagenet-{step}"] = imagenet(base=step, step=step)
        networks[f"msdnet-imagenet-{step}-paper"] = imagenet(base=step + 3, step=step)
    networks["msdnet-imagenet-4-lua"] = imagenet(base=4, step=4, nChannels=64)
    whole = networks["msdnet-cifar-anytime-7"].decisions()
    without: dict[str, dict[str, Option]] = {
        "no-dense": {".skip": "none"},
        "no-scales": {"scheme": "stride"},
        "no-exits": {".exit": False},
    }
    without["plain"] = {name: value for form in without.values() for name, value in form.items()}
    for name, changes in without.items():
        networks[f"msdnet-cifar-{name}"] = space.point(_changed(whole, changes))
    return networks


def _changed(whole: Mapping[str, Option], changes: Mapping[str, Option]) -> dict[str, Option]:
    """Replace choices by name, or in every block by a name that begins with a dot."""
    return {
        name: changes.get(name, changes.get(name[name.find(".") :], option))
        for name, option in whole.items()
    }


def _block(scope: str, layers: int, op: str) -> dict[str, Option]:
    return {
        scope + "layers": layers,
        scope + "op": op,
        scope + "kernel": 3,
        scope + "se": 0.0,
        scope + "skip": "dense",
        scope + "width": 1.0,
    }
