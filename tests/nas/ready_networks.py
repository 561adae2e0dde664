"""Networks that are ready for use, of any search space, without hours of training."""

from functools import cache

import numpy as np
import torch

from nas import plugins
from nas.config import Config, Exits, Preprocessing
from nas.exits import NEVER
from nas.exits.candidates import thresholds_for
from nas.exits.confidence import judged
from nas.inference.pixels import prepared
from nas.inference.trained import Trained, ready
from nas.training.weights import to_bytes
from search_spaces.architecture import Architecture
from search_spaces.operators import costs

IMAGE, CLASSES = (3, 32, 32), tuple("abcdefghij")
PREPROCESSING = Preprocessing(
    resize=IMAGE[1:], crop=IMAGE[1:], colour="rgb", mean=(0.49, 0.48, 0.45), std=(0.25, 0.24, 0.26)
)


@cache
def small_with_exits(space_name: str, exits: int = 2, samples: int = 8) -> Architecture:
    """The one of fewest MACs among random architectures of a space with enough exits."""
    space, rng = plugins.space(space_name), np.random.default_rng(0)
    found = []
    while len(found) < samples:
        architecture = space.sample(rng)
        if len((graph := space.blocks(architecture, IMAGE, len(CLASSES))).exits) >= exits:
            found.append((costs(graph).macs[-1], architecture.key, architecture))
    return min(found)[2]


def trained(architecture: Architecture, seed: int = 1) -> Trained:
    """Its network with random weights, statistics of its batch norms and a temperature an exit."""
    given = architecture.to_json()
    config = Config(
        schema_version=1,
        space=given["space"],
        version=given["version"],
        decisions=given["decisions"],
        widened=tuple(given.get("widened", ())),
        image=IMAGE,
        classes=CLASSES,
        preprocessing=PREPROCESSING,
    )
    space = plugins.space(architecture.space)
    network = space.build(architecture, IMAGE, len(CLASSES), seed).train()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean over all batches, not mostly the first guess
    with torch.no_grad():
        for batch in range(3):
            network(prepared(config, torch.from_numpy(images(8, seed=batch))))
    exits = len(network.stages)
    policy = Exits(
        thresholds=(NEVER,) * (exits - 1) + (0.0,),
        found="never exit early",
        temperatures=tuple(np.linspace(1.3, 0.8, exits).tolist()),
    )
    config = config.model_copy(update={"exits": policy})
    return ready(config, to_bytes(network), "the network of a test")


def images(count: int, seed: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Smooth and rough ones, so that a network is surer of some than of others."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 3, 8, 8)).repeat(4, axis=2).repeat(4, axis=3)
    noise = rng.integers(-60, 60, (count, *IMAGE)) * rng.random((count, 1, 1, 1))
    return (coarse + noise).clip(0, 255).astype(np.uint8)


def policies(logits: torch.Tensor, temperatures: tuple[float, ...]) -> list[tuple[float, ...]]:
    """Thresholds that let everybody, some and nobody leave early; logits [images, exits, classes].

    Between two images each, so that rounding moves nobody.
    """
    exits = logits.shape[1]
    seen = judged(logits, torch.zeros(len(logits), dtype=torch.int64), temperatures)
    shares = np.float32([0.3, 1.0, 2.0])[:, None] ** np.arange(exits, dtype=np.float32)
    found = thresholds_for(seen, shares / shares.sum(axis=1, keepdims=True))
    return [(0.0,) * exits, (NEVER,) * (exits - 1) + (0.0,), *map(tuple, found.tolist())]
