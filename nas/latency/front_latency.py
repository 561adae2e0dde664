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

if TYPE_CHECKING:
    from latency.bench import Bench, Say
    from latency.model.model import LatencyModel
    from nas.run import Run

FILE = "front.json"
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class FrontLatency:
    """What `front.json` holds. `exits_ms`: by trial, the measured milliseconds of each exit."""

    exits_ms: dict[int, tuple[float, ...]]
    errors: tuple[float, ...]
    noise: float
    content: dict[str, Any]

    def expected_ms(self, trial: int, shares: Sequence[float]) -> float | None:
        """Return the measured mean over images that leave by `shares`; None if not measured."""
        exits = self.exits_ms.get(trial)
        if exits is None or len(exits) != len(shares):
            return None
        return sum(share * ms for share, ms in zip(shares, exits, strict=True))

    def error(self) -> dict[str, Any]:
        """Return how far the model is off at the last exits, as parts of the measured figures."""
        off = [abs(error) for error in self.errors]
        return {"median": median(off), "worst": max(off), "noise": self.noise, "n": len(off)}


def measured(
    run: "Run", model: "LatencyModel", bench: "Bench", trials: Sequence[int], say: "Say"
) -> None:
    """Measure the networks of these trials together, and write what came of it beside the run.

    Raises what the bench raises, and OSError where the file cannot be written.
    """
    from latency.model.verification import verify

    image, classes = run.shape()
    records = {record.trial: record for record in run.records()}
    found = [(trial, records[trial].architecture) for trial in trials]
    graphs = [run.space().blocks(each, image, classes) for _, each in found if each is not None]
    outcome = verify(model, bench, graphs, run.settings.seed, say).as_json()
    outcome["networks"] = [
        {"trial": trial, "key": each and each.key, **network}
        for (trial, each), network in zip(found, outcome["networks"], strict=True)
    ]
    when = datetime.now(UTC).isoformat(timespec="seconds")
    content = {"schema_version": SCHEMA_VERSION, "measured": when, **outcome}
    # A noise that is no number, of a protocol of one round, has no place in JSON.
    text = json.dumps(_finite(content), indent=1, allow_nan=False)
    atomic.write(run.path / FILE, text.encode())


def read(run: Path) -> FrontLatency | None:
    """Return what was measured of a run's front; None where nothing was. Raises UserError."""
    path = run / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema_version"] != SCHEMA_VERSION:
            raise UserError(f"{path}: schema version {content['schema_version']}; upgrade nas")
        networks = content["networks"]
        return FrontLatency(
            {each["trial"]: tuple(e["measured_ms"] for e in each["exits"]) for each in networks},
            tuple(float(each["error"]) for each in networks),
            float(content["noise"] or 0.0),
            content,
        )
    except FileNotFoundError:
        return None
    except (OSError, LookupError, TypeError, AttributeError, json.JSONDecodeError) as error:
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


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not abs(value) < float("inf") else value
