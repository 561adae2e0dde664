"""What a latency source says, beside fresh measurements: of random networks, or of a front."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from latency.source import How, LatencyEstimate, PerExit
from nas import frame
from nas.errors import UserError
from nas.proposals import derived_seed

if TYPE_CHECKING:
    from latency.bench import Bench
    from nas.record import TrialRecord
    from nas.run import Run
    from search_spaces.blocks import BlockGraph, Image
    from search_spaces.space import SearchSpace


@dataclass(frozen=True, slots=True)
class Subject:
    """A network whose prices are verified; ``trial`` is its trial, of a run."""

    key: str
    graph: "BlockGraph"
    trial: int | None = None


class Recorded:
    """The prices that a run recorded of its networks, as a latency source; nothing is asked anew.

    It prices the networks it was made with, in their order. Where a run recorded no interval, low
    and high are the price itself. ``all``: the prices.
    """

    def __init__(self, run: "Run", prices: Sequence[PerExit]) -> None:
        self.name, self.device = str(run.latency["runtime"]), str(run.latency["device"])
        self._run, self.all = run, tuple(prices)

    def estimate_many(self, graphs: "Sequence[BlockGraph]", seed: int = 0) -> tuple[PerExit, ...]:
        """Return the recorded prices; ``graphs`` are those it was made with."""
        assert len(graphs) == len(self.all), "a run knows the prices of its own networks alone"
        return self.all

    def estimate(self, graph: "BlockGraph", seed: int = 0) -> PerExit:
        """Return the price of the only network it was made with."""
        return self.estimate_many((graph,), seed)[0]

    def conditions(self) -> dict[str, Any]:
        """Return what the run recorded."""
        return dict(self._run.latency.get("conditions", {}))


def random_subjects(
    space: "SearchSpace", image: "Image", classes: int, count: int, seed: int
) -> list[Subject]:
    """Return different random networks of a space. Raises UserError where there are too few.

    Not those that a fit draws with the same seed, but for chance: a small space has few others.
    """
    from latency.model.drawing import distinct

    drawn = distinct(space, count, np.random.default_rng(derived_seed(seed, "verify")))
    if len(drawn) < count:
        raise UserError(
            f"space {space.name} has hardly more than {len(drawn)} networks: ask for fewer"
        )
    return [Subject(each.key, space.blocks(each, image, classes)) for each in drawn]


def front_subjects(run: "Run") -> tuple[list[Subject], Recorded]:
    """Return the networks of a run's front, slowest last, and their recorded prices.

    Raises UserError where no trial is complete.
    """
    records = {each.trial: each for each in run.records()}
    rows = frame.pareto(records.values(), run.objective())
    kept = [records[trial] for trial in dict.fromkeys(rows["trial"].tolist())]
    if not kept:
        raise UserError(f"run {run.name!r} has no complete trial yet: there is no front")
    space, shape = run.space(), run.shape()
    subjects = []
    for record in kept:
        assert record.architecture is not None
        graph = space.blocks(record.architecture, *shape)
        subjects.append(Subject(record.architecture.key, graph, record.trial))
    return subjects, Recorded(run, [_prices(record) for record in kept])


def refuse_other_device(run: "Run", bench: "Bench") -> None:
    """Raise UserError, naming the difference, where a run's latencies are of another device."""
    from latency.fingerprint import shared_differences

    if found := shared_differences(run.latency.get("conditions", {}), bench.fingerprint()):
        raise UserError(f"run {run.name!r} is priced for another device: {'; '.join(found)}")


def _prices(record: "TrialRecord") -> PerExit:
    found = record.measurement
    assert found is not None
    times = found.exit_latency_ms
    how = cast(How, found.how or "measured")
    bounds = zip(times, found.exit_low_ms or times, found.exit_high_ms or times, strict=True)
    return tuple(LatencyEstimate(ms, low, high, how) for ms, low, high in bounds)
