"""A run of thousands of finished trials, made in seconds: facts as they would be, nothing trained.

python -m tests.nas.large_study OUT --trials 5000 --controller surrogate
"""

import argparse
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from controllers.record import ASKED_AFTER, TOLD
from latency.source import LatencyEstimate
from nas import records
from nas.measurement import HeldOut, Measurement
from nas.run import Run
from nas.store import FACTS, Store, kept
from nas.store.opening import storage
from nas.store.sqlite import put_together
from tests.nas.simulated_search import simulated_run

EXITS, IMAGES, EPOCHS = 5, 500, 4


def large_run(out: Path, trials: int, controller: str = "random") -> Run:
    """A run whose trials are all complete, but for one in a hundred that failed."""
    run = simulated_run(out, name="large", trials=trials, controller=controller)
    with closing(Store(run.storage_url, run.name, run.objective().directions)):
        pass
    made = storage(run.storage_url)
    study_id = made.get_study_id_from_name(run.name)
    rng = np.random.default_rng(0)
    ease = rng.normal(0.6, 1.4, IMAGES)
    with made.engine.begin() as connection:
        for number in range(trials):
            kept.write(connection, study_id, _trial(run, number, rng, ease))
    put_together(made.engine)
    made.engine.dispose()
    return run


def _trial(
    run: Run,
    number: int,
    rng: np.random.Generator,
    ease: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> FrozenTrial:
    space = run.space()
    distributions = dict(space.distributions())
    chosen = {
        name: each.choices[rng.integers(len(each.choices))] for name, each in distributions.items()
    }
    architecture = space.architecture(chosen)
    failed = number % 100 == 7
    measurement = None if failed else _measurement(rng, ease)
    values = None if measurement is None else list(run.objective().values(measurement))
    latency, losses, error = None, (), "RuntimeError: out of luck"
    if measurement is not None:
        np.savez_compressed(
            run.facts_path(number),
            confidence=measurement.held_out.confidence,
            correct=measurement.held_out.correct.view(np.uint8),
        )
        estimates = [LatencyEstimate(ms, ms, ms, "table") for ms in measurement.exit_latency_ms]
        latency, losses = [asdict(each) for each in estimates], tuple(rng.random(EPOCHS).tolist())
        error = None
    measured = None if measurement is None else measurement.facts()
    facts = records.facts(
        architecture, measured=measured, latency=latency, losses=losses, error=error
    )
    trial = optuna.trial.create_trial(
        state=TrialState.FAIL if failed else TrialState.COMPLETE,
        params=chosen,
        distributions=distributions,
        values=values,
        user_attrs={FACTS: facts},
        system_attrs={ASKED_AFTER: number, TOLD: number + 1},
    )
    trial.number = number
    return trial


def _measurement(
    rng: np.random.Generator, ease: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> Measurement:
    macs = np.sort(rng.integers(10**5, 10**8, EXITS))
    skill = 1.3 * np.log10(macs / 3e4) + rng.normal(0, 0.25)
    sure = 1 / (1 + np.exp(-ease[:, None] - skill - rng.normal(0, 0.7, (IMAGES, EXITS))))
    right = rng.random((IMAGES, 1)) < 1 / (1 + np.exp(-ease[:, None] - skill))
    latency = tuple((macs / 3e7 + 0.01 * np.arange(1, EXITS + 1)).tolist())
    return Measurement(
        exit_latency_ms=latency,
        exit_low_ms=latency,
        exit_high_ms=latency,
        how="table",
        exit_macs=tuple(macs.tolist()),
        parameters=int(macs[-1]) // 50,
        held_out=HeldOut(np.clip(0.1 + 0.9 * sure, 0, 1).astype(np.float16), right),
        seconds=1.0,
        epochs=EPOCHS,
        seed=int(rng.integers(2**31)),
    )


def main() -> None:
    """Makes a run of any size."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--controller", default="random")
    given = parser.parse_args()
    print(large_run(given.out, given.trials, given.controller).path)


if __name__ == "__main__":
    main()
