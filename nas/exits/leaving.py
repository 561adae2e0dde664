"""Which image leaves where, and which images are easy and hard for early exits."""

import numpy as np
import numpy.typing as npt

from nas.exits.policy import ExitPolicy
from nas.measurement import HeldOut

Flags = npt.NDArray[np.bool_]


def exits_taken(policy: ExitPolicy, held_out: HeldOut) -> npt.NDArray[np.int64]:
    """The exit, from 0, at which each image leaves, [images].

    Raises ValueError if the policy has another number of exits.
    """
    if len(policy.thresholds) != held_out.exits:
        raise ValueError(f"{len(policy.thresholds)} thresholds for {held_out.exits} exits")
    sure = held_out.exact
    leaves = sure >= np.array(policy.thresholds, sure.dtype)
    leaves[:, -1] = True
    return np.asarray(leaves.argmax(axis=1), np.int64)


def right(taken: npt.NDArray[np.int64], held_out: HeldOut) -> Flags:
    """Whether the answer of the exit that each image took is right, [images]."""
    return np.asarray(held_out.correct[np.arange(held_out.images), taken])


def easy(policy: ExitPolicy, held_out: HeldOut) -> Flags:
    """Images that leave at the first exit, rightly answered, [images]."""
    return np.asarray((exits_taken(policy, held_out) == 0) & held_out.correct[:, 0])


def hard(held_out: HeldOut) -> Flags:
    """Images that the first exit gets wrong and the last one right, [images]."""
    return np.asarray(~held_out.correct[:, 0] & held_out.correct[:, -1])
