"""A trial under way: what is known of it before its training, and what to give to a worker."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from latency.source import LatencySource
from nas.data.dataset import DataSpec
from nas.faults import ATTEMPTS, Fault
from nas.known_networks import Stopped
from nas.measurement import Measurement
from nas.proposals import Proposal, derived_seed
from nas.store import Rung
from nas.training.memory_need import training_bytes
from nas.training.recipe import Recipe
from nas.training.trial import TrialJob, TrialOutcome
from search_spaces.architecture import Architecture
from search_spaces.blocks import BlockGraph
from search_spaces.operators import costs
from search_spaces.space import SearchSpace


@dataclass(frozen=True, slots=True)
class Task:
    """What every trial of a search shares."""

    data: DataSpec
    recipe: Recipe
    image: tuple[int, int, int]
    classes: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a network, known before its training."""

    exit_latency_ms: tuple[float, ...]
    exit_low_ms: tuple[float, ...] | None
    exit_high_ms: tuple[float, ...] | None
    how: str | None
    exit_macs: tuple[int, ...]
    parameters: int

    @property
    def needs(self) -> tuple[float, int, int]:
        """Milliseconds, parameters and MACs to the last exit: what bounds are about."""
        return self.exit_latency_ms[-1], self.parameters, self.exit_macs[-1]


@dataclass(frozen=True, slots=True)
class Underway:
    """first: number of the trial that this training began with. latency: of each exit, as found.

    until: the epoch after which it is judged. memory: bytes that its operators take in training.
    faults: of the attempts so far. alone: trained beside no other.
    """

    proposal: Proposal
    first: int
    seed: int
    cost: Cost
    latency: tuple[Mapping[str, Any], ...]
    until: int
    memory: int
    rungs: tuple[Rung, ...] = ()
    faults: tuple[Fault, ...] = ()

    @property
    def number(self) -> int:
        return self.proposal.number

    @property
    def key(self) -> str:
        return self.proposal.architecture.key

    @property
    def alone(self) -> bool:
        """Whether it needs all the memory there is: it found too little beside others."""
        return any(fault.reason == "oom" for fault in self.faults)

    def failed(self, fault: Fault) -> "Underway":
        """The same after an attempt that came to nothing."""
        return replace(self, faults=(*self.faults, fault))

    @property
    def may_try_again(self) -> bool:
        """Whether faults of the last one's kind were few enough for another attempt."""
        reason = self.faults[-1].reason
        return sum(each.reason == reason for each in self.faults) < ATTEMPTS.get(reason, 1)

    @property
    def fault(self) -> Fault:
        """The last one, and which attempt it ended."""
        last, attempts = self.faults[-1], len(self.faults)
        tried = f" (attempt {attempts})" if attempts > 1 else ""
        return replace(last, said=f"{last.said}{tried}")

    def job(self, task: Task, checkpoint: bool) -> TrialJob:
        """What a worker is given. checkpoint: train in less memory and more time."""
        architecture = self.proposal.architecture
        return TrialJob(
            space=architecture.space,
            version=architecture.version,
            architecture=architecture.to_json(),
            data=task.data,
            recipe=task.recipe,
            seed=self.seed,
            number=self.number,
            checkpoint=checkpoint,
            until=self.until,
        )

    def measurement(self, outcome: TrialOutcome) -> Measurement:
        """What its training found out. Raises ValueError for a latency that is none."""
        cost = self.cost
        return Measurement(
            exit_latency_ms=cost.exit_latency_ms,
            exit_low_ms=cost.exit_low_ms,
            exit_high_ms=cost.exit_high_ms,
            how=cost.how,
            exit_macs=cost.exit_macs,
            parameters=cost.parameters,
            held_out=outcome.held_out,
            seconds=outcome.seconds,
            epochs=outcome.epochs,
            seed=self.seed,
        )


class Pricer:
    """Puts a price on proposals of one search."""

    def __init__(
        self,
        space: SearchSpace,
        task: Task,
        source: LatencySource,
        seed: int,
        keep: Callable[[Architecture], None] = lambda architecture: None,
    ) -> None:
        """keep: told of every network that gets a price, which will be a trial."""
        self._space, self._task, self._source, self._seed = space, task, source, seed
        self._keep = keep

    def new(self, proposal: Proposal, until: int) -> Underway:
        """A training from its beginning. Raises what building or timing the network raises."""
        self._keep(proposal.architecture)
        graph = self._graph(proposal.architecture)
        seed = derived_seed(self._seed, "trial", proposal.number)
        sizes = costs(graph)
        estimates = tuple(self._source.estimate(graph, seed))
        cost = Cost(
            tuple(each.latency_ms for each in estimates),
            tuple(each.low_ms for each in estimates),
            tuple(each.high_ms for each in estimates),
            estimates[-1].how,
            tuple(sizes.lazy_macs),
            sizes.parameters,
        )
        found = tuple(map(asdict, estimates))
        return Underway(proposal, proposal.number, seed, cost, found, until, self._memory(graph))

    def continued(self, proposal: Proposal, stopped: Stopped, until: int) -> Underway:
        """A training that is taken up: its seed and its latency are those it had."""
        known = stopped.measured
        cost = Cost(
            tuple(known["exit_latency_ms"]),
            _exits(known, "exit_low_ms"),
            _exits(known, "exit_high_ms"),
            known.get("how"),
            tuple(known["exit_macs"]),
            known["parameters"],
        )
        return Underway(
            proposal, stopped.first, known["seed"], cost, stopped.latency, until,
            self._memory(self._graph(proposal.architecture)), stopped.rungs,
        )  # fmt: skip

    def _graph(self, architecture: Architecture) -> BlockGraph:
        return self._space.blocks(architecture, self._task.image, self._task.classes)

    def _memory(self, graph: BlockGraph) -> int:
        return training_bytes(graph, self._task.recipe.batch_size)


def _exits(measured: Mapping[str, Any], name: str) -> tuple[float, ...] | None:
    return tuple(measured[name]) if name in measured else None
