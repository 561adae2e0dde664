"""How good a network controllers and samplers find in how many trials, on a table of real ones.

Run: python benchmarks/controllers.py TABLE.npz --choices ops --observe s0,s1,s2 --score test
     [--same unique_id] [--latency lat_ms_pixel3 [--target-quantile 0.3] [--w -0.07] | --pareto]
     --controllers ppo,surrogate,tpe,gp [--trials 100] [--seeds 20] [--jobs 2] [--json] [--out DIR]
     [--plot FILE.svg] [--objectives]

A trial shows the accuracy of one training seed. The incumbent is judged by the score: of Optuna's
samplers the best by what was shown, of our controllers the one that they hand over. A network
proposed again is not trained again and does not count, unless a controller asks for another
training of it, which counts as any other. Numbers known before training are the latency and, by
--known auto, the columns whose names begin with flops, macs or params. The noise floor is the
regret of who sees one training of every network. Every contender searches with the
same seeds; `ppo:screening=false` gives it options, several are joined by `+`, and any sampler of
Optuna's stands beside ours by its class: `NSGAIISampler:population_size=20`. --objectives searches
by the soft reward, the hard one and the Pareto front in turn and tells what each of them samples.
"""

import argparse
import json
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__" and not __package__:
    # Run as a file: its folder holds namesakes of our packages and must not be searched for them.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import controllers
from benchmarks.tabular import contender as contenders
from benchmarks.tabular import objectives
from benchmarks.tabular.findings import finding, table
from benchmarks.tabular.floor import floor
from benchmarks.tabular.picture import draw
from benchmarks.tabular.searching import Course, run
from benchmarks.tabular.task import PARETO, REWARD, Task
from controllers.errors import ControllerError
from nas import atomic, pareto, rewards, tabular
from nas.errors import UserError
from nas.plot import refuse_place
from nas.proposals import refuse_unfit
from nas.rewards import Reward
from nas.tabular import Table, TableSpace

SIZES = ("flops", "macs", "params")
AT = (25, 50, 100, 200, 300, 500)


def main(arguments: list[str] | None = None) -> int:
    """Run the searches that are missing and print what they found; the exit code."""
    given = _parser().parse_args(arguments)
    try:
        asked = [contenders.parse(text) for text in given.controllers.split(",")]
        _refuse(given)
        task = _task(given)
        tasks = _tasks(given, task)
        for each, of in product(asked, tasks.values()):
            refuse_unfit(each.sampler(of, 0), of.space, of.directions)
        courses = _courses(given, asked, tasks)
    except (UserError, ControllerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; with --out the same command goes on", file=sys.stderr)
        return 130
    if given.objectives:
        print(f"{_words(given, task, regret=False)}\n\n{objectives.table(task, courses)}")
        return 0
    at = [t for t in AT if t <= given.trials] or [given.trials]
    found = {name: finding(task, of_one) for (_, name), of_one in courses.items()}
    least = None if task.kind == PARETO else floor(task)
    if given.json:
        print(
            json.dumps(
                {
                    "objective": task.kind,
                    "floor": least and asdict(least),
                    "controllers": {name: each.facts(at) for name, each in found.items()},
                },
                indent=1,
            )
        )
    else:
        print(f"{_words(given, task)}\n\n{table(found, at)}")
        if least is not None:
            print(f"\nNoise floor: {least} (standard error).")
    if given.plot:
        draw(found, least and least.regret, _words(given, task), given.plot)
    return 0


def _refuse(given: argparse.Namespace) -> None:
    """Raise UserError for options that do not go together, before hours are spent."""
    if given.objectives and (given.json or given.plot):
        raise UserError("--objectives prints a table: leave --json and --plot out")
    if given.plot:
        refuse_place(given.plot)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path, help="a .npz file, see nas/tabular.py")
    parser.add_argument("--choices", required=True, help="the array of choices [rows, decisions]")
    parser.add_argument("--observe", required=True, help="accuracy columns, one a training seed")
    parser.add_argument("--score", required=True, help="the accuracy column to judge by")
    parser.add_argument("--same", help="a column that is equal for rows with the same network")
    parser.add_argument("--latency", help="a column of ms")
    parser.add_argument("--target-quantile", type=float, default=0.3)
    parser.add_argument("--w", type=float, default=-0.07)
    parser.add_argument("--hard", action="store_true", help="the target is a limit (0, -1)")
    parser.add_argument("--pareto", action="store_true", help="accuracy and latency, no reward")
    parser.add_argument(
        "--known", default="auto", help="more columns that are known before training, or none"
    )
    parser.add_argument("--seconds", help="a column of training seconds")
    parser.add_argument("--controllers", required=True, help="joined by commas")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workers", type=int, default=1, help="simulated, asynchronous")
    parser.add_argument("--jobs", type=int, default=1, help="searches at a time")
    parser.add_argument("--objectives", action="store_true", help="soft, hard and Pareto compared")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="curves with bands, .svg or .png")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="keeps each search there, and goes on from it")
    return parser


