"""The search loop: ask, price, train, compare, tell, until enough trials have ended.

Nothing here is decided by time but the order in which workers finish: with one worker the same seed
gives the same sequence, and a search that was killed anywhere goes on as if it had not been.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import optuna

from latency.bench import DeviceLost
from nas import faults, live, records
from nas.bounds import Bounds
from nas.errors import UserError
from nas.executors.protocol import Done, Executor, Report
from nas.faults import Fault
from nas.interruption import Interruption, Stopped
from nas.judgements import Judgements
from nas.kept_checkpoints import KeptCheckpoints
from nas.kept_weights import KeptWeights
from nas.known_networks import KnownNetworks, Refused
from nas.known_networks import Stopped as StoppedEarly
from nas.measurement import Measurement, needs
from nas.packing import Packing
from nas.patience import Patience
from nas.progress import Progress
from nas.proposals import Proposal, begin, propose, proposed
from nas.recall import Memory, Pending, recall
from nas.room import Room
from nas.run import Run
from nas.rungs import Ladder
from nas.speaker import Speaker
from nas.store import FACTS, Rung, Store, is_counted
from nas.training.trial import TrialOutcome
from nas.underway import Pricer, Task, Underway

HOPELESS = 5  # so many failures and no success: something is wrong with all of them
WASTED = 20  # so many proposals for each trial asked for, and the controller finds none to train
_POLL = 0.5  # seconds between looks at the workers


class Loop:
    """Drives one run; make it, hand it an executor, call `go` once."""

    def __init__(
        self,
        run: Run,
        task: Task,
        store: Store,
        sampler: optuna.samplers.BaseSampler,
        pricer: Pricer,
        interruption: Interruption,
        progress: Progress,
        clock: Callable[[], float],
        now: Callable[[], float] = time.time,
    ) -> None:
        """clock: seconds, monotonic. now: seconds since the epoch."""
        self._run, self._task, self._store, self._sampler = run, task, store, sampler
        self._interruption, self._space = interruption, run.space()
        self._objective, self._starts = run.objective(), run.starting_points()
        self._bounds, self._pricer = Bounds.of(run.settings), pricer
        self._rungs = run.settings.rungs(task.recipe.epochs)
        self._room = room = Room(progress.say, interruption.check)
        self._memory = memory = Memory(
            KnownNetworks(),
            Judgements(run),
            Ladder(self._rungs, [1 if d == "maximize" else -1 for d in self._objective.directions]),
            KeptWeights(run, room),
            KeptCheckpoints(run.path, room),
            Patience(run.settings.patience),
        )
        recall(run, store, memory)
        self._known, self._weights = memory.known, memory.weights
        self._pending = deque(memory.pending)
        self._ready: deque[Underway] = deque()  # to be given out: they have begun before
        self._running: dict[int, Underway] = {}
        self._packing = Packing(progress.say)
        self._waiting: dict[int, list[Proposal]] = {}  # duplicates of a trial under way
        self._say = Speaker(run, store, memory, progress, task.recipe.epochs, clock, now)

    def go(self, executor: Executor) -> str:
        """Runs until all trials have ended, time is up or the user asks to stop; says which.

        Raises UserError when the first trials all fail.
        """
        self._say.begin(executor.capacity)
        self._say.tell(self._running)
        why = "an error"
        try:
            self._turn(executor)
            why = self._why()
        finally:
            self._say.tell(self._running, why)
        return why

    def _turn(self, executor: Executor) -> None:
        while not self._interruption.requested:
            try:
                more = self._fill(executor)  # which may measure, for long
                if not more and not self._running:
                    return
                # Not before: workers that are free for a moment are no news.
                self._say.tell(self._running)
                for done in executor.completed(_POLL):
                    self._conclude(done)
            except Stopped:
                return
            self._say.show(self._running)

    def _why(self) -> str:
        settings = self._run.settings
        if self._interruption.requested:
            return "stopped by the user"
        if self._store.ended >= settings.trials:
            return live.DONE
        if self._memory.patience.is_over:
            return f"no progress in {self._memory.patience.waited} trials in a row (patience)"
        if self._is_late():
            return f"the time is up (max time {settings.max_time:g} s)"
        return "the controller finds nothing more to train"

    def on_report(self, report: Report) -> None:
        """Told by the executor how far a trial is; others than those under way are not heard."""
        underway = self._running.get(report.number)
        if underway is None:
            return
        if report.left is not None:
            self._memory.checkpoints.keep(underway.first, report.left, len(report.losses))
        self._say.losses(report.number, report.losses)
        self._say.show(self._running)
        self._say.tell(self._running)

    def beat(self) -> None:
        """Called wherever this process itself works for long, so that it is not silent."""
        if self._say.is_due:
            self._say.tell(self._running)

    def _fill(self, executor: Executor) -> bool:
        """Gives every free worker a trial; whether there would be more to do."""
        while not self._interruption.requested:
            if not self._has_room(executor):
                return True
            if self._ready:
                self._give(self._ready.popleft(), executor)
            elif self._pending:
                self._go_on(self._pending.popleft(), executor)
            elif (promoted := self._promoted()) is not None:
                self._give(promoted, executor)
            elif self._may_ask(executor.capacity):
                self._admit(self._next(), executor)
            else:
                return False
            self._say.show(self._running)
            self.beat()
        return False

    def _has_room(self, executor: Executor) -> bool:
        free = len(self._running) < executor.capacity
        return free and (not self._ready or self._packing.fits(self._ready[0], executor))

    def _next(self) -> Proposal:
        """The next network to begin with, else a proposal."""
        if (started := self._store.started) < len(self._starts):
            return begin(self._store, self._starts[started], self._space)
        return propose(self._store, self._sampler, self._space)

    def _may_ask(self, capacity: int) -> bool:
        settings = self._run.settings
        # A controller that repeats itself must not fill the study while its first answer is due.
        crowded = sum(len(proposals) for proposals in self._waiting.values()) >= capacity
        asked = self._store.asked
        enough = asked >= settings.trials or len(self._store.trials) >= WASTED * settings.trials
        return not (crowded or enough or self._is_late() or self._memory.patience.is_over)

    def _is_late(self) -> bool:
        settings = self._run.settings
        return settings.max_time is not None and self._say.elapsed >= settings.max_time

    def _promoted(self) -> Underway | None:
        """A training that was stopped and is among the best of its rung by now."""
        found = self._memory.promotable({e.key for e in [*self._running.values(), *self._ready]})
        if found is None or self._is_late() or self._memory.patience.is_over:
            return None
        stopped, epochs = found
        trial = self._store.promote(self._store.trials[stopped.trial])
        architecture = records.architecture(self._space, trial)
        self._memory.ladder.promote(stopped.first, epochs)
        del self._known.stopped[architecture.key]
        proposal = proposed(trial, architecture)
        return self._pricer.continued(proposal, stopped, self._rungs.after(epochs))

    def _go_on(self, pending: Pending, executor: Executor) -> None:
        """A trial that was under way when the driver before this one ended."""
        if pending.stopped is None:
            self._admit(pending.proposal, executor, pending.rungs)
            return
        until = self._rungs.after(pending.rungs[-1][0])
        underway = self._pricer.continued(pending.proposal, pending.stopped, until)
        self._give(replace(underway, rungs=pending.rungs), executor)

    def _admit(self, proposal: Proposal, executor: Executor, rungs: tuple[Rung, ...] = ()) -> None:
        """Trains a new architecture; a known one is told what is known of it, now or soon.

        Or one that the controller wants trained again. rungs: it is beyond.
        """
        key = proposal.architecture.key
        if not proposal.again and self._is_known(proposal):
            return
        for number, underway in self._running.items():
            if underway.key == key:
                self._waiting.setdefault(number, []).append(proposal)
                return
        # What a user wants, or what is trained again, is not compared on the way.
        whole = proposal.wanted or proposal.again
        until = self._rungs.last if whole else self._rungs.after(rungs[-1][0] if rungs else 0)
        try:
            underway = self._pricer.new(proposal, until)
        except DeviceLost:
            raise  # nothing is wrong with the network: it is tried again when the run goes on
        except (ValueError, RuntimeError, MemoryError) as error:  # it cannot be built or timed
            self._fail(proposal, Fault("invalid", faults.one_line(error)))
            return
        if not self._is_refused(underway):
            self._give(replace(underway, rungs=rungs), executor)

    def _is_known(self, proposal: Proposal) -> bool:
        """Tells the controller at once what is known of a network; whether anything is."""
        key = proposal.architecture.key
        if self._known.is_trained(key):
            self._reuse(proposal)
        elif (stopped := self._known.stopped.get(key)) is not None and not proposal.wanted:
            self._repeat(proposal, stopped)
        elif (refused := self._known.refused.get(key)) is not None and not proposal.wanted:
            self._decline(proposal, refused)
        else:
            return False
        return True

    def _is_refused(self, underway: Underway) -> bool:
        """Tells the controller at once of a network beyond the bounds; nobody trains it."""
        needs = underway.cost.needs
        beyond = self._bounds.beyond(*needs)
        if not beyond or underway.proposal.wanted:
            return False
        refused = Refused(f"not trained: {beyond}", self._bounds.excesses(*needs))
        self._decline(underway.proposal, refused)
        return True

    def _decline(self, proposal: Proposal, refused: Refused) -> None:
        self._known.refused[proposal.architecture.key] = refused
        facts = records.facts(proposal.architecture, error=refused.why)
        self._store.prune(proposal.number, facts, refused.excesses)

    def _give(self, underway: Underway, executor: Executor) -> None:
        """Lets a worker train, from where an attempt before was left; later if it has no room."""
        if not self._packing.fits(underway, executor):
            self._ready.appendleft(underway)
            return
        job = underway.job(self._task, self._run.settings.checkpoint)
        self._running[underway.number] = underway
        left = self._memory.checkpoints.find(underway.first, job)
        executor.submit(job, left, self._packing.need(underway))

    def _conclude(self, done: Done) -> None:
        underway = self._running.pop(done.number)
        self._packing.learn(underway, done.outcome)
        if done.outcome is None:
            ended = self._hear(underway, done.fault or Fault("exception", "no reason given"))
        elif done.outcome.epochs < self._rungs.last:
            ended = self._compare(underway, done.outcome)
        else:
            ended = self._complete(underway, done.outcome)
        if not ended:
            return
        self._say.ended(done.number)
        for duplicate in self._waiting.pop(done.number, []):
            if duplicate.again or not self._is_known(duplicate):
                self._pending.append(Pending(duplicate))

    def _hear(self, underway: Underway, fault: Fault) -> bool:
        """An attempt failed: there is another one, or the trial has failed and this is True."""
        failed = underway.failed(fault)
        if failed.may_try_again:
            self._say.say(f"trial {underway.number} is tried again: {fault.said}")
            self._ready.append(failed)
            return False
        self._fail(underway.proposal, failed.fault)
        self._memory.checkpoints.drop(underway.first)
        return True

    def _compare(self, underway: Underway, outcome: TrialOutcome) -> bool:
        """A training came to a rung: it goes on, or it is stopped for now and this is True."""
        judged = self._judged(underway, outcome)
        if judged is None:
            return True
        measurement, values = judged
        ladder, first = self._memory.ladder, underway.first
        goes_on = ladder.may_go_on(first, outcome.epochs, values)
        ladder.add(first, outcome.epochs, values, goes_on)
        if outcome.left is not None:
            self._memory.checkpoints.keep(first, outcome.left, outcome.epochs)
        rungs = (*underway.rungs, (outcome.epochs, values))
        self._store.compare(underway.number, rungs)
        if goes_on:
            until = self._rungs.after(outcome.epochs)
            self._ready.appendleft(replace(underway, until=until, rungs=rungs))
            return False
        path = self._run.facts_path(underway.number)
        self._room.written(path, lambda: outcome.held_out.save(path))
        measured = measurement.facts()
        stopped = StoppedEarly(underway.number, first, measured, underway.latency, rungs)
        self._known.stopped[underway.key] = stopped
        self._prune(underway.proposal, stopped, losses=outcome.losses)
        self._count(underway.proposal, False)
        return True

    def _complete(self, underway: Underway, outcome: TrialOutcome) -> bool:
        judged = self._judged(underway, outcome)
        if judged is None:
            return True
        measurement, values = judged
        number, key, facts = underway.number, underway.key, {"measurement": measurement.facts()}
        path = self._run.facts_path(number)
        self._room.written(path, lambda: outcome.held_out.save(path))
        judgement = self._memory.judgements.of(number, facts, measurement)
        entered = self._weights.add(key, judgement, outcome.weights)
        latency = [dict(each) for each in underway.latency]
        self._tell(underway.proposal, measurement, values, latency=latency, losses=outcome.losses)
        better = self._memory.train(key, judgement)
        self._count(underway.proposal, better or entered)
        self._weights.drop_others()
        self._memory.checkpoints.drop(underway.first)
        return True

    def _judged(
        self, underway: Underway, outcome: TrialOutcome
    ) -> tuple[Measurement, tuple[float, ...]] | None:
        """What a training found out, and its worth; None where that is no number."""
        try:
            measurement = underway.measurement(outcome)
            return measurement, self._objective.finite_values(measurement)
        except ValueError as error:  # a latency that is zero or no number
            self._fail(underway.proposal, Fault("invalid", faults.one_line(error)))
            return None

    def _reuse(self, proposal: Proposal) -> None:
        first = self._known.stands(proposal.architecture.key).trial
        facts = self._store.trials[first].user_attrs[FACTS]
        measurement = records.measured(self._run, first, facts)
        self._tell(proposal, measurement, self._objective.values(measurement), reused_from=first)
        self._memory.reused += 1
        self._count(proposal, False)

    def _repeat(self, proposal: Proposal, stopped: StoppedEarly) -> None:
        """A network that was stopped before: it is as good as it was then."""
        self._store.compare(proposal.number, stopped.rungs)
        self._prune(proposal, stopped, reused_from=stopped.trial)
        self._memory.reused += 1
        self._count(proposal, False)

    def _prune(self, proposal: Proposal, stopped: StoppedEarly, **more: Any) -> None:
        facts = records.facts(
            proposal.architecture,
            measured=stopped.measured,
            latency=[dict(each) for each in stopped.latency],
            error=f"stopped after epoch {stopped.measured['epochs']} of {self._rungs.last}",
            **more,
        )
        self._store.prune(proposal.number, facts, self._bounds.excesses(*needs(stopped.measured)))

    def _tell(
        self,
        proposal: Proposal,
        measurement: Measurement,
        values: tuple[float, ...],
        **more: Any,
    ) -> None:
        measured = measurement.facts()
        facts = records.facts(proposal.architecture, measured=measured, **more)
        excesses = self._bounds.excesses(*needs(measured))
        self._store.complete(proposal.number, facts, values, excesses)

    def _fail(self, proposal: Proposal, fault: Fault) -> None:
        self._memory.failed += 1
        facts = records.facts(proposal.architecture, error=fault.said, reason=fault.reason)
        self._store.fail(proposal.number, facts, fault.reason)
        self._count(proposal, False)
        self._say.say(f"trial {proposal.number} failed: {fault.said}")
        if self._memory.failed >= HOPELESS and self._known.nothing_yet:
            failed = self._memory.failed
            raise UserError(f"stopped: the first {failed} trials all failed, last: {fault.said}")

    def _count(self, proposal: Proposal, progress: bool) -> None:
        """For patience: a training that was taken up is no further trial."""
        if progress or is_counted(self._store.trials[proposal.number]):
            self._memory.patience.told(progress)
