"""What a search goes by of each training, derived from its facts; kept to resume without them.

To judge a training anew takes all its held-out answers and every policy over them, minutes for
thousands of trials. So each judgement is also a line of a file in the run's folder. The file is
worth only time: it may be missing, old or torn, and what it lacks is derived again.
"""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from nas import atomic, pareto
from nas.exits import policy_scores
from nas.measurement import Measurement
from nas.objective import DIRECTIONS, Objective
from nas.repetitions import quality

if TYPE_CHECKING:
    from nas.run import Run

Point = tuple[float, ...]
FILE = "judged.jsonl"
_FORM = 1  # of the lines, and of how they are derived


@dataclass(frozen=True, slots=True)
class Judgement:
    """A training under the objective of its search.

    points: of its exit policies, those that no other beats.
    """

    trial: int
    quality: float
    merit: tuple[float, float]
    reward: float
    points: tuple[Point, ...]


def undominated(objective: Objective, points: list[Point]) -> tuple[int, ...]:
    """Which points no other beats, in the plane of the objective."""
    return pareto.front(points, tuple(DIRECTIONS[fact] for fact in objective.plane))


class Judgements:
    """The judgements of a run, each made once."""

    def __init__(self, run: "Run") -> None:
        self._run, self._objective, self._reward = run, run.objective(), run.reward()
        self._path = run.path / FILE
        self._known = self._read()

    def recalled(self, trial: int, facts: Mapping[str, Any]) -> Judgement | None:
        """Of a training as it was judged before; None where that is not on record."""
        known = self._known.get(trial)
        if known is None or known[0] != _digest(facts) or not self._run.facts_path(trial).exists():
            return None
        return known[1]

    def of(self, trial: int, facts: Mapping[str, Any], measurement: Measurement) -> Judgement:
        """Judges a training, and puts it on record. facts: as the study keeps them."""
        seen = self._objective.view(measurement)
        weighed = measurement.at(self._objective.risk)
        plane = self._objective.plane
        points = [self._objective.point(measurement, at, plane) for at in policy_scores(weighed)]
        made = Judgement(
            trial,
            quality(measurement),
            self._objective.merit(measurement),
            self._reward(seen.accuracy, seen.latency_ms),
            tuple(points[at] for at in undominated(self._objective, points)),
        )
        line = json.dumps([_digest(facts), *astuple(made)], allow_nan=False)
        with contextlib.suppress(OSError), self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        return made

    def _read(self) -> dict[int, tuple[str, Judgement]]:
        head = json.dumps([_FORM, repr(self._objective), repr(self._reward)])
        try:
            lines = self._path.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError):
            lines = []
        found = [line for line in lines[1:-1] if _parsed(line)] if lines[:1] == [head] else []
        if lines != [head, *found, ""]:  # of another objective, or torn
            with contextlib.suppress(OSError):
                text = "".join(f"{line}\n" for line in (head, *found))
                atomic.write(self._path, text.encode(), durable=False)
        known = (_parsed(line) for line in found)
        return {each[1].trial: each for each in known if each is not None}


def _digest(facts: Mapping[str, Any]) -> str:
    """By which facts are known again."""
    text = json.dumps(facts.get("measurement"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _parsed(line: str) -> tuple[str, Judgement] | None:
    try:
        digest, trial, quality, merit, reward, points = json.loads(line)
        accuracy, second = map(float, merit)
        return str(digest), Judgement(
            int(trial),
            float(quality),
            (accuracy, second),
            float(reward),
            tuple(tuple(map(float, point)) for point in points),
        )
    except (ValueError, TypeError):
        return None
