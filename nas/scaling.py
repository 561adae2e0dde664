"""A network made wider or narrower: by a factor, or until it has a number of MACs or a latency."""

import math
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from nas import plugins
from nas.description import Image, check_shape
from nas.errors import UserError
from nas.quantities import latency_ms
from nas.width_search import TOLERANCE, Counted, WidthSearch
from search_spaces.widths import refuse_factor

if TYPE_CHECKING:
    from latency.source import LatencySource
    from search_spaces.architecture import Architecture, Option
    from search_spaces.blocks import BlockGraph
    from search_spaces.operators import Costs
    from search_spaces.space import SearchSpace

MEASUREMENTS = 8  # of one latency target; the widths between them follow the law they show
_HOPELESS = 0.5  # of the target: the end of the widths is no answer to what was asked
_CLOSE = 0.01  # of the target latency: nearer than what a measurement repeats
_MACS = re.compile(r"([0-9]+(?:\.[0-9]*)?(?:e[0-9]{1,2})?|\.[0-9]+)\s*([kmgt]?)")
_PREFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "t": 1e12}


@dataclass(frozen=True, slots=True)
class Size:
    """What a network costs up to its last exit; milliseconds where they were asked for."""

    parameters: int
    macs: int
    latency_ms: float | None


@dataclass(frozen=True, slots=True)
class Reached:
    """How near a network came: ``value``, in MACs or milliseconds, beside the target.

    ``below`` and ``above`` are the nearest buildable ones found on either side, where there are.
    """

    unit: Literal["macs", "latency_ms"]
    target: float
    value: float
    below: float | None
    above: float | None

    @property
    def distance(self) -> float:
        """The signed share of the target by which it is missed."""
        return self.value / self.target - 1

    @property
    def within_tolerance(self) -> bool:
        """Tell whether the target is met within 3 %."""
        return abs(self.distance) <= TOLERANCE


@dataclass(frozen=True, slots=True)
class Scaling:
    """A scaled network; ``widths`` are the decisions that changed, from and to."""

    architecture: "Architecture"
    image: Image
    classes: int
    before: Size
    after: Size
    widths: "dict[str, tuple[Option, Option]]"
    reached: Reached | None

    def to_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        reached = self.reached
        return {
            "space": self.architecture.space,
            "key": self.architecture.key,
            "image": list(self.image),
            "classes": self.classes,
            "before": asdict(self.before),
            "after": asdict(self.after),
            "widths": {name: list(change) for name, change in self.widths.items()},
            "target": reached and {**asdict(reached), "distance": reached.distance},
        }


def scale(
    architecture: "Architecture",
    width: float | None = None,
    target_macs: int | float | str | None = None,
    target_latency: float | str | None = None,
    image: Image = (3, 32, 32),
    classes: int = 100,
    latency: "LatencySource | None" = None,
) -> Scaling:
    """Scale the widths of a network; exactly one of the three goals is given.

    Args:
        architecture: what to scale; all but its widths stays.
        width: factor of every width.
        target_macs: multiply-accumulates up to the last exit, such as 140e6 or "140M".
        target_latency: of the last exit at batch 1, such as "3ms" or milliseconds.
        image: channels, height and width of one input, in pixels.
        classes: size of the output.
        latency: what measures a latency target; PyTorch on this CPU by default.

    A target is met by the nearest network that was found, which ``reached`` compares with it.

    Raises:
        UserError: not exactly one goal, one that is no quantity, or a network without widths.
        SpaceError: a factor out of range, or a network that cannot be built at this shape.
        LatencyError: a network that cannot be timed.
    """
    check_shape(image, classes)
    one_goal(width, target_macs, target_latency)
    at = _At(plugins.space(architecture.space), image, classes)
    if not at.space.widths(architecture):
        raise UserError(f"this network of space {architecture.space} has no widths to scale")
    if target_macs is not None:
        return _to_macs(at, architecture, macs(target_macs))
    if target_latency is not None:
        source = latency or plugins.runtime("torch")
        return _to_latency(at, architecture, latency_ms(target_latency), source)
    assert width is not None
    return _scaling(at, architecture, at.space.scaled(architecture, width))


def one_goal(
    width: float | None,
    target_macs: int | float | str | None,
    target_latency: float | str | None,
) -> None:
    """Raise UserError for no goal, several or what is no quantity, SpaceError for a bad factor."""
    if sum(goal is not None for goal in (width, target_macs, target_latency)) != 1:
        raise UserError("give exactly one of width, target MACs and target latency")
    if width is not None:
        refuse_factor(width)
    if target_macs is not None:
        macs(target_macs)
    if target_latency is not None:
        latency_ms(target_latency)


def macs(value: int | float | str) -> float:
    """Multiply-accumulates in '140M', '1.2G', '140000000' or a plain number.

    Raises UserError for less than one, and for what is no number.
    """
    if isinstance(value, str):
        match = _MACS.fullmatch(value.strip().lower())
        number = float(match[1]) * _PREFIXES[match[2]] if match else math.nan
    else:
        number = float(value) if _is_number(value) else math.nan
    if not (math.isfinite(number) and number >= 1):
        raise UserError(f"{value!r} is not a number of MACs such as 140M, 1.2G or 140000000")
    return number


