"""What both arms of `benchmarks.throughput` train: networks, images, a recipe; plain values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nas.data.dataset import DataSpec
from search_spaces.architecture import Architecture

FAMILIES = ("residual", "depthwise", "msd")
_WIDTHS = (10, 12, 14, 16, 18, 20, 22, 24)  # 16: ResNet-8, 75,000 weights
_MOBILE = (8, 16, 16, 24, 24, 32, 48)  # channels of the seven blocks: 28,000 weights


@dataclass(frozen=True, slots=True)
class Plan:
    """The trials of one search. architectures: JSON. image: channels, height, width.

    file: an .npz of the images. recipe: JSON of `Recipe`.
    """

    architectures: tuple[dict[str, Any], ...]
    image: tuple[int, int, int]
    classes: int
    file: Path
    recipe: dict[str, Any]


def made(family: str, trials: int, epochs: int, data: DataSpec, folder: Path) -> Plan:
    """Choose the networks of a family and write the images where both arms read them."""
    from nas.data.load import load
    from nas.training.recipe import short_recipe

    dataset = load(data)
    file = folder / "images.npz"
    np.savez(
        file,
        **{
            f"{part}_{name}": getattr(split, name).numpy()
            for part, split in (("train", dataset.train), ("held_out", dataset.held_out))
            for name in ("images", "labels")
        },
        mean=dataset.mean,
        std=dataset.std,
    )
    recipe = short_recipe(dataset.image, epochs, len(dataset.train))
    return Plan(
        tuple(each.to_json() for each in networks(family, trials)),
        dataset.image,
        len(dataset.classes),
        file,
        recipe.to_json(),
    )


def networks(family: str, count: int) -> list[Architecture]:
    """Return different networks of a family, much alike in cost where it is one of handcraft.

    residual: ResNet-8 in several widths. depthwise: a small MobileNetV2, its last convolution in
    several widths. msd: drawn from the space.
    """
    from nas import plugins

    if family == "residual":
        from search_spaces.resnet import resnet

        return [resnet(8, width=w + 16 * more) for more in range(count) for w in _WIDTHS][:count]
    if family == "depthwise":
        return [_mobile(features) for features in range(64, 64 + count)]
    space, rng = plugins.space("msd"), np.random.default_rng(0)
    drawn: dict[str, Architecture] = {}
    while len(drawn) < count:
        architecture = space.sample(rng)
        drawn.setdefault(architecture.key, architecture)
    return list(drawn.values())


def _mobile(features: int) -> Architecture:
    from nas import plugins
    from search_spaces.mnasnet import MOBILENET_V2, SCOPES

    space = plugins.space("mnasnet")
    choices: dict[str, Any] = {d.name: d.options[0] for d in space.decisions}
    choices |= {"stem": 16, "stem_stride": 1, "features": features, "dropout": 0.0}
    for scope, channels, (_, layers, _) in zip(SCOPES, _MOBILE, MOBILENET_V2, strict=True):
        choices |= {scope + "filters": channels, scope + "op": "mbconv3"}
        choices |= {scope + "layers": 1 - layers}
    return space.point(choices | {SCOPES[0] + "op": "sepconv"})


def seed_of(seed: int, number: int) -> int:
    """Return the seed of a trial."""
    return 1000 * seed + number
