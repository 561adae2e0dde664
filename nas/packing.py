"""Which trainings fit beside each other: what each is expected to take of a node's memory."""

from collections.abc import Callable

from nas.executors.protocol import ALONE, Executor
from nas.training.trial import TrialOutcome
from nas.underway import Underway

_FIXED = 64_000_000  # bytes of any training at least: kernels, buffers of the smallest network
_TELLING = 2 * _FIXED  # bytes by operators of which a peak says how they are to be multiplied
_FIRST = 1.5  # times what operators say, before any training has ended
_MARGIN = 1.1


class Packing:
    """What is estimated from operators, and what trainings took so far.

    Those of large networks tell by what to multiply, those of small ones what each needs besides;
    the worst that was met counts, and never less than operators say.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        """say: where one line goes for each training that has to wait."""
        self._say = say
        self._ratio: float | None = None
        self._fixed = _FIXED
        self._told: int | None = None

    def learn(self, underway: Underway, outcome: TrialOutcome | None) -> None:
        """A training has ended, and told what it took if it came to anything."""
        if outcome is None or outcome.peak is None:
            return
        if underway.memory >= _TELLING:
            ratio = (outcome.peak - _FIXED) / underway.memory
            self._ratio = max(self._ratio or 1.0, ratio)
        else:
            self._fixed = max(self._fixed, outcome.peak - underway.memory)

    def fits(self, underway: Underway, executor: Executor) -> bool:
        """Whether it can be given to a worker now."""
        need = self.need(underway)
        fits = executor.fits(need)
        if not fits and self._told != underway.number:
            self._told = underway.number
            takes = "all memory" if need >= ALONE else f"some {need / 1e9:.1f} GB"
            self._say(f"trial {underway.number} needs {takes}: it waits until others have ended")
        return fits

    def need(self, underway: Underway) -> int:
        """Bytes to be left on the node of its worker."""
        if underway.alone:
            return ALONE
        ratio = _FIRST if self._ratio is None else _MARGIN * self._ratio
        return self._fixed + int(ratio * underway.memory)
