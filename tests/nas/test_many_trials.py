"""Resuming a search of thousands of trials: how long until it asks, and in how much memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nas import plugins
from nas.judgements import FILE
from tests.nas.large_study import large_run
from tests.nas.small_msd import WHERE
from tests.nas.table_search import Table, loop_of, made_run
from tests.nas.test_search_loop import sequence

RESUME = """
import json, resource, sys, time
from latency.macs import MacsLatency
from nas import plugins
from nas.interruption import Interruption
from nas.latency import known
from nas.loop import Loop
from nas.progress import Silent
from nas.proposals import propose
from nas.run import open_run
from nas.store import Store
from nas.underway import Pricer, Task

run, source = open_run(sys.argv[1]), MacsLatency()
began = time.process_time()
store = Store(run.storage_url, run.name, run.objective().directions, create=False)
settings, image = run.settings, (1, 32, 32)
cost = known.of_run(run, source)
sampler = plugins.controller(settings.controller, space=run.space(), cost=cost, seed=0)
task = Task(settings.data_spec(), settings.recipe(image, 900), image, 10)
pricer = Pricer(run.space(), task, source, 0, cost.keep)
Loop(run, task, store, sampler, pricer, Interruption(), Silent(), time.monotonic)
number = propose(store, sampler, run.space()).number
seconds = time.process_time() - began
store.close()
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"number": number, "seconds": seconds, "megabytes": megabytes}))
"""


def resumed(path: Path) -> dict[str, float]:
    ended = subprocess.run(
        [sys.executable, "-c", RESUME, str(path)], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(ended.stdout)
    return found


@pytest.mark.slow
def test_five_thousand_trials_are_resumed_in_seconds_and_little_memory(tmp_path: Path) -> None:
    run = large_run(tmp_path, 5000)
    resumed(run.path)  # judges the trainings, which nobody has searched
    again = resumed(run.path)
    assert again["number"] == 5001
    assert again["seconds"] < 5, again
    assert again["megabytes"] < 500, again


@pytest.mark.parametrize("left", ["whole", "missing", "torn", "another"])
def test_a_search_goes_on_the_same_whatever_is_left_of_its_judgements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: str
) -> None:
    monkeypatch.setitem(plugins.SPACES, "msd", WHERE)
    options = {"trials": 12, "controller": "evolution", "seed": 1}
    whole = made_run(tmp_path / "whole", **options)
    loop_of(whole).go(Table())
    cut = made_run(tmp_path / "cut", **{**options, "trials": 6})
    loop_of(cut).go(Table())
    file = cut.path / FILE
    text = file.read_text()
    assert len(text.splitlines()) > 3
    if left == "missing":
        file.unlink()
    elif left == "torn":
        file.write_text(text[: 2 * len(text) // 3])
    elif left == "another":
        file.write_text(text.replace("Objective", "Other", 1).replace("0.", "0.9"))
    object.__setattr__(cut, "settings", cut.settings.model_copy(update={"trials": 12}))
    loop_of(cut).go(Table())
    assert sequence(cut) == sequence(whole)
    assert file.read_text() == (whole.path / FILE).read_text()
    assert {p.name for p in (cut.path / "weights").iterdir()} == {
        p.name for p in (whole.path / "weights").iterdir()
    }
