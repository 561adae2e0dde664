"""How sure and how right every exit is on images it was not trained on."""

from contextlib import nullcontext

import numpy as np
import torch

from nas.data.augment import normalise
from nas.data.dataset import Split
from nas.measurement import HeldOut
from nas.training.errors import TrainingDiverged
from nas.training.train import Pause, channels_last, one_thread
from search_spaces.network import StagedNetwork

BATCH = 128


def evaluate(
    network: StagedNetwork,
    split: Split,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    pause: Pause = nullcontext,
    device: str = "cpu",
) -> HeldOut:
    """Largest softmax value (float16) and correctness of each exit, both [images, exits].

    The network is left in evaluation mode on `device`. pause: as in `train`, entered around every
    batch.

    Raises:
        TrainingDiverged: an exit answers with something that is no finite number.
    """
    confidence, correct = [], []
    channels_last(network.eval().to(device))
    with one_thread(), torch.inference_mode():
        for start in range(0, len(split), BATCH):
            rows = slice(start, start + BATCH)
            with pause():
                x = normalise(split.images[rows], mean, std)
                x = x.contiguous(memory_format=torch.channels_last).to(device)
                stacked = torch.stack(network(x), dim=1).cpu()
            _check_finite(stacked)
            sure, answers = stacked.softmax(dim=2).max(dim=2)
            confidence.append(sure.half().numpy())
            correct.append((answers == split.labels[rows, None]).numpy())
    return HeldOut(np.concatenate(confidence), np.concatenate(correct))


def _check_finite(logits: torch.Tensor) -> None:
    finite = torch.isfinite(logits).all(dim=2).all(dim=0)
    if not finite.all():
        wrong = int((~finite).nonzero()[0])
        raise TrainingDiverged(f"evaluation, exit {wrong}")
