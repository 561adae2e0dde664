"""Images and learning rates of `benchmarks.default_recipe`; nothing here needs Ray."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from nas.data.torchvision_sets import import_torchvision

WARM_UP = 0.1  # of all steps, at most one epoch: as in our recipe


class Images(Dataset[Any]):
    """Images as torchvision's own sets give them: PIL, through a transform; and their labels."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, transform: Any) -> None:
        """images: uint8 [n, channels, height, width]."""
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        from PIL import Image

        pixels = self.images[row]
        image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
        return self.transform(image), int(self.labels[row])


def loaders(file: Path, recipe: dict[str, Any]) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Return batches to train on, augmented as the recipe says, and batches to judge."""
    transforms = import_torchvision().transforms
    data = np.load(file, allow_pickle=False)
    to_input = [
        transforms.ToTensor(),
        transforms.Normalize(data["mean"].tolist(), data["std"].tolist()),
    ]
    augmentations: list[Any] = []
    if recipe["crop"]:
        size = data["train_images"].shape[2:]
        augmentations.append(transforms.RandomCrop(size, padding=recipe["crop"]))
    if recipe["flip"]:
        augmentations.append(transforms.RandomHorizontalFlip())
    train = Images(
        data["train_images"],
        data["train_labels"],
        transforms.Compose([*augmentations, *to_input]),
    )
    held_out = Images(
        data["held_out_images"], data["held_out_labels"], transforms.Compose(to_input)
    )
    return (
        DataLoader(train, batch_size=recipe["batch_size"], shuffle=True),
        DataLoader(held_out, batch_size=128),
    )


def rates(steps_per_epoch: int, epochs: int) -> Callable[[int], float]:
    """Return a straight rise, then half a cosine: the learning rate over the highest, by steps."""
    steps = steps_per_epoch * epochs
    rise = max(1, min(round(WARM_UP * steps), steps_per_epoch))

    def rate(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * (step - rise + 1) / (steps - rise + 1)))

    return rate
