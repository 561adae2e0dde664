"""Which points no other point beats, and how much of the objective space they cover."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Directions = Sequence[str]  # Optuna's words, "maximize" or "minimize", one per objective


def _array(points: Sequence[Sequence[float]], directions: Directions) -> npt.NDArray[np.float64]:
    assert set(directions) <= {"maximize", "minimize"}, directions
    return np.asarray(points, np.float64).reshape(-1, len(directions))


def _maximise(directions: Directions) -> list[bool]:
    return [direction == "maximize" for direction in directions]


def front(points: Sequence[Sequence[float]], directions: Directions) -> tuple[int, ...]:
    """Return the indices of the points that no other point dominates, in their order.

    Of equal points the first one stands for all; a point that is not finite is on no front.
    """
    from moocore import is_nondominated  # slow to import, and only results need it

    values = _array(points, directions)
    finite = np.flatnonzero(np.isfinite(values).all(axis=1))
    if len(finite) == 0:
        return ()
    keep = is_nondominated(values[finite], maximise=_maximise(directions), keep_weakly=False)
    return tuple(finite[keep].tolist())


def hypervolume(
    points: Sequence[Sequence[float]], directions: Directions, reference: Sequence[float]
) -> float:
    """Return the volume between the front of `points` and `reference`, a point worse than they are.

    In the product of the objectives' units. Points that are not better than the reference in
    every objective, or not finite, add nothing. Zitzler and Thiele, PPSN 1998.
    """
    from moocore import hypervolume as volume

    values, maximise = _array(points, directions), np.asarray(_maximise(directions))
    sign = np.where(maximise, 1.0, -1.0)
    better = np.isfinite(values).all(axis=1)
    better &= ((values - np.asarray(reference)) * sign > 0).all(axis=1)
    if not better.any():
        return 0.0
    return float(volume(values[better], ref=np.asarray(reference), maximise=maximise))
