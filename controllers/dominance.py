"""Non-dominated ranks and crowding distances (Deb et al. 2002, doi 10.1109/4235.996017)."""

import numpy as np


def ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each row [n, objectives], higher values being better; 0 is the Pareto front."""
    left, rank = np.arange(len(values)), 0
    found = np.zeros(len(values), dtype=int)
    while len(left):
        front = nondominated(values[left])
        found[left[front]] = rank
        left, rank = left[~front], rank + 1
    return found


def nondominated(values: np.ndarray) -> np.ndarray:
    """Which rows [n, objectives] no other row beats: at least as good in all, better in one."""
    no_worse = (values[:, None] >= values[None]).all(axis=2)
    better = (values[:, None] > values[None]).any(axis=2)
    return np.asarray(~(no_worse & better).any(axis=0))


def crowding(values: np.ndarray) -> np.ndarray:
    """The crowding distance of each row among the rows; infinite at the ends of an objective."""
    distance = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        distance[order[[0, -1]]] = np.inf
        if span > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distance


def order(values: np.ndarray) -> np.ndarray:
    """Row numbers, best first: by rank, then by crowding within the rank, then as they came."""
    rank = ranks(values)
    spread = np.zeros(len(values))
    for front in np.unique(rank):
        spread[rank == front] = crowding(values[rank == front])
    return np.asarray(np.lexsort((np.arange(len(values)), -spread, rank)))
