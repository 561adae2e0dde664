"""The smallest networks of msd, some of them published: beyond the options, slow, not buildable."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockGraph, Image
from search_spaces.errors import SpaceError
from tests.nas.small_msd import SmallMSD

NOT_AT_8 = 5  # channels of the network that needs larger images
SLOW = 300


class StartingMSD(SmallMSD):
    @cached_property
    def published(self) -> Mapping[str, Architecture]:
        whole = self.sample(np.random.default_rng(7)).decisions()
        channels = {"narrow": 3, "twin": 3, "large-images": NOT_AT_8, "slow": SLOW, "wide": 11}
        return {n: self.point(whole | {"channels": c}) for n, c in channels.items()}

    def blocks(self, architecture: Architecture, image: Image, classes: int) -> BlockGraph:
        if architecture["channels"] == NOT_AT_8 and image[1] < 16:
            raise SpaceError("takes images of at least 16 pixels")
        return super().blocks(architecture, image, classes)


STARTING = StartingMSD()
WHERE = "tests.nas.starting_msd:STARTING"
