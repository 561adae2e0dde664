"""Made-up facts that several tests measure with."""

import numpy as np

from nas.measurement import HeldOut, Measurement
from search_spaces.architecture import Architecture


def held_out(images: int, exits: int, seed: int, skill: float = 0.6) -> HeldOut:
    """A network whose later exits know more, and whose confidence says roughly how sure it is."""
    rng = np.random.default_rng(seed)
    ease = rng.random((images, 1))
    truth = np.clip(skill + 0.35 * np.linspace(0, 1, exits) + 1.2 * (ease - 0.5), 0.02, 1.0)
    correct = rng.random((images, exits)) < truth
    confidence = np.clip(truth + 0.05 * rng.standard_normal((images, exits)), 0.1, 1.0)
    return HeldOut(confidence.astype(np.float16), correct)


def measurement(
    images: int = 400,
    exits: int = 4,
    seed: int = 0,
    slowness: float = 1.0,
    skill: float = 0.6,
    parameters: int = 1000,
) -> Measurement:
    return Measurement(
        exit_latency_ms=tuple(slowness * (k + 1) for k in range(exits)),
        exit_macs=tuple(1_000_000 * (k + 1) for k in range(exits)),
        parameters=parameters,
        held_out=held_out(images, exits, seed, skill),
        seconds=12.5,
        epochs=3,
        seed=seed,
    )


def architecture(key: str = "abc123", width: int = 8) -> Architecture:
    return Architecture("toy", 1, (("width", width),), key)