def _is_number(value: Any) -> bool:
    return (type(value) is int and value < 1e30) or type(value) is float


@dataclass(frozen=True, slots=True)
class _At:
    """A space at the shape that its networks are costed at."""

    space: "SearchSpace"
    image: Image
    classes: int

    def graph(self, architecture: "Architecture") -> "BlockGraph":
        return self.space.blocks(architecture, self.image, self.classes)

    def costs(self, architecture: "Architecture") -> "Costs":
        from search_spaces.operators import costs

        return costs(self.graph(architecture))

    def macs(self, architecture: "Architecture") -> int:
        return self.costs(architecture).lazy_macs[-1]


def _to_macs(at: _At, architecture: "Architecture", target: float) -> Scaling:
    widths = WidthSearch(at.space, architecture, at.macs)
    found = widths.nearest(target)
    below, above = (None if side is None else side.macs for side in widths.around(target))
    _refuse_unreachable(target, below, above)
    reached = Reached("macs", target, found.macs, below, above)
    return _scaling(at, architecture, found.architecture, reached)


def _refuse_unreachable(target: float, below: int | None, above: int | None) -> None:
    """Raise UserError for a target that even the narrowest or the widest network is far from."""
    for known, other, end in ((above, below, "least"), (below, above, "most")):
        if known is not None and other is None and abs(known / target - 1) > _HOPELESS:
            raise UserError(
                f"{target:,.0f} MACs cannot be reached by widths: the {end} is {known:,}"
            )


def _to_latency(
    at: _At, architecture: "Architecture", target_ms: float, source: "LatencySource"
) -> Scaling:
    """Measure a few networks, each where those before say that the target lies."""
    widths = WidthSearch(at.space, architecture, at.macs)
    timed: dict[str, _Timed] = {}
    following: Counted | None = widths.nearest(at.macs(architecture))
    while following is not None and len(timed) < MEASUREMENTS:
        found_ms = source.estimate(at.graph(following.architecture))[-1].latency_ms
        timed[following.architecture.key] = _Timed(following, found_ms)
        following = _next_to_time(widths, timed, target_ms)
    times = {key: each.latency_ms for key, each in timed.items()}
    chosen = min(timed.values(), key=lambda each: abs(each.latency_ms - target_ms))
    below = max((ms for ms in times.values() if ms <= target_ms), default=None)
    above = min((ms for ms in times.values() if ms >= target_ms), default=None)
    reached = Reached("latency_ms", target_ms, chosen.latency_ms, below, above)
    return _scaling(at, architecture, chosen.network.architecture, reached, times)


@dataclass(frozen=True, slots=True)
class _Timed:
    network: Counted
    latency_ms: float


def _next_to_time(
    widths: WidthSearch, timed: dict[str, _Timed], target_ms: float
) -> Counted | None:
    """Return the network to measure next; None where it would bring the target no nearer."""
    missed = min(abs(each.latency_ms / target_ms - 1) for each in timed.values())
    if missed <= _CLOSE:
        return None
    wanted = _macs_at(target_ms, list(timed.values()))
    nearest = widths.nearest(wanted)
    if nearest.architecture.key not in timed:
        return nearest
    beside = [each for each in widths.around(wanted) if each and each.architecture.key not in timed]
    return beside[0] if beside and missed > TOLERANCE else None


def _macs_at(target_ms: float, timed: list[_Timed]) -> float:
    """MACs at a latency: on the line through two measurements, one on each side where there is.

    Proportional to the latency where there is one alone, or two contradict each other.
    """
    first, *others = sorted(timed, key=lambda each: abs(each.latency_ms - target_ms))
    slower = first.latency_ms >= target_ms
    across = [each for each in others if (each.latency_ms >= target_ms) != slower]
    for second in (across or others)[:1]:
        run = first.network.macs - second.network.macs
        rise = first.latency_ms - second.latency_ms
        if run * rise > 0:
            return max(1.0, first.network.macs + run / rise * (target_ms - first.latency_ms))
    return max(1.0, first.network.macs * target_ms / first.latency_ms)


def _scaling(
    at: _At,
    before: "Architecture",
    after: "Architecture",
    reached: Reached | None = None,
    times: dict[str, float] | None = None,
) -> Scaling:
    names = [d.name for d in at.space.widths(before, fine=True)]
    return Scaling(
        architecture=after,
        image=at.image,
        classes=at.classes,
        before=_size(at, before, times),
        after=_size(at, after, times),
        widths={name: (before[name], after[name]) for name in names if before[name] != after[name]},
        reached=reached,
    )


def _size(at: _At, architecture: "Architecture", times: dict[str, float] | None) -> Size:
    costs = at.costs(architecture)
    return Size(costs.parameters, costs.lazy_macs[-1], (times or {}).get(architecture.key))
