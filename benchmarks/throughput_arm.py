"""One arm of `benchmarks.throughput` in a process of its own: a Ray, and what Ray changes, each."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.throughput_plan import made
from benchmarks.units import Facts
from nas.data.dataset import DataSpec
from nas.errors import UserError

OURS, DEFAULT, REUSED = "nas", "Ray Tune", "Ray Tune, reuse_actors"
ARMS = (OURS, DEFAULT, REUSED)


def run(task: dict[str, Any]) -> Facts:
    """Do a task of `work` in a new process; its facts, with `process_s`, what that took in all.

    Raises UserError with the process's last words where it fails.
    """
    with tempfile.TemporaryDirectory(prefix="throughput-") as name:
        folder = Path(name)
        (folder / "task.json").write_text(json.dumps(task))
        start = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.throughput_arm", name],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        seconds = time.monotonic() - start
        if done.returncode:
            raise UserError(f"{task['arm']} failed: {done.stdout[-2000:]}")
        facts: Facts = json.loads((folder / "facts.json").read_text())
    return facts | {"process_s": seconds}


def work(task: dict[str, Any], folder: Path) -> Facts:
    """Do a task here: a search of real trials, or (`decisions` above 0) of trials of nothing."""
    if task["decisions"]:
        return _nothing(task, folder)
    data = DataSpec.from_json(task["data"])
    # Both arms find the images in their folder; how long that took is no part of theirs.
    plan = made(task["family"], task["trials"], task["epochs"], data, folder)
    if task["arm"] == OURS:
        from benchmarks import warm_workers

        precision = task["precision"]
        workers = task["workers"]
        return warm_workers.train_all(plan, data, task["seed"], folder, workers, precision)
    from benchmarks import default_recipe

    return default_recipe.train_all(plan, task["seed"], folder, task["workers"])


def _nothing(task: dict[str, Any], folder: Path) -> Facts:
    decisions, trials, seed = task["decisions"], task["trials"], task["seed"]
    if task["arm"] == OURS:
        from benchmarks import warm_workers

        return warm_workers.do_nothing(decisions, trials, task["controller"], seed, folder)
    from benchmarks import default_recipe

    reuse = task["arm"] == REUSED
    return default_recipe.do_nothing(decisions, trials, reuse, seed, folder)


if __name__ == "__main__":
    _folder = Path(sys.argv[1])
    _facts = work(json.loads((_folder / "task.json").read_text()), _folder)
    (_folder / "facts.json").write_text(json.dumps(_facts))
