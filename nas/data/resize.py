"""Resizing of whole stacks of images: shorter side to the size, then the centre."""

import torch
import torch.nn.functional as F

from nas.onnx_runner.images import covering

CHUNK = 1 << 22  # bytes worked on at once: bounds the copies of a large set


def at_once(size: int) -> int:
    """How many images of `size` bytes to work on at once."""
    return max(1, CHUNK // size)


def fit(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Images uint8 [n, c, h, w] at `size`: bilinear with antialiasing, then a centre crop."""
    if tuple(images.shape[2:]) == size:
        return images
    height, width = covering(images.shape[2], images.shape[3], size)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    out = torch.empty((*images.shape[:2], *size), dtype=torch.uint8)
    step = at_once(images[0].numel() + images.shape[1] * height * width)
    for start in range(0, len(images), step):
        scaled = F.interpolate(
            images[start : start + step].float(),
            size=(height, width),
            mode="bilinear",
            antialias=True,
        )
        window = scaled[:, :, top : top + size[0], left : left + size[1]]
        out[start : start + step] = window.round().clamp(0, 255).to(torch.uint8)
    return out
