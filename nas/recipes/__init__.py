"""Published ways to train, by name: one file each, beside its paper."""

from dataclasses import replace
from importlib import import_module

from nas import plugins
from nas.errors import UserError
from nas.training.recipe import Recipe

TABLE = {
    "default": "nas.recipes.default",
    "msdnet": "nas.recipes.msdnet",
    "densenet": "nas.recipes.densenet",
    "inception": "nas.recipes.inception",
    "shufflenet": "nas.recipes.shufflenet",
    "mnasnet": "nas.recipes.mnasnet",
}
PUBLISHED_SIDE = 32
"""Pixels of the images that the crops in the files are meant for: 4 of them, as He et al. (2016).

ImageNet's crops of 224 out of 256 are as large a part."""


def named(name: str) -> Recipe:
    """The recipe as published. Raises UserError, with the closest name, where there is none."""
    if name not in TABLE:
        raise plugins.unknown("recipe", name, tuple(TABLE))
    recipe: Recipe = import_module(TABLE[name]).RECIPE
    return recipe


def suited(
    recipe: Recipe,
    image: tuple[int, int, int],
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
) -> Recipe:
    """A published recipe for images (channels, height, width), and for another length or batch.

    Grey images are not mirrored (digits would change their meaning), crops keep their part of the
    side. A rate belongs to its batch: with another one it changes in proportion (Goyal et al.
    2017), unless `lr` is given too. All lengths within a training are fractions of it already.

    Raises:
        UserError: a number nobody can train with.
    """
    channels, height, width = image
    if batch_size is not None and batch_size < 2:
        raise UserError(f"batch size {batch_size}: must be 2 or more")
    batch = batch_size or recipe.batch_size
    return replace(
        recipe,
        flip=recipe.flip and channels == 3,
        crop=round(recipe.crop * min(height, width) / PUBLISHED_SIDE),
        epochs=recipe.epochs if epochs is None else epochs,
        batch_size=batch,
        lr=recipe.lr * batch / recipe.batch_size if lr is None else lr,
    )
