"""What a driver says while it searches: the line for its user, the moment for who watches."""

from collections.abc import Callable, Iterable, Mapping

from nas import live
from nas.progress import Progress, Status
from nas.recall import Memory
from nas.run import Run
from nas.store import Store
from nas.underway import Underway


class Speaker:
    """Of one driver. clock: seconds, monotonic. now: seconds since the epoch."""

    def __init__(
        self,
        run: Run,
        store: Store,
        memory: Memory,
        progress: Progress,
        epochs: int,
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        """epochs: of a whole training."""
        self._settings, self._store, self._memory = run.settings, store, memory
        self._progress, self._epochs, self._clock = progress, epochs, clock
        self._live, self.workers = live.Writer(run.path, clock, now), 0
        self._losses: dict[int, tuple[float, ...]] = {}  # of each epoch of a trial under way
        self._start, self._before = 0.0, store.ended

    def begin(self, workers: int) -> None:
        """The search begins, or goes on, with so many trainings at a time."""
        self._start, self.workers = self._clock(), workers

    @property
    def elapsed(self) -> float:
        """Seconds since then."""
        return self._clock() - self._start

    @property
    def is_due(self) -> bool:
        """Whether who watches waits for a word."""
        return self._live.due

    def say(self, line: str) -> None:
        """Something that stays readable."""
        self._progress.say(line)

    def losses(self, trial: int, losses: tuple[float, ...]) -> None:
        """A trial under way has come so far."""
        self._losses[trial] = losses

    def ended(self, trial: int) -> None:
        """A trial is no longer under way."""
        self._losses.pop(trial, None)

    def show(self, running: Iterable[int]) -> None:
        """The line for the user."""
        self._progress.show(
            Status(
                done=self._store.ended,
                total=self._settings.trials,
                failed=self._memory.failed,
                reused=self._memory.reused,
                pruned=self._store.declined,
                stopped=len(self._memory.known.stopped),
                best_reward=self._memory.known.best_reward,
                running=tuple((n, len(self._losses.get(n, ()))) for n in sorted(running)),
                epochs=self._epochs,
                seconds_left=self._left(),
            )
        )

    def tell(self, running: Mapping[int, Underway], why: str | None = None) -> None:
        """For who watches. why: the search has ended, for this reason, and trains nothing."""
        under_way = sorted(running.items()) if why is None else ()
        self._live.say(
            workers=self.workers,
            done=self._store.ended,
            total=self._settings.trials,
            seconds_left=self._left(),
            epochs=self._epochs,
            running=tuple(
                live.Underway(n, each.key, self._losses.get(n, ())) for n, each in under_way
            ),
            closed=why is not None,
            why=why or "",
        )

    def _left(self) -> float | None:
        """Seconds to go, if the trials to come are like those of this session."""
        ended = self._store.ended
        done = ended - self._before
        if done == 0:
            return None
        left = self.elapsed / done * max(0, self._settings.trials - ended)
        if self._settings.max_time is None:
            return left
        return min(left, max(0.0, self._settings.max_time - self.elapsed))
