"""Whether an export answers as the network itself does."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from nas.errors import UserError
from nas.inference.pixels import prepared

if TYPE_CHECKING:
    from nas.inference.trained import Trained

ALLOWED = 1e-3
"""Largest difference of a logit, relative to the largest logit of its exit."""
IMAGES = 32

Images = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]
Answer = Callable[[Images], Logits]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Over some images, the largest absolute difference of a logit at each exit.

    relative: that difference over the largest logit of the exit, of the exit where it is largest.
    """

    images: str
    difference: tuple[float, ...]
    relative: float


def agreement(trained: "Trained", answer: Answer) -> Iterator[Agreement]:
    """Compare an export with the network on random images and, where they are found, real ones.

    answer: images uint8 [n, c, h, w] to logits float32 [exits, n, classes].

    Raises UserError where an exit differs by more than ``ALLOWED`` or gives no finite number.
    """
    drawn = np.random.default_rng(0).integers(0, 256, (IMAGES, *trained.image), dtype=np.uint8)
    for name, images in (("random", drawn), *_real(trained)):
        expected = eager(trained, images)
        if not np.isfinite(expected).all():
            raise UserError(f"the network answers {name} images with no finite number")
        # One image alone as well, so that the size of the batch is none that was written down.
        found = [answer(images) - expected, answer(images[:1]) - expected[:, :1]]
        yield _agreed(f"{len(images)} {name}", np.concatenate(found, axis=1), expected)


def eager(trained: "Trained", images: Images) -> Logits:
    """The logits float32 [exits, n, classes] of the network itself."""
    with torch.inference_mode():
        exits = trained.network(prepared(trained.config, torch.from_numpy(images)))
    logits: Logits = torch.stack(exits).numpy()
    return logits


def _agreed(images: str, differences: Logits, expected: Logits) -> Agreement:
    worst = np.abs(differences).max(axis=(1, 2))
    relative = worst / np.abs(expected).max(axis=(1, 2)).clip(min=np.finfo(np.float32).tiny)
    for k, (found, share) in enumerate(zip(worst.tolist(), relative.tolist(), strict=True), 1):
        if not share <= ALLOWED:
            raise UserError(
                f"exit {k} of the export differs by {found:.2g} on {images} images, {share:.2g} of "
                f"its largest logit; {ALLOWED:g} is allowed: nothing is written"
            )
    return Agreement(images, tuple(worst.tolist()), float(relative.max()))


def _real(trained: "Trained") -> Iterator[tuple[str, Images]]:
    """Held-out images of the data that the config names, where they are still there."""
    from nas.training.trial import cached

    if trained.config.provenance is None:
        return
    try:
        dataset = cached(trained.config.provenance.data_spec())
    except UserError:
        return
    if dataset.image == trained.image:
        yield f"held-out {dataset.name}", dataset.held_out.images[:IMAGES].numpy()
