"""Rethinking the Inception Architecture for Computer Vision (Szegedy et al., CVPR 2016).

Inception-v3's factorizations, grids and auxiliary classifier as decisions. The modules and the
network are in ``inception_network``; here are the decisions, the space and the published networks.
Images of 28 pixels and less to 299 and more are taken: where the published padding would leave
nothing (below 75 pixels with the published stem), all layers pad symmetrically instead.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Literal, cast

from search_spaces.architecture import Architecture, Condition, Decision, Domain, Option
from search_spaces.blocks import BlockGraph, Image
from search_spaces.builder_options import for_each
from search_spaces.errors import SpaceError
from search_spaces.exits import canonical_exits, exit_decisions
from search_spaces.inception_network import GRIDS, PIXELS, InceptionLayout
from search_spaces.space import SearchSpace

# The decisions -----------------------------------------------------------------------------------

AUX = ("high", "none", "low", "both")
AUX_NORMS = ("bn", "conv", "dropout", "none")
_MODULES = {"grid35": (3, 2, 1), "grid17": (4, 2, 1, 3), "grid8": (2, 1)}
_KINDS = {
    "grid35": ("square", "factorized", "expanded"),
    "grid17": ("factorized", "square", "expanded"),
    "grid8": ("expanded", "square", "factorized"),
}


def global_decisions() -> list[Decision]:
    """Return the decisions that hold for the whole network."""
    sided = Condition("aux", tuple(aux for aux in AUX if aux != "none"))
    return [
        Decision(
            "stem",
            tuple(PIXELS),
            "for 299 pixels as published; for 151, first stride 1; for 79, nor the first pooling",
        ),
        Decision(
            "width",
            (0.25, 0.375, 0.5),
            "times the published channels",
            domain=Domain("float", 0.001, 32),
            width=True,
        ),
        Decision("activation", ("relu", "none"), "between the factors of a factorized filter"),
        Decision(
            "aux",
            AUX,
            "side heads, in training alone: after the 17-pixel grid (high), the 35-pixel one (low)",
        ),
        Decision(
            "aux_norm",
            AUX_NORMS,
            "side heads: BatchNorm of both convolutions, of the 1x1 alone, or 70% dropout, or none",
            sided,
        ),
    ]


def grid_decisions(grid: str) -> list[Decision]:
    """Return the choices that the modules of a grid share, the published ones first."""
    module = f"{grid}.module"
    return [
        Decision(f"{grid}.modules", _MODULES[grid], "modules", domain=Domain("int", 1, 100)),
        Decision(module, _KINDS[grid], "large filters: square, 1xn and nx1, or {1x3, 3x1}"),
        Decision(
            f"{grid}.five",
            ("5x5", "3x3-3x3"),
            "the 5x5 beside the two 3x3",
            Condition(module, ("square",)),
        ),
        Decision(
            f"{grid}.n", (7, 3, 5), "of 1xn and nx1, pixels", Condition(module, ("factorized",))
        ),
        Decision(
            f"{grid}.width",
            (1.0, 0.75, 1.25),
            "of the grid, relative to the network",
            domain=Domain("float", 0.01, 8),
            fine_width=True,
        ),
    ]


# The space ---------------------------------------------------------------------------------------


class Inception(SearchSpace):
    """Inception-v3's family: three grids of modules with parallel, factorized filters."""

    name = "inception"
    version = 1
    reference: ClassVar[str] = "Szegedy et al., CVPR 2016"
    decisions = (
        *global_decisions(),
        *(decision for grid in GRIDS for decision in grid_decisions(grid)),
        *exit_decisions([f"{grid}." for grid in GRIDS], [None] * len(GRIDS)),
    )

    @cached_property
    def published(self) -> Mapping[str, Architecture]:
        """Inception-v3, the paper's ablated forms and its forms for smaller images."""
        return _published()

    def canonical(self, choices: dict[str, Option]) -> dict[str, Option]:
        """Set ``activation``, exits and ``head`` to their first option where they do nothing."""
        if all(choices[f"{grid}.module"] == "expanded" for grid in GRIDS):
            choices["activation"] = "relu"  # parallel filters have nothing between them
        layers = {f"{grid}.": cast(int, choices[f"{grid}.modules"]) for grid in GRIDS}
        canonical_exits(choices, layers)
        return choices

    def blocks(self, architecture: Architecture, image: Image, classes: int) -> BlockGraph:
        """Return the blocks; images of any size and number of channels are taken."""
        return InceptionLayout(architecture.decisions(), image, classes).graph()


