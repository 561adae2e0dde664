"""The operators of a network one by one, and fvcore's independent count beside ours."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas import plugins

if TYPE_CHECKING:
    from nas.description import Image
    from search_spaces.architecture import Architecture
    from search_spaces.operators import Operator


@dataclass(frozen=True, slots=True)
class OperatorTable:
    """The operators of each lazy stage, and the MACs of the whole network counted twice."""

    stages: "tuple[tuple[Operator, ...], ...]"
    macs: int
    fvcore_macs: int


def operator_table(architecture: "Architecture", image: "Image", classes: int) -> OperatorTable:
    """List what a network computes for one image (channels, height, width).

    ``fvcore_macs`` are fvcore's convolutions and linear layers on the built network, run on the
    CPU with every exit; ``macs`` the same of the operators listed.
    """
    import torch
    from fvcore.nn import FlopCountAnalysis

    from search_spaces.operators import operators

    network = plugins.space(architecture.space).build(architecture, image, classes).eval()
    stages = operators(network.graph)
    logging.getLogger("fvcore").setLevel(logging.ERROR)
    analysis = FlopCountAnalysis(network, torch.zeros(1, *image))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    counted = analysis.by_operator()
    return OperatorTable(
        stages,
        sum(operator.macs for stage in stages for operator in stage),
        int(counted["conv"] + counted["linear"]),
    )
