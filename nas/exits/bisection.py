"""Where a rising function crosses zero."""

from collections.abc import Callable

_HALVINGS = 100


def crossing(rising: Callable[[float], float], low: float, high: float) -> float:
    """The point between `low` and `high` where `rising` crosses zero, to the last bits of a float.

    The end that is nearest where it does not cross zero in between.
    """
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if rising(middle) < 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2
