"""The search loop: ask, price, train, tell, until enough trials have ended.

Nothing here is decided by time but the order in which workers finish: with one worker the same seed
gives the same sequence, and a search that was killed anywhere goes on as if it had not been.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import optuna
from optuna.trial import TrialState

from latency.bench import DeviceLost
from latency.source import LatencyEstimate, LatencySource
from nas import live, records
from nas.bounds import Bounds
from nas.data.dataset import DataSpec
from nas.errors import UserError
from nas.executors.protocol import Done, Executor, reason
from nas.interruption import Interruption, Stopped
from nas.kept_weights import KeptWeights
from nas.measurement import Measurement
from nas.progress import Progress, Status
from nas.proposals import Proposal, begin, derived_seed, propose, proposed
from nas.repetitions import middle, quality
from nas.run import Run
from nas.store import Store
from nas.training.recipe import Recipe
from nas.training.trial import TrialJob, TrialOutcome
from search_spaces.blocks import BlockGraph
from search_spaces.operators import costs

HOPELESS = 5  # so many failures and no success: something is wrong with all of them
WASTED = 20  # so many proposals for each trial asked for, and the controller finds none to train
_POLL = 0.5  # seconds between looks at the workers


@dataclass(frozen=True, slots=True)
class Task:
    """What every trial of a search shares."""

    data: DataSpec
    recipe: Recipe
    image: tuple[int, int, int]
    classes: int


@dataclass(frozen=True, slots=True)
class _Priced:
    """A trial under way, with what is known before it is trained."""

    proposal: Proposal
    latency: tuple[LatencyEstimate, ...]
    exit_macs: tuple[int, ...]
    parameters: int
    seed: int


class Loop:
    """Drives one run; make it, hand it an executor, call `go` once."""

    def __init__(
        self,
        run: Run,
        task: Task,
        store: Store,
        sampler: optuna.samplers.BaseSampler,
        source: LatencySource,
        interruption: Interruption,
        progress: Progress,
        clock: Callable[[], float],
        now: Callable[[], float] = time.time,
    ) -> None:
        """clock: seconds, monotonic. now: seconds since the epoch."""
        self._run, self._task, self._store, self._sampler = run, task, store, sampler
        self._source, self._interruption = source, interruption
        self._progress, self._clock = progress, clock
        self._space, self._objective, self._reward = run.space(), run.objective(), run.reward()
        self._starts = run.starting_points()
        self._weights = KeptWeights(run)
        self._trained: dict[str, list[tuple[int, Measurement]]] = {}  # by key, with their trials
        self._rewards: dict[str, float] = {}  # by key, of the training that stands for the network
        self._bounds = Bounds.of(run.settings)
        # By key: why it was not trained, and by which part it is beyond each bound.
        self._refused: dict[str, tuple[str, Mapping[str, float]]] = {}
        self._running: dict[int, _Priced] = {}
        self._waiting: dict[int, list[Proposal]] = {}  # duplicates of a trial under way
        self._backlog: deque[Proposal] = deque()
        self._losses: dict[int, tuple[float, ...]] = {}  # of each epoch of a trial under way
        self._live, self._workers = live.Writer(run.path, clock, now), 0
        self._failed = self._reused = 0
        self._recall()
        self._start, self._done_before = 0.0, store.told - store.pruned

    def go(self, executor: Executor) -> None:
        """Runs until all trials have ended, time is up or the user asks to stop.

        Raises UserError when the first trials all fail.
        """
        self._start, self._workers = self._clock(), executor.capacity
        self._say_live()
        try:
            self._turn(executor)
        finally:
            self._say_live(closed=True)

    def _turn(self, executor: Executor) -> None:
        while not self._interruption.requested:
            try:
                self._fill(executor)  # which may measure, for long
                if not self._running:
                    return
                self._say_live()  # not before: workers that are free for a moment are no news
                ended = executor.completed(_POLL)
            except Stopped:
                return
            for done in ended:
                self._conclude(done)
            self._show()

    def on_epoch(self, trial: int, losses: tuple[float, ...]) -> None:
        """Told by the executor how far a trial is: the loss of each epoch so far."""
        self._losses[trial] = losses
        self._show()
        self._say_live()

    def beat(self) -> None:
        """Called wherever this process itself works for long, so that it is not silent."""
        if self._live.due:
            self._say_live()

    def _recall(self) -> None:
        """Takes up what the store holds: finished trials count, running ones are run again."""
        for trial in self._store.trials:
            record = records.record(self._run, self._space, trial)
            assert record.architecture is not None
            if trial.state == TrialState.RUNNING:
                self._backlog.append(proposed(trial, record.architecture))
            elif record.reused_from is not None:
                self._reused += 1
            elif record.measurement is not None:
                key = record.architecture.key
                self._weights.add(record.trial, key, record.measurement, None)
                self._remember(record.trial, key, record.measurement)
            elif trial.state == TrialState.FAIL:
                self._failed += 1
            elif trial.state == TrialState.PRUNED:
                self._refused[record.architecture.key] = (record.error or "", trial.constraints)
        self._weights.drop_others()

    def _remember(self, number: int, key: str, measurement: Measurement) -> None:
        self._trained.setdefault(key, []).append((number, measurement))
        seen = self._objective.view(self._known(key)[1])
        self._rewards[key] = self._reward(seen.accuracy, seen.latency_ms)

    def _known(self, key: str) -> tuple[int, Measurement]:
        """The training that stands for a network, and its trial."""
        return middle(self._trained[key], lambda each: (quality(each[1]), each[0]))

    def _fill(self, executor: Executor) -> None:
        """Gives every free worker a trial."""
        while len(self._running) < executor.capacity and not self._interruption.requested:
            if not self._backlog and not self._may_ask(executor.capacity):
                return
            self._admit(self._next(), executor)
            self._show()
            self.beat()

    def _next(self) -> Proposal:
        """A trial under way before, else the next network to begin with, else a proposal."""
        if self._backlog:
            return self._backlog.popleft()
        if (started := self._store.started) < len(self._starts):
            return begin(self._store, self._starts[started], self._space)
        return propose(self._store, self._sampler, self._space)

    def _may_ask(self, capacity: int) -> bool:
        settings = self._run.settings
        # A controller that repeats itself must not fill the study while its first answer is due.
        crowded = sum(len(proposals) for proposals in self._waiting.values()) >= capacity
        over = settings.max_time is not None and self._elapsed() >= settings.max_time
        asked, pruned = len(self._store.trials), self._store.pruned
        enough = asked - pruned >= settings.trials or asked >= WASTED * settings.trials
        return not crowded and not over and not enough

    def _admit(self, proposal: Proposal, executor: Executor) -> None:
        """Trains a new architecture; a known one is told what is known of it, now or soon.

        Or one that the controller wants trained again.
        """
        key = proposal.architecture.key
        if key in self._trained and not proposal.again:
            self._reuse(proposal)
            return
        if key in self._refused and not proposal.wanted:
            self._prune(proposal, *self._refused[key])
            return
        for number, priced in self._running.items():
            if priced.proposal.architecture.key == key:
                self._waiting.setdefault(number, []).append(proposal)
                return
        try:
            priced = self._price(proposal)
        except DeviceLost:
            raise  # nothing is wrong with the network: it is tried again when the run goes on
        except (ValueError, RuntimeError, MemoryError) as error:  # it cannot be built or timed
            self._fail(proposal, reason(error))
            return
        if self._is_refused(priced):
            return
        self._running[proposal.number] = priced
        executor.submit(self._job(priced))

    def _is_refused(self, priced: _Priced) -> bool:
        """Tells the controller at once of a network beyond the bounds; nobody trains it."""
        needs = priced.latency[-1].latency_ms, priced.parameters, priced.exit_macs[-1]
        beyond = self._bounds.beyond(*needs)
        if not beyond or priced.proposal.wanted:
            return False
        self._prune(priced.proposal, f"not trained: {beyond}", self._bounds.excesses(*needs))
        return True

    def _prune(self, proposal: Proposal, reason: str, excesses: Mapping[str, float]) -> None:
        self._refused[proposal.architecture.key] = (reason, excesses)
        facts = records.facts(proposal.architecture, error=reason)
        self._store.prune(proposal.number, facts, excesses)

    def _price(self, proposal: Proposal) -> _Priced:
        """What the architecture costs, known before training."""
        graph: BlockGraph = self._space.blocks(
            proposal.architecture, self._task.image, self._task.classes
        )
        seed = derived_seed(self._run.settings.seed, "trial", proposal.number)
        cost = costs(graph)
        return _Priced(
            proposal,
            tuple(self._source.estimate(graph, seed)),
            tuple(cost.lazy_macs),
            cost.parameters,
            seed,
        )

    def _job(self, priced: _Priced) -> TrialJob:
        architecture = priced.proposal.architecture
        return TrialJob(
            space=architecture.space,
            version=architecture.version,
            architecture=architecture.to_json(),
            data=self._task.data,
            recipe=self._task.recipe,
            seed=priced.seed,
            number=priced.proposal.number,
            checkpoint=self._run.settings.checkpoint,
        )

    def _conclude(self, done: Done) -> None:
        priced = self._running.pop(done.number)
        self._losses.pop(done.number, None)
        if done.outcome is None:
            self._fail(priced.proposal, done.error or "no reason given")
        else:
            self._complete(priced, done.outcome)
        for duplicate in self._waiting.pop(done.number, []):
            if duplicate.architecture.key in self._trained and not duplicate.again:
                self._reuse(duplicate)
            else:
                self._backlog.append(duplicate)

    def _complete(self, priced: _Priced, outcome: TrialOutcome) -> None:
        proposal = priced.proposal
        try:
            measurement = Measurement(
                exit_latency_ms=tuple(each.latency_ms for each in priced.latency),
                exit_low_ms=tuple(each.low_ms for each in priced.latency),
                exit_high_ms=tuple(each.high_ms for each in priced.latency),
                how=priced.latency[-1].how,
                exit_macs=priced.exit_macs,
                parameters=priced.parameters,
                held_out=outcome.held_out,
                seconds=outcome.seconds,
                epochs=outcome.epochs,
                seed=priced.seed,
            )
        except ValueError as error:  # a latency that is zero or no number
            self._fail(proposal, reason(error))
            return
        values = self._objective.values(measurement)
        if not all(math.isfinite(value) for value in values):
            self._fail(proposal, f"objective values {values} are not all finite")
            return
        outcome.held_out.save(self._run.facts_path(proposal.number))
        key = proposal.architecture.key
        self._weights.add(proposal.number, key, measurement, outcome.weights)
        latency = [asdict(each) for each in priced.latency]
        self._tell(proposal, measurement, values, latency=latency, losses=outcome.losses)
        self._remember(proposal.number, key, measurement)
        self._weights.drop_others()

    def _reuse(self, proposal: Proposal) -> None:
        original, measurement = self._known(proposal.architecture.key)
        self._reused += 1
        values = self._objective.values(measurement)
        self._tell(proposal, measurement, values, reused_from=original)

    def _tell(
        self,
        proposal: Proposal,
        measurement: Measurement,
        values: tuple[float, ...],
        **more: Any,
    ) -> None:
        facts = records.facts(proposal.architecture, measurement=measurement, **more)
        excesses = self._bounds.excesses(
            measurement.exit_latency_ms[-1], measurement.parameters, measurement.exit_macs[-1]
        )
        self._store.complete(proposal.number, facts, values, excesses)

    def _fail(self, proposal: Proposal, error: str) -> None:
        self._failed += 1
        self._store.fail(proposal.number, records.facts(proposal.architecture, error=error))
        self._progress.say(f"trial {proposal.number} failed: {error}")
        if self._failed >= HOPELESS and not self._trained:
            raise UserError(f"stopped: the first {self._failed} trials all failed, last: {error}")

    def _elapsed(self) -> float:
        return self._clock() - self._start

    def _show(self) -> None:
        self._progress.show(
            Status(
                done=self._store.told - self._store.pruned,
                total=self._run.settings.trials,
                failed=self._failed,
                reused=self._reused,
                pruned=self._store.pruned,
                best_reward=max(self._rewards.values(), default=None),
                running=tuple((n, len(self._losses.get(n, ()))) for n in sorted(self._running)),
                epochs=self._task.recipe.epochs,
                seconds_left=self._left(),
            )
        )

    def _say_live(self, closed: bool = False) -> None:
        """For who watches from elsewhere; a driver that has ended trains nothing."""
        running = () if closed else tuple(sorted(self._running.items()))
        self._live.say(
            workers=self._workers,
            done=self._store.told - self._store.pruned,
            total=self._run.settings.trials,
            seconds_left=self._left(),
            epochs=self._task.recipe.epochs,
            running=tuple(
                live.Underway(n, priced.proposal.architecture.key, self._losses.get(n, ()))
                for n, priced in running
            ),
            closed=closed,
        )

    def _left(self) -> float | None:
        """Seconds to go, if the trials to come are like those of this session."""
        ended, settings = self._store.told - self._store.pruned, self._run.settings
        done = ended - self._done_before
        if done == 0:
            return None
        left = self._elapsed() / done * max(0, settings.trials - ended)
        if settings.max_time is None:
            return left
        return min(left, max(0.0, settings.max_time - self._elapsed()))
