"""From an architecture to a network that can be trained."""

from typing import TYPE_CHECKING

from nas import plugins
from nas.description import Image, check_shape

if TYPE_CHECKING:
    from search_spaces.architecture import Architecture
    from search_spaces.network import StagedNetwork


def build(
    architecture: "Architecture",
    image: Image = (3, 32, 32),
    classes: int = 100,
    seed: int = 0,
    checkpoint: bool = False,
) -> "StagedNetwork":
    """Build the network of an architecture, its weights drawn from ``seed``.

    ``image`` is (channels, height, width). The network maps a batch [n, channels, height, width] to
    a list of logits [n, classes], one per exit. ``checkpoint``: it trains in less memory and more
    time, what backward needs of dense layers being computed again.

    Raises UserError for an unknown space or a shape no network has, SpaceError where the
    architecture cannot be built at this shape.
    """
    check_shape(image, classes)
    return plugins.space(architecture.space).build(architecture, image, classes, seed, checkpoint)
