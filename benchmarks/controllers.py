"""How good a network controllers and samplers find in how many trials, on a table of real ones.

Run: python benchmarks/controllers.py TABLE.npz --choices ops --observe s0,s1,s2 --score test
     [--same unique_id] [--latency lat_ms_pixel3 [--target-quantile 0.3] [--w -0.07] | --pareto]
     --controllers ppo,surrogate,tpe,gp [--trials 100] [--seeds 20] [--jobs 2] [--json] [--out DIR]
     [--plot FILE.svg] [--report FILE.md] [--objectives]

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
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path

if __name__ == "__main__" and not __package__:
    # Run as a file: its folder holds namesakes of our packages and must not be searched for them.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.tabular import contender as contenders
from benchmarks.tabular import kept, objectives, page, reading
from benchmarks.tabular.findings import finding, table, trained
from benchmarks.tabular.floor import floor
from benchmarks.tabular.picture import draw
from benchmarks.tabular.task import PARETO, REWARD, Task
from controllers.errors import ControllerError
from nas.errors import UserError
from nas.plot import refuse_place

AT = (25, 50, 100, 200, 300, 500)


def main(arguments: list[str] | None = None) -> int:
    """Run the searches that are missing and show what they found; the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    given = _parser().parse_args(arguments)
    try:
        asked = [contenders.parse(text) for text in given.controllers.split(",")]
        _refuse(given)
        task = reading.task(given)
        tasks = reading.tasks(given, task)
        for each, of in product(asked, tasks.values()):
            each.refuse(of)
        _show(given, arguments, task, kept.courses(given, asked, tasks))
    except (UserError, ControllerError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; with --out the same command goes on", file=sys.stderr)
        return 130
    return 0


def _show(
    given: argparse.Namespace, arguments: list[str], task: Task, courses: kept.Courses
) -> None:
    """Print, draw and write what the searches found. Raises UserError where it cannot."""
    at = [t for t in AT if t <= given.trials] or [given.trials]
    words, least = _words(given, task), None
    if given.objectives:
        figures = objectives.table(task, courses)
    else:
        found = {name: finding(task, of_one) for (_, name), of_one in courses.items()}
        least = None if task.kind == PARETO else floor(task)
        figures = table(found, at)
        if task.kind == PARETO:
            by_name = {name: of_one for (_, name), of_one in courses.items()}
            figures += f"\n\nOf all that was trained:\n\n{trained(task, by_name, at)}"
        if given.plot:
            draw(found, None if least is None else least.regret, words, given.plot)
    if least is not None:
        figures += f"\n\nNoise floor: {least} (standard error)."
    if given.json:
        facts = {name: each.facts(at) for name, each in found.items()}
        floors = least and asdict(least)
        print(json.dumps({"objective": task.kind, "floor": floors, "controllers": facts}, indent=1))
    else:
        print(f"{words}\n\n{figures}")
    if given.report:
        page.save(given.report, arguments, f"{words}.", figures)


def _refuse(given: argparse.Namespace) -> None:
    """Raise UserError for options out of range or at odds, before hours are spent."""
    for name in ("trials", "seeds", "jobs", "workers"):
        if getattr(given, name) < 1:
            raise UserError(f"--{name} {getattr(given, name)}: it must be 1 or more")
    if not 0 <= given.target_quantile <= 1:
        raise UserError(f"--target-quantile {given.target_quantile:g}: it must be from 0 to 1")
    if given.hard and (given.pareto or not given.latency):
        raise UserError(
            "--hard makes a limit of the reward's target: it needs --latency, no --pareto"
        )
    if given.objectives and (given.json or given.plot):
        raise UserError("--objectives prints a table: leave --json and --plot out")
    if given.plot:
        refuse_place(given.plot)
    if given.report:
        page.refuse_page(given.report)


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
    parser.add_argument("--report", type=Path, metavar="FILE", help="a page of the results, .md")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--out", type=Path, help="keeps each search there, and goes on from it")
    return parser


def _words(given: argparse.Namespace, task: Task) -> str:
    what = {
        PARETO: f"hypervolume of accuracy and {given.latency}",
        REWARD: f"reward at the {given.target_quantile:g} quantile of {given.latency}"
        + (f", T = {task.reward.target_ms:.4g} ms" if task.reward else ""),
    }.get(task.kind, "accuracy")
    what = f"{given.table.name}, {len(task.rows()):,} networks, {what}"
    seeds = f"seeds 0 to {given.seeds - 1}"
    if given.objectives:
        return f"{what}; what {given.trials} trials train, {seeds}"
    return f"{what}; regret in % after so many trials, mean over {seeds} ± standard error"


if __name__ == "__main__":
    sys.exit(main())
