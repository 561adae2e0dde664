"""Processes that take waiting trials from one study: python many_workers.py URL."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import optuna

from nas.store import quiet
from nas.store.opening import storage


def executed(url: str, processes: int, waiting: int) -> list[int]:
    """Which of the waiting trials were executed, as often as they were."""
    made = storage(url)
    with quiet():
        study = optuna.create_study(storage=made, study_name="queue")
        for number in range(waiting):
            study.enqueue_trial({"x": float(number)}, user_attrs={"waited": True})
    made.engine.dispose()
    command = [sys.executable, "-m", "tests.nas.many_workers", url]
    with ThreadPoolExecutor(processes) as pool:
        runs = [
            pool.submit(subprocess.run, command, capture_output=True, text=True, check=False)
            for _ in range(processes)
        ]
    taken: list[int] = []
    for run in runs:
        assert run.result().returncode == 0, run.result().stderr
        taken.extend(map(int, run.result().stdout.split()))
    return taken


def main() -> None:
    """Takes trials until none waits."""
    made = storage(sys.argv[1])
    with quiet():
        study = optuna.load_study(storage=made, study_name="queue")
        while True:
            trial = study.ask()
            if "waited" not in trial.user_attrs:  # a new one: none was waiting
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                break
            print(trial.number)
            study.tell(trial, trial.suggest_float("x", 0, 1e6))
    made.engine.dispose()


if __name__ == "__main__":
    main()