def _task(given: argparse.Namespace) -> Task:
    whole = Table(given.table)
    space = TableSpace(
        whole.choices(given.choices), whole.classes(given.same) if given.same else None
    )
    latency = whole.latency(given.latency) if given.latency else None
    reward = None
    if latency is None and given.pareto:
        raise UserError("--pareto needs --latency")
    if latency is not None and not given.pareto:
        target = float(np.quantile(latency, given.target_quantile))
        reward = Reward.hard(target) if given.hard else Reward.soft(target, given.w)
    used = {given.latency, given.score, given.same, *given.observe.split(",")}
    known = [whole.column(name) for name in _known(whole, given.known, used)]
    score = whole.column(given.score)
    return Task(
        space,
        _observed(whole, given.observe, np.unique(space.canonical)),
        score,
        latency,
        reward,
        np.stack(known, axis=1) if known else np.zeros((len(score), 0)),
        whole.column(given.seconds) if given.seconds else np.ones(len(score)),
    )


def _known(whole: Table, names: str, used: set[str]) -> list[str]:
    """The columns that are known before training: sizes, where nobody says which.

    used: columns that stand for something else.
    """
    if names == "auto":
        sizes = (name for name in whole.names if name.startswith(SIZES) and name not in used)
        return [name for name in sizes if whole.has_numbers(name)]
    return [name for name in names.split(",") if name not in ("", "none")]


def _observed(whole: Table, names: str, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The accuracies by seed; `rows` are those that stand for networks."""
    found = np.stack([whole.column(name, gaps=True) for name in names.split(",")], axis=1)
    if never := int((~np.isfinite(found[rows])).all(axis=1).sum()):
        raise UserError(f"{whole.path}: {never} networks have no finite number in any of {names}")
    return found


_TASKS: dict[str, Task] = {}
"""Of a worker process: they are sent once, not with every search."""


def _tasks(given: argparse.Namespace, task: Task) -> dict[str, Task]:
    """The tasks to search, by objective. Raises UserError where objectives have no target."""
    if not given.objectives:
        return {task.kind: task}
    if task.kind != REWARD or given.hard:
        raise UserError("--objectives needs --latency, and neither --pareto nor --hard")
    return objectives.tasks(task)


def _courses(
    given: argparse.Namespace, asked: list[contenders.Contender], tasks: dict[str, Task]
) -> dict[tuple[str, str], list[Course]]:
    """All searches by objective and contender, one after another's; missing ones are run."""
    _seated(tasks)
    wanted = [(o, each, seed) for o in tasks for each in asked for seed in range(given.seeds)]
    found: dict[tuple[str, str], list[Course]] = {}
    with ProcessPoolExecutor(given.jobs, initializer=_seated, initargs=(tasks,)) as pool:
        work = [pool.submit(_searched, given, *each) for each in wanted]
        try:
            for done, ((objective, each, _), result) in enumerate(
                zip(wanted, work, strict=True), start=1
            ):
                found.setdefault((objective, each.text), []).append(result.result())
                print(f"\r{done}/{len(work)} {each.text}\033[K", end="", file=sys.stderr)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    print("\r\033[K", end="", file=sys.stderr)
    return found


def _seated(tasks: dict[str, Task]) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    _TASKS.update(tasks)


def _searched(
    given: argparse.Namespace, objective: str, contender: contenders.Contender, seed: int
) -> Course:
    settings = {**_settings(given), "objective": objective}
    before = f"{objective}-" if given.objectives else ""
    path = given.out and given.out / f"{before}{contender.text.replace(':', '_')}-{seed}.json"
    if path and path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["settings"] != settings:
            raise UserError(f"{path} was made with other settings; choose another --out")
        return Course(**kept["course"])
    course = run(_TASKS[objective], contender, given.trials, seed, given.workers)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, json.dumps({"settings": settings, "course": asdict(course)}).encode())
    return course


def _settings(given: argparse.Namespace) -> dict[str, Any]:
    left_out = {"controllers", "seeds", "jobs", "json", "out", "table", "plot", "objectives"}
    settings = {name: value for name, value in vars(given).items() if name not in left_out}
    rooms = (Path(__file__).parent / "tabular", Path(controllers.__file__).parent)
    modules = [Path(str(module.__file__)) for module in (tabular, rewards, pareto)]
    files = [*modules, *(file for room in rooms for file in sorted(room.glob("*.py")))]
    code = [file.read_bytes() for file in files]
    return {
        "table": sha256(given.table.read_bytes()).hexdigest()[:16],
        "code": sha256(b"".join(code)).hexdigest()[:16],
        **settings,
    }


def _words(given: argparse.Namespace, task: Task, regret: bool = True) -> str:
    what = {
        PARETO: f"hypervolume of accuracy and {given.latency}",
        REWARD: f"reward at the {given.target_quantile:g} quantile of {given.latency}"
        + (f", T = {task.reward.target_ms:.4g} ms" if task.reward else ""),
    }.get(task.kind, "accuracy")
    what = f"{given.table.name}, {len(task.rows()):,} networks, {what}"
    if not regret:
        return f"{what}; what {given.trials} trials train, {given.seeds} seeds"
    return f"{what}; regret in % after so many trials, mean of {given.seeds} seeds ± standard error"


if __name__ == "__main__":
    sys.exit(main())
