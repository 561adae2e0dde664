"""From an image file to what a trained network takes."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nas.data.augment import normalise
from nas.data.decode import decode

if TYPE_CHECKING:
    from nas.config import Config


def read(path: Path, config: "Config") -> Tensor:
    """Pixels uint8 [channels, height, width] of an image file, at the network's size.

    The shorter side is resized to it, then the centre is cut out.

    Raises:
        UserError: it is no image that can be read.
    """
    assert config.image is not None
    channels, height, width = config.image
    return torch.from_numpy(decode(path, str(path), channels, (height, width)))


def prepared(config: "Config", images: Tensor) -> Tensor:
    """Images uint8 [n, channels, height, width] as the float32 input of the network."""
    assert config.preprocessing is not None
    x = normalise(images, config.preprocessing.mean, config.preprocessing.std)
    return x.contiguous(memory_format=torch.channels_last)
