"""Budgeted batch classification: a budget that many images share.

MSDNet (Huang et al., ICLR 2018), section 3: an image that reaches a classifier leaves there with
probability q, q_k is the share that leaves at exit k, and q is solved for sum q_k * C_k = budget.
Here the shares are proportional to r^k with r = 1-q over (0, infinity): the paper's r <= 1 cannot
spend more than the mean cost of the exits. Costs are of any unit: MACs, milliseconds.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from nas.errors import UserError
from nas.exits.bisection import crossing
from nas.exits.candidates import NEVER, between_images, thresholds_for
from nas.exits.policy import ExitPolicy, FloatArray, tally
from nas.measurement import HeldOut

Costs = npt.NDArray[np.float64]
_CLOSE = 0.005  # of the budget: what refining r may leave before single thresholds are raised
_TOLERANCE = 0.02  # of the budget
_OCTAVES = 80.0  # log2 r of the widest search: shares of 2^-80 are none, of any number of images
_POINTS, _ROUNDS = 33, 4


def shares_of(ratio_log2: npt.ArrayLike, exits: int) -> Costs:
    """Shares [..., exits] proportional to r^k that sum to one; log2 r may be of any size."""
    exponent = np.asarray(ratio_log2, np.float64)[..., None] * np.arange(exits)
    weights = np.exp2(exponent - exponent.max(axis=-1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def solve_ratio(cost: Sequence[float], budget: float) -> float:
    """The log2 r at which shares proportional to r^k cost `budget` on average.

    cost: of each exit, positive and never falling. budget: between the first and the last.
    """
    each = _checked(cost)
    assert each[0] < budget < each[-1]

    def excess(ratio_log2: float) -> float:
        return float(shares_of(ratio_log2, len(each)) @ each) - budget

    return crossing(excess, -_OCTAVES, _OCTAVES)


def budgeted_policy(
    held_out: HeldOut, cost: Sequence[float], budget: float, unit: str = ""
) -> ExitPolicy:
    """Thresholds with which the images of `held_out` cost `budget` on average, within 2 %.

    cost: of each exit, cumulative, positive and never falling, in the unit of `budget`.
    The thresholds are those of the quota rule for the r that the budget asks for; where the cost
    on `held_out` then misses the budget (quotas are whole images, and equally sure images leave
    together), r is refined on that cost, and at last single thresholds are. The cost exceeds the
    budget only where nothing comes within 2 % below it and something does above. Where so many
    are equally sure that nothing does on either side, more is left unspent.

    Raises:
        UserError: less than the first exit costs, or no number.
        ValueError: costs that are not as above, or of another number of exits.
    """
    each = _checked(cost)
    if len(each) != held_out.exits:
        raise ValueError(f"{len(each)} costs for {held_out.exits} exits")
    exits = held_out.exits
    if not budget >= each[0]:
        raise UserError(
            f"a budget of {figure(budget, unit)} an image is too little: "
            f"the first exit takes {figure(float(each[0]), unit, up=True)}"
        )
    told = f"budget {figure(budget, unit)}"
    if budget >= each[-1]:
        return ExitPolicy((NEVER,) * (exits - 1) + (0.0,), f"{told}, never exit early")
    if budget == each[0]:
        return ExitPolicy((0.0,) * exits, f"{told}, always exit 1")
    ratio_log2 = solve_ratio(cost, budget)
    found = _Search(held_out, each, float(budget)).found(ratio_log2)
    if found.spent < (1 - _TOLERANCE) * budget:
        above = _Search(held_out, each, (1 + _TOLERANCE) * budget).found(ratio_log2)
        found = above if above.spent > budget else found
    adjusted = ", then adjusted" if found.adjusted else ""
    how = f"{told}, shares r^k, r={2.0**found.ratio_log2:.4g}{adjusted}"
    return ExitPolicy(tuple(found.thresholds.tolist()), how)


def budgets(cost: Sequence[float], n: int = 20) -> tuple[float, ...]:
    """Budgets from 1.05 times the first exit's cost to 0.95 times the last one's, evenly spaced.

    Empty where no budget lies between: a network of one exit, or of equally costly ones.
    """
    each = _checked(cost)
    low, high = 1.05 * each[0], 0.95 * each[-1]
    return tuple(np.linspace(low, high, n).tolist()) if low < high else ()


@dataclass(frozen=True, eq=False, slots=True)
class _Found:
    """Thresholds [exits], the mean cost under them, the log2 r they come from."""

    thresholds: FloatArray
    spent: float
    ratio_log2: float
    adjusted: bool


class _Search:
    """Thresholds for one budget, never to be exceeded, on one set of images."""

    def __init__(self, held_out: HeldOut, cost: Costs, budget: float) -> None:
        self.held_out, self.cost, self.budget = held_out, cost, budget

    def found(self, nominal_log2: float) -> _Found:
        """The thresholds that spend most, of ratios or, where those leave too much, of any."""
        ratio_log2, thresholds, over = self.refined(nominal_log2)
        adjusted = self.unspent(thresholds) > _CLOSE
        if adjusted:
            thresholds = self.adjusted(thresholds, over)
        spent = float(self.realised(thresholds[None])[0])
        return _Found(thresholds, spent, ratio_log2, adjusted)

    def realised(self, thresholds: FloatArray) -> Costs:
        """Mean cost of an image under each row of `thresholds` [policies, exits]."""
        return tally(self.held_out, thresholds).mean(self.cost.tolist())

    def unspent(self, thresholds: FloatArray) -> float:
        """The part of the budget that these thresholds [exits] leave."""
        return 1.0 - float(self.realised(thresholds[None])[0]) / self.budget

    def refined(self, nominal_log2: float) -> tuple[float, FloatArray, FloatArray]:
        """The log2 r that spends most without exceeding the budget, its thresholds, the next ones.

        The cost is a step function of r, and with ties it may step down as well: each round looks
        at a row of ratios, the first around the nominal one, and goes on between the best one and
        the next, which exceeds the budget unless the best one is the last of all.
        """
        near = np.clip(nominal_log2 + np.linspace(-1, 1, _POINTS), -_OCTAVES, _OCTAVES)
        at = np.concatenate([[-_OCTAVES], near, [_OCTAVES]])
        for _ in range(_ROUNDS):
            found = thresholds_for(self.held_out, shares_of(at, self.held_out.exits))
            best = self._best(found)
            after = min(best + 1, len(at) - 1)
            if self.unspent(found[best]) < _CLOSE / 20:
                break
            at = np.linspace(at[best], at[after], _POINTS)
        return float(at[best]), found[best], found[after]

    def adjusted(self, *starts: FloatArray) -> FloatArray:
        """Thresholds that spend more of the budget than those of any r, or as much.

        Where many are equally sure, a small change of r moves all of them. An image's cost never
        falls as any one threshold rises, so each in turn becomes the highest that is affordable:
        from those of the nearest r, and where that is not enough from further ones.
        """
        never = np.full(self.held_out.exits, NEVER)
        never[-1] = 0.0
        early = range(self.held_out.exits - 1)
        rows = [starts[0]]
        for start, order in product((*starts, never), (early[::-1], early)):
            rows.append(self._raised(start, order))
            if self.unspent(rows[-1]) <= _CLOSE:
                break
        best: FloatArray = rows[self._best(np.stack(rows))]
        return between_images(self.held_out, best[None]).reshape(-1)

    def _best(self, thresholds: FloatArray) -> int:
        """The row of `thresholds` that spends most without exceeding the budget."""
        spent = self.realised(thresholds)
        best = int(np.argmax(np.where(spent <= self.budget, spent, -np.inf)))
        assert spent[best] <= self.budget  # one row lets everybody leave at the first exit
        return best

    def _raised(self, start: FloatArray, order: Sequence[int]) -> FloatArray:
        """Each threshold the highest affordable one, one after the other, twice."""
        row = start.astype(np.float64)
        for k in [*order, *order]:
            levels = np.append(np.unique(self.held_out.confidence[:, k]), NEVER)
            row[k], low, high = 0.0, -1, len(levels)
            while high - low > 1:
                middle = (low + high) // 2
                tried = row.copy()
                tried[k] = levels[middle]
                if self.realised(tried[None])[0] <= self.budget:
                    row, low = tried, middle
                else:
                    high = middle
        return row


def _checked(cost: Sequence[float]) -> Costs:
    each = np.asarray(cost, np.float64)
    if each.ndim != 1 or not len(each) or not bool(np.all(np.isfinite(each) & (each > 0))):
        raise ValueError(f"costs must be finite and positive, one an exit: {cost}")
    if bool(np.any(np.diff(each) < 0)):
        raise ValueError(f"a later exit cannot cost less: {cost}")
    return each


def figure(value: float, unit: str = "", up: bool = False) -> str:
    """A cost to four digits, as a person reads it; `up`: never less than it is."""
    prefix = "M" if value >= 1e6 else ""
    scaled = value / 1e6 if prefix else value
    if up and math.isfinite(scaled) and scaled > 0:
        digit = 10.0 ** (math.floor(math.log10(scaled)) - 3)
        scaled = math.ceil(scaled / digit - 1e-9) * digit
    digits = f"{scaled:.4g}" if scaled < 9999.5 else f"{scaled:.0f}"  # .4g: 1e+04 from there on
    return f"{digits}{prefix} {unit}".rstrip()
