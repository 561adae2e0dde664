"""Random crops and mirror images of a whole batch at once, on tensors."""

import torch
import torch.nn.functional as F


def normalise(
    images: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]
) -> torch.Tensor:
    """Images uint8 [n, c, h, w] as float32 of mean 0 and deviation 1 per channel."""
    scale = torch.tensor([1 / (255 * deviation) for deviation in std]).view(1, -1, 1, 1)
    shift = torch.tensor([m / d for m, d in zip(mean, std, strict=True)]).view(1, -1, 1, 1)
    return images.float().mul_(scale).sub_(shift)


def augment(
    images: torch.Tensor, generator: torch.Generator, crop: int, flip: bool
) -> torch.Tensor:
    """Each image moved by up to `crop` pixels and, with `flip`, mirrored every second time.

    images: float [n, c, h, w], normalised, so that the zeros that come in at the border are the
    mean colour. Pad and crop as He et al. (2016), section 4.2; the same size comes out.
    """
    if flip:
        mirrored = torch.rand(len(images), generator=generator) < 0.5
        images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(3), images)
    if crop:
        images = _cropped(images, generator, crop)
    return images


def _cropped(images: torch.Tensor, generator: torch.Generator, crop: int) -> torch.Tensor:
    count, _, height, width = images.shape
    padded = F.pad(images, (crop, crop, crop, crop))
    # All windows as a view [n, c, 2 crop + 1, 2 crop + 1, h, w]; indexing copies one per image.
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    top, left = torch.randint(0, 2 * crop + 1, (2, count), generator=generator)
    return windows[torch.arange(count), :, top, left]
