"""The front of a search that went by a latency model, measured once more when it is over.

Estimates choose the networks; these figures say how far they were off. They stand beside the
trials, in `front.json`, and change neither a reward nor who is on the front.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from nas import atomic
from nas.errors import UserError
from nas.finite import finite

if TYPE_CHECKING:
    from latency.bench import Bench, Say
    from nas.run import Run

FILE = "front.json"
SCHEMA_VERSION = 1
SIZE_LIMIT = 4 * 2**20  # bytes; a front of a hundred networks has a tenth of it


@dataclass(frozen=True, slots=True)
class FrontLatency:
    """What `front.json` holds. `exits_ms`: by trial, the measured milliseconds of each exit.

    `errors`: of what the search went by, at the last exits, by where that was from (``table``...).
    """

    exits_ms: dict[int, tuple[float, ...]]
    errors: dict[str, tuple[float, ...]]
    noise: float
    content: dict[str, Any]

    def expected_ms(self, trial: int, shares: Sequence[float]) -> float | None:
        """Return the measured mean over images that leave by `shares`; None if not measured."""
        exits = self.exits_ms.get(trial)
        if exits is None or len(exits) != len(shares):
            return None
        return sum(share * ms for share, ms in zip(shares, exits, strict=True))

    def error(self) -> dict[str, Any]:
        """Return how far the search was off at the last exits, as parts of the measured figures."""
        off = {how: [abs(error) for error in errors] for how, errors in self.errors.items()}
        every = [error for errors in off.values() for error in errors]
        by = {how: {"n": len(errors), "median": median(errors)} for how, errors in off.items()}
        known = {"median": median(every), "worst": max(every), "noise": self.noise}
        return {**known, "n": len(every), "by": by}


def measured(run: "Run", bench: "Bench", say: "Say") -> None:
    """Measure the networks of a run's front together, and write what came of it beside the run.

    What it is held against is what the search went by. Raises what the bench raises, and OSError
    where the file cannot be written.
    """
    from latency.model.verification import verify
    from nas.latency.verifying import front_subjects

    subjects, prices = front_subjects(run)
    graphs = [subject.graph for subject in subjects]
    outcome = verify(prices, bench, graphs, run.settings.seed, say).as_json()
    outcome["networks"] = [
        {"trial": subject.trial, "key": subject.key, **network}
        for subject, network in zip(subjects, outcome["networks"], strict=True)
    ]
    when = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"schema_version": SCHEMA_VERSION, "measured": when, **outcome}
    # A noise that is no number, of a protocol of one round, has no place in JSON.
    text = json.dumps(finite(content), indent=1, allow_nan=False)
    atomic.write(run.path / FILE, text.encode())


def read(run: Path) -> FrontLatency | None:
    """Return what was measured of a run's front; None where nothing was. Raises UserError."""
    from latency.errors import LatencyError
    from latency.exchanged import read_json

    path = run / FILE
    if not path.exists():
        return None
    try:
        content = read_json(path, SIZE_LIMIT)
        if content["schema_version"] != SCHEMA_VERSION:
            raise UserError(f"{path}: schema version {content['schema_version']}; upgrade nas")
        networks = content["networks"]
        return FrontLatency(
            {each["trial"]: tuple(e["measured_ms"] for e in each["exits"]) for each in networks},
            _by_source(networks),
            float(content["noise"] or 0.0),
            content,
        )
    except (LatencyError, LookupError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error!r}); delete it") from None


def beside(run: "Run", rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows of `nas pareto`, each with `measured_ms` under its policy, None if not measured.

    Raises UserError if the file of the measurement is damaged.
    """
    known = read(run.path)
    return [
        row | {"measured_ms": known and known.expected_ms(row["trial"], row["policy"]["shares"])}
        for row in rows
    ]


def of_run(run: "Run") -> tuple[int, ...]:
    """Return the trials whose networks are on the front, by number."""
    from nas import frame

    return tuple(sorted({int(n) for n in frame.pareto(run.records(), run.objective())["trial"]}))


def _by_source(networks: Sequence[dict[str, Any]]) -> dict[str, tuple[float, ...]]:
    errors: dict[str, tuple[float, ...]] = {}
    for each in networks:
        how = str(each["exits"][-1]["how"])
        errors[how] = (*errors.get(how, ()), float(each["error"]))
    return errors
