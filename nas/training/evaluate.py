"""What every exit answers to images it was not trained on, and how sure and right it is."""

from contextlib import nullcontext
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from nas.data.augment import normalise
from nas.data.dataset import Split
from nas.exits.confidence import judged
from nas.measurement import HeldOut
from nas.training.errors import TrainingDiverged
from nas.training.folding import folded
from nas.training.steps import Pause, channels_last
from nas.training.steps import threads as torch_threads
from search_spaces.network import StagedNetwork

BATCH = 128


def answers(
    network: StagedNetwork,
    split: Split,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    pause: Pause = nullcontext,
    device: str = "cpu",
    threads: int = 1,
) -> Tensor:
    """The logits of every exit, float32 [images, exits, classes], on the CPU.

    The network is left in evaluation mode on `device`. pause: as in `train`, entered around every
    batch.

    Raises:
        TrainingDiverged: an exit answers with something that is no finite number.
    """
    logits = []
    quick = channels_last(folded(network.eval().to(device)))
    with torch_threads(threads), torch.inference_mode():
        for start in range(0, len(split), BATCH):
            with pause():
                rows = torch.arange(start, min(start + BATCH, len(split)))
                x = normalise(split.batch(rows), mean, std)
                x = x.contiguous(memory_format=torch.channels_last).to(device)
                logits.append(torch.stack(quick(x), dim=1).float().cpu())
            _check_finite(logits[-1])
    return torch.cat(logits)


def evaluate(
    network: StagedNetwork,
    split: Split,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    pause: Pause = nullcontext,
    device: str = "cpu",
) -> HeldOut:
    """Largest softmax value (float16) and correctness of each exit, both [images, exits].

    Raises:
        TrainingDiverged: as `answers`.
    """
    exact = judged(answers(network, split, mean, std, pause, device), split.labels)
    return HeldOut(exact.confidence.astype(np.float16), exact.correct)


def _check_finite(logits: Tensor) -> None:
    finite = torch.isfinite(logits).all(dim=2).all(dim=0)
    if not finite.all():
        wrong = int((~finite).nonzero()[0])
        kind: Literal["nan", "inf"] = "nan" if logits.isnan().any() else "inf"
        raise TrainingDiverged(f"evaluation, exit {wrong}", kind)
