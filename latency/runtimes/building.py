"""The modules of a piece of work, with weights and an input from a seed."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor, nn

from latency.errors import LatencyError
from latency.runtimes.runtime import Piece
from search_spaces.network import StagedBlocks, initialise

CALIBRATION_IMAGES = 4


class Built:
    """The stages of a piece in evaluation mode, and one input of each name, [batch, *shape]."""

    def __init__(self, stages: Sequence[StagedBlocks], given: dict[str, Tensor]) -> None:
        self.stages, self.given = tuple(stages), given


def build(piece: Piece, seed: int, batch: int = 1) -> Built:
    """Build a piece with weights and inputs from ``seed``, ready to be timed.

    Its BatchNorms take the statistics of random inputs first: at their initial ones, values of a
    deep network drift towards zero or infinity, and numbers near zero (denormals) are slow.
    Raises LatencyError when the answers are not finite all the same.
    """
    stages = [StagedBlocks(stage).eval() for stage in piece.stages]
    whole = nn.ModuleList(stages)
    for module in whole.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum, module.eps = piece.norm.momentum, piece.norm.eps
    initialise(whole, seed)
    generator = Generator().manual_seed(seed)
    images = max(batch, CALIBRATION_IMAGES)
    given = {name: torch.randn(images, *shape, generator=generator) for name, shape in piece.inputs}
    with torch.inference_mode():
        _calibrate(whole, stages, given)
        one = {name: tensor[:batch].clone() for name, tensor in given.items()}
        answers = run(stages, one)
    if not all(bool(answer.isfinite().all()) for answer in answers):
        raise LatencyError(
            "a network whose answers are not finite cannot be timed: "
            f"input {piece.inputs[0][1]}, {len(stages)} exits, seed {seed}"
        )
    return Built(stages, one)


def run(stages: Sequence[nn.Module], given: dict[str, Tensor]) -> list[Tensor]:
    """Run the stages; return what each answers."""
    state: tuple[Tensor, ...] = tuple(given.values())
    answers = []
    for stage in stages:
        answer, *rest = stage(*state)
        state = tuple(rest)
        answers.append(answer)
    return answers


def _calibrate(whole: nn.Module, stages: Sequence[nn.Module], given: dict[str, Tensor]) -> None:
    norms = [layer for layer in whole.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    run(stages, given)
    for norm in norms:
        norm.eval()
