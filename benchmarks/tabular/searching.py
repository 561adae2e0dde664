"""One search over a table, in simulated time."""

import heapq
import time
import warnings
from collections import deque
from dataclasses import dataclass
from statistics import fmean

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from benchmarks.tabular.contender import Contender
from benchmarks.tabular.task import PARETO, Task
from controllers.from_record import FromRecord
from controllers.record import AGAIN, ASKED_AFTER, REPEATS, TOLD

MOST_REPEATS = 200
"""Proposals in a row of what was trained before; then one counts, that the search may end."""
SETTLED = 20, 4
"""So many in a row of so few networks: a policy that would say the same for hours."""
LAST = 100


@dataclass(frozen=True, slots=True)
class Course:
    """What became of the trials of a search that count.

    score: after each, by the true value: of the objective, of the incumbent; the hypervolume, of
    the front. rows: of each, until nothing better was left to find. best: how many trials it took
    to train a network of the highest true value, None if none was. repeats: how many show what was
    shown before, as nothing else was proposed. hours: simulated, of all. ask_ms: mean of the last
    `LAST` proposals.
    """

    score: list[float]
    rows: list[int]
    best: int | None
    repeats: int
    hours: float
    ask_ms: float

    @property
    def again(self) -> int:
        """How many trained a network once more, as the controller had asked for."""
        return len(self.rows) - len(set(self.rows)) - self.repeats


def run(task: Task, contender: Contender, trials: int, seed: int, workers: int = 1) -> Course:
    """Search until so many networks were trained, by `workers` at a time."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler, judge = (contender.sampler(task, seed) for _ in range(2))
    study = optuna.create_study(directions=task.directions, sampler=sampler)
    # One column is one training: another one would show the same.
    study.set_user_attr(REPEATS, task.observed.shape[1] > 1)
    # What the judge learns to choose a network is not there when the sampler is asked, and timed.
    search = _Search(task, study, judge, seed)
    while len(search.rows) < trials and not search.is_over:
        while len(search.running) < workers:
            search.ask()
        search.tell()
    return search.course(trials)


class _Search:
    def __init__(self, task: Task, study: optuna.Study, judge: BaseSampler, seed: int) -> None:
        self.task, self.study, self.judge, self.seed = task, study, judge, seed
        self.running: list[tuple[float, int, int, optuna.Trial]] = []
        self.rows: list[int] = []
        self._score: list[float] = []
        self._ask_ms: deque[float] = deque(maxlen=LAST)
        self._best: int | None = None
        self._repeats = 0
        self._now, self._told, self._optimum = 0.0, 0, task.optimum()
        self._in_vain: list[int] = []  # rows proposed since the last that counted
        self._shown: dict[int, list[tuple[float, ...]]] = {}  # by row, of each training
        self._values: dict[int, tuple[float, ...]] = {}  # their means
        self._distributions = dict(task.space.distributions())

    @property
    def is_over(self) -> bool:
        """Whether it has seen the best for what it is: who goes on finds nothing better."""
        return self._best is not None and self.task.exact

    def course(self, trials: int) -> Course:
        """Return what became of the search by now, as of so many trials."""
        ask_ms, hours = round(fmean(self._ask_ms), 3), round(self._now / 3600, 3)
        score = self._score + self._score[-1:] * (trials - len(self._score))
        return Course(score, self.rows, self._best, self._repeats, hours, ask_ms)

    def ask(self) -> None:
        """Propose a network and begin its training; what is known is told at once."""
        while True:
            start = time.perf_counter()
            trial = self._asked()
            self._ask_ms.append(1000 * (time.perf_counter() - start))
            row = self.task.space.architecture(trial.params).number
            underway = [running for _, _, running, _ in self.running]
            new = row not in self._values and row not in underway
            if new or self._again(trial, row) or self._exhausted():
                break
            self._in_vain.append(row)
            # What is under way has no result yet: that proposal came to nothing.
            known = self._values.get(row)
            self._tell(trial, known)
        self._in_vain.clear()
        done = self._now + float(self.task.seconds[row])
        heapq.heappush(self.running, (done, trial.number, row, trial))

    def tell(self) -> None:
        """End the training that is done first."""
        self._now, _, row, trial = heapq.heappop(self.running)
        shown = self._shown.setdefault(row, [])
        if not shown or self._again(trial, row):
            shown.append(self.task.observation(row, self.seed, len(shown)))
        else:
            self._repeats += 1
        self._tell(trial, shown[-1])
        self._values[row] = tuple(map(fmean, zip(*shown, strict=True)))
        self.rows.append(row)
        self._score.append(self._reached())
        if self._best is None and self.task.truth(row)[0] >= self._optimum:
            self._best = len(self.rows)

    def _asked(self) -> optuna.Trial:
        """A proposal, which knows what was told until now, as in a run's record."""
        trial = self.study.ask()
        self.study._storage.set_trial_system_attr(trial._trial_id, ASKED_AFTER, self._told)
        for name, distribution in self._distributions.items():
            trial._suggest(name, distribution)
        return trial

    def _tell(self, trial: optuna.Trial, values: tuple[float, ...] | None) -> None:
        """Tell the values of a trial, or that it came to nothing, as the next in order."""
        self._told += 1
        self.study._storage.set_trial_system_attr(trial._trial_id, TOLD, self._told)
        self.study.tell(trial, values, state=None if values else TrialState.FAIL)

    def _exhausted(self) -> bool:
        """Whether repetitions have to count, as nothing new is to be hoped for."""
        last, few = SETTLED
        said = self._in_vain[-last:]
        settled = len(said) == last and len(set(said)) <= few
        return settled or len(self._in_vain) >= MOST_REPEATS

    def _again(self, trial: optuna.Trial, row: int) -> bool:
        """Whether a network that was trained is to be trained again, and the table can tell."""
        marked = AGAIN in self.study.get_trials(deepcopy=False)[trial.number].system_attrs
        return marked and len(self._shown.get(row, ())) < len(self.task.seen(row))

    def _reached(self) -> float:
        """The score of the search by now."""
        if self.task.kind == PARETO:
            return self.task.volume(self._front())
        return self.task.truth(self._incumbent())[0]

    def _front(self) -> list[int]:
        """The networks that the user is handed: the front as ours believe in, else as shown."""
        if isinstance(self.judge, FromRecord):
            architecture = self.task.space.architecture
            return [architecture(each).number for each in self.judge.front(self.study)]
        rows = list(self._values)
        return self.task.observed_front(rows, [self._values[row] for row in rows])

    def _incumbent(self) -> int:
        """The network that the user is handed: what our controllers choose, else the best shown."""
        if isinstance(self.judge, FromRecord):
            return self.task.space.architecture(self.judge.incumbent(self.study)).number
        return max(self._values, key=lambda row: self._values[row][0])
