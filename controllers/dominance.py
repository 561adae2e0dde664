"""Non-dominated ranks and crowding distances (Deb et al. 2002, doi 10.1109/4235.996017)."""

import numpy as np


def ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each row [n, objectives], higher values being better; 0 is the Pareto front."""
    if values.shape[1] == 1:
        return np.unique(-values[:, 0], return_inverse=True)[1].reshape(-1)
    beats = _beats(values)
    found, beaten_by, rank = np.zeros(len(values), dtype=int), beats.sum(axis=0), 0
    while len(front := np.flatnonzero(beaten_by == 0)):
        found[front] = rank
        beaten_by[front] = -1  # nobody of a later rank beats it: it stays below 0
        beaten_by -= beats[front].sum(axis=0)
        rank += 1
    return found


def nondominated(values: np.ndarray) -> np.ndarray:
    """Which rows [n, objectives] no other row beats: at least as good in all, better in one."""
    return np.asarray(~_beats(values).any(axis=0))


def crowding(values: np.ndarray) -> np.ndarray:
    """The crowding distance of each row among the rows; infinite at the ends of an objective."""
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        if span > 0:  # else nothing is at an end of it
            distance[order[[0, -1]]] = np.inf
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distance


def order(values: np.ndarray) -> np.ndarray:
    """Row numbers, best first: by rank, then the less crowded, then as they came.

    With one objective simply by value.
    """
    rank, spread = standing(values)
    return np.asarray(np.lexsort((np.arange(len(values)), -spread, rank)))


def standing(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rank of each row and its crowding distance among those of its rank.

    With one objective that is 0.
    """
    rank, spread = ranks(values), np.zeros(len(values))
    for front in np.unique(rank) if values.shape[1] > 1 else ():
        spread[rank == front] = crowding(values[rank == front])
    return rank, spread


def _beats(values: np.ndarray) -> np.ndarray:
    """Whether row i beats row j, bool [n, n]."""
    count = len(values)
    no_worse, better = np.ones((count, count), dtype=bool), np.zeros((count, count), dtype=bool)
    for column in values.T:
        no_worse &= column[:, None] >= column
        better |= column[:, None] > column
    return no_worse & better
