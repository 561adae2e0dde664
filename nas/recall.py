"""What a study tells the driver that takes it up: which networks are known, what is still to do."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState

from controllers.record import RUNGS, TOLD
from nas import records
from nas.judgements import Judgement, Judgements
from nas.kept_checkpoints import KeptCheckpoints
from nas.kept_weights import KeptWeights
from nas.known_networks import KnownNetworks, Refused, Stopped
from nas.patience import Patience
from nas.proposals import Proposal, proposed
from nas.rungs import Ladder
from nas.store import CONTINUES, FACTS, Rung, Store, is_counted, is_declined

if TYPE_CHECKING:
    from nas.run import Run
    from search_spaces.space import SearchSpace


@dataclass(frozen=True, slots=True)
class Pending:
    """A trial that was under way. stopped: what it takes up, if it does. rungs: it is beyond."""

    proposal: Proposal
    stopped: Stopped | None = None
    rungs: tuple[Rung, ...] = ()


@dataclass(slots=True)
class Memory:
    """What a driver keeps in mind of its run."""

    known: KnownNetworks
    judgements: Judgements
    ladder: Ladder
    weights: KeptWeights
    checkpoints: KeptCheckpoints
    patience: Patience
    failed: int = 0
    reused: int = 0
    pending: list[Pending] = field(default_factory=list)

    def promotable(self, busy: Container[str]) -> tuple[Stopped, int] | None:
        """The training that is to be taken up next, and its rung; none while it is among `busy`.

        busy: keys of the networks under way.
        """
        found = self.ladder.next()
        if found is None:
            return None
        first, epochs = found
        key, stopped = next(each for each in self.known.stopped.items() if each[1].first == first)
        return None if key in busy else (stopped, epochs)

    def train(self, key: str, judgement: Judgement) -> bool:
        """A network was trained to the end; whether the best reward of all rose by it."""
        stopped = self.known.stopped.get(key)
        if stopped is not None:  # another training of it was wanted: this one has no purpose left
            self.ladder.promote(stopped.first, stopped.rungs[-1][0])
            self.checkpoints.drop(stopped.first)
        return self.known.train(key, judgement)


def recall(run: "Run", store: Store, memory: Memory) -> None:
    """Fills the memory: finished trials in the order they were told, then those under way."""
    _Recall(run, store, memory).all()


class _Recall:
    def __init__(self, run: "Run", store: Store, memory: Memory) -> None:
        self._run, self._store, self._memory = run, store, memory
        self._space: SearchSpace = run.space()
        self._checkpoints = memory.checkpoints
        self._stopped: dict[int, Stopped] = {}  # by trial
        self._first: dict[int, int] = {}  # by trial: the one that its training began with

    def all(self) -> None:
        trials = self._store.trials
        finished = [trial for trial in trials if trial.state.is_finished()]
        for trial in sorted(finished, key=lambda each: each.system_attrs.get(TOLD, 0)):
            self._finished(trial)
        for trial in trials:
            if not trial.state.is_finished():
                self._under_way(trial)
        kept = {stopped.first for stopped in self._memory.known.stopped.values()}
        kept |= {self._first[trial.number] for trial in trials if not trial.state.is_finished()}
        self._checkpoints.drop_others(frozenset(kept))
        self._memory.weights.drop_others()

    def _finished(self, trial: FrozenTrial) -> None:
        memory, facts, progress = self._memory, trial.user_attrs.get(FACTS, {}), False
        if "key" not in facts:  # it was lost with a damaged database
            memory.failed += 1
            return
        key: str = facts["key"]
        earlier = self._take_up(trial, key)
        if facts.get("reused_from") is not None:
            memory.reused += 1
        elif is_declined(trial):
            memory.known.refused[key] = Refused(facts.get("error") or "", trial.constraints)
            return
        else:
            self._climb(trial, earlier)
            if trial.state == TrialState.COMPLETE:
                progress = self._trained(trial.number, facts)
            elif trial.state == TrialState.PRUNED:
                memory.known.stopped[key] = self._stopped[trial.number] = Stopped(
                    trial.number,
                    self._first[trial.number],
                    facts["measurement"],
                    tuple(facts.get("latency") or ()),
                    _rungs(trial),
                )
            else:
                memory.failed += 1
        if progress or is_counted(trial):
            memory.patience.told(progress)

    def _trained(self, number: int, facts: Mapping[str, Any]) -> bool:
        """A training to the end; whether the search was better by it."""
        memory, key = self._memory, facts["key"]
        judgement = memory.judgements.recalled(number, facts)
        if judgement is None:
            measurement = records.measured(self._run, number, facts)
            judgement = memory.judgements.of(number, facts, measurement)
        entered = memory.weights.add(key, judgement, None)
        return memory.train(key, judgement) or entered

    def _under_way(self, trial: FrozenTrial) -> None:
        architecture = records.architecture(self._space, trial)
        earlier = self._take_up(trial, architecture.key)
        inherited = () if earlier is None else earlier.rungs
        # Beyond a rung is who has trained on: what was decided at the last one may be unknown.
        behind = self._checkpoints.epochs(self._first[trial.number])
        own = [rung for rung in _rungs(trial)[len(inherited) :] if rung[0] < behind]
        for epochs, values in own:
            self._memory.ladder.add(self._first[trial.number], epochs, values, True)
        proposal = proposed(trial, architecture)
        self._memory.pending.append(Pending(proposal, earlier, (*inherited, *own)))

    def _take_up(self, trial: FrozenTrial, key: str) -> Stopped | None:
        """What this trial continues, which is no longer stopped then."""
        if CONTINUES not in trial.user_attrs:
            self._first[trial.number] = trial.number
            return None
        earlier = self._stopped[trial.user_attrs[CONTINUES]["trial"]]
        self._first[trial.number] = earlier.first
        self._memory.known.stopped.pop(key, None)
        self._memory.ladder.promote(earlier.first, earlier.rungs[-1][0])
        return earlier

    def _climb(self, trial: FrozenTrial, earlier: Stopped | None) -> None:
        """The rungs that this trial itself came to; at the last one it stopped if it is pruned."""
        rungs = _rungs(trial)[len(earlier.rungs) if earlier else 0 :]
        for place, (epochs, values) in enumerate(rungs, start=1):
            went_on = trial.state != TrialState.PRUNED or place < len(rungs)
            self._memory.ladder.add(self._first[trial.number], epochs, values, went_on)


def _rungs(trial: FrozenTrial) -> tuple[Rung, ...]:
    found = trial.system_attrs.get(RUNGS, ())
    return tuple((int(epochs), tuple(values)) for epochs, values in found)
