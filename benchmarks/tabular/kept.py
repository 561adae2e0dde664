"""All searches of a command, of which each may be kept in a file and is then not run again."""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import optuna

import controllers
from benchmarks.tabular.contender import Contender
from benchmarks.tabular.searching import Course, run
from benchmarks.tabular.task import Task
from nas import atomic, pareto, rewards, tabular
from nas.errors import UserError

AFTERWARDS = {"findings.py", "floor.py", "page.py", "picture.py"}
"""What is made of searches, which may change and leaves them as they are."""

Courses = dict[tuple[str, str], list[Course]]
"""Searches by objective and contender, in the order of their seeds."""

_TASKS: dict[str, Task] = {}
"""Of a worker process: they are sent once, not with every search."""


def courses(given: argparse.Namespace, asked: list[Contender], tasks: dict[str, Task]) -> Courses:
    """Return all searches by objective and contender, one after another's; missing ones are run."""
    _seated(tasks)
    wanted = [(o, each, seed) for o in tasks for each in asked for seed in range(given.seeds)]
    found: Courses = {}
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


def _searched(given: argparse.Namespace, objective: str, contender: Contender, seed: int) -> Course:
    settings = {**_settings(given), "objective": objective}
    before = f"{objective}-" if given.objectives else ""
    path = given.out and given.out / f"{before}{contender.text.replace(':', '_')}-{seed}.json"
    if path and path.exists():
        return _read(path, settings)
    course = run(_TASKS[objective], contender, given.trials, seed, given.workers)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, _text(settings, course).encode())
    return course


def _settings(given: argparse.Namespace) -> dict[str, Any]:
    """All that decides what a search finds, beside its contender and seed."""
    left_out = {"controllers", "seeds", "jobs", "json", "out", "table", "plot", "report"}
    left_out.add("objectives")
    code = b"".join(file.read_bytes() for file in deciding())
    return {
        "table": sha256(given.table.read_bytes()).hexdigest()[:16],
        "code": sha256(code).hexdigest()[:16],
        "optuna": optuna.__version__,
        **{name: value for name, value in vars(given).items() if name not in left_out},
    }


def deciding() -> list[Path]:
    """Return the files whose change may change what a search finds."""
    modules = [Path(str(module.__file__)) for module in (tabular, rewards, pareto)]
    rooms = (Path(__file__).parent, Path(controllers.__file__).parent)
    files = [file for room in rooms for file in sorted(room.glob("*.py"))]
    return [*modules, *(file for file in files if file.name not in AFTERWARDS)]


def _text(settings: Mapping[str, Any], course: Course) -> str:
    """A line for each fact; of the scores, which seldom change, each from which trial on."""
    facts = asdict(course) | {"score": _steps(course.score)}
    parts = {"settings": settings, "course": facts}
    lines = {
        part: ",\n".join(f"  {json.dumps(name)}: {json.dumps(each)}" for name, each in of.items())
        for part, of in parts.items()
    }
    return "{\n" + ",\n".join(f' "{part}": {{\n{of}\n }}' for part, of in lines.items()) + "\n}\n"


def _read(path: Path, settings: Mapping[str, Any]) -> Course:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        others = kept["settings"] != settings
        course = None if others else _course(kept["course"], settings["trials"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged ({error}); delete it to search again") from None
    if course is None:
        raise UserError(f"{path} was made with other settings; choose another --out")
    return course


def _course(facts: dict[str, Any], trials: int) -> Course:
    ends = [at for at, _ in facts["score"][1:]] + [trials + 1]
    steps = zip(facts["score"], ends, strict=True)
    score = [score for (at, score), end in steps for _ in range(at, end)]
    return Course(**facts | {"score": score})


def _steps(scores: Sequence[float]) -> list[tuple[int, float]]:
    before = [None, *scores[:-1]]
    pairs = enumerate(zip(before, scores, strict=True), start=1)
    return [(trial, score) for trial, (last, score) in pairs if score != last]