INCEPTION = Inception()

# The published networks ---------------------------------------------------------------------------


def inception_v3(
    *,
    aux: bool | Literal["none", "high", "low", "both"] = True,
    aux_norm: Literal["bn", "conv", "dropout", "none"] = "bn",
    stem: Literal["imagenet", "medium", "small"] = "imagenet",
    width: float = 1.0,
    modules: Sequence[int] = (3, 4, 2),
    five: Literal["5x5", "3x3-3x3"] = "5x5",
    n: Literal[3, 5, 7] = 7,
    factorized: bool = True,
    activation: Literal["relu", "none"] = "relu",
    exits: str | Sequence[str] = "none",
    head: str = "pool",
) -> Architecture:
    """Return Inception-v3, or a form of it; the defaults are the published code's.

    ``aux``: side heads; True is the published one ("high"). ``modules``: on the grids of 35, 17 and
    8 pixels. ``five``: the 5x5 of the 35-pixel grid. ``factorized``: the 17-pixel grid has 1x``n``
    and ``n``x1 filters, else square ones like the 35-pixel grid. ``stem``: for images of 299, 151
    or 79 pixels (section 8). ``exits``: early ones, on all grids or on each, and their ``head``.
    Raises SpaceError for options that no network has.
    """
    if not isinstance(factorized, bool):
        raise SpaceError(f"factorized cannot be {factorized!r}: True or False")
    middle: dict[str, Option] = (
        {"grid17.module": "factorized", "grid17.n": n}
        if factorized
        else {"grid17.module": "square", "grid17.five": five}
    )
    counts = for_each("modules", modules, len(GRIDS), "grid")
    places = for_each("exits", exits, len(GRIDS), "grid")
    side = ("high" if aux else "none") if isinstance(aux, bool) else aux
    return INCEPTION.point(
        {
            "stem": stem,
            "width": width,
            "activation": activation,
            "aux": side,
            "aux_norm": aux_norm,
            **{f"{grid}.modules": count for grid, count in zip(GRIDS, counts, strict=True)},
            **{f"{grid}.width": 1.0 for grid in GRIDS},
            **{f"{grid}.exits": place for grid, place in zip(GRIDS, places, strict=True)},
            "grid35.module": "square",
            "grid35.five": five,
            **middle,
            "grid8.module": "expanded",
            "head": head,
        }
    )


def _published() -> Mapping[str, Architecture]:
    """Return Inception-v3 and forms of it, each one step away.

    Sections 3 (factors, activation between them), 4 (side heads), 6 (BN-auxiliary), 8 (smaller
    images, by their pixels).
    """
    return {
        "inception-v3": inception_v3(),
        "inception-v3-no-aux": inception_v3(aux=False),
        "inception-v3-two-aux": inception_v3(aux="both"),
        "inception-v3-no-bn-auxiliary": inception_v3(aux_norm="conv"),
        "inception-v3-factorized-5x5": inception_v3(five="3x3-3x3"),
        "inception-v3-linear-factors": inception_v3(activation="none"),
        "inception-v3-square-17": inception_v3(factorized=False),
        "inception-v3-151": inception_v3(stem="medium"),
        "inception-v3-79": inception_v3(stem="small"),
    }
