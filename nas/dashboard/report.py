"""Runs as one page that opens from disk: what the server would answer, inlined.

Small runs are kept whole. Of large ones the blocks and configs of the front are, and of the
networks that come next by the reward as long as there is room.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from nas import atomic
from nas.dashboard import answers, configs, detail, importances, page_files, pictures
from nas.dashboard.watch import Watch
from nas.errors import UserError
from nas.objective import DIRECTIONS
from nas.pareto import front
from nas.record import TrialRecord
from nas.run import Run
from search_spaces.errors import SpaceError

Value = dict[str, Any]
ROOM = 10_000_000  # bytes of JSON for networks that are not on the front, a tenth when packed
PICTURED = 12  # networks whose images are kept: those of the front that are best by the reward


def write(
    runs: Sequence[Run], path: Path, force: bool = False, say: Callable[[str], None] = print
) -> int:
    """Write the report of `runs`; return its bytes.

    Raises UserError where the file may not be written, or a run cannot be read.
    """
    _refuse(path, force)
    data: Value = {"written": time.time(), "runs": []}
    data |= {part: {} for part in ("details", "configs", "pictures", "importances")}
    for run in {run.path.resolve(): run for run in runs}.values():
        _add(data, run, say)
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    page = page_files.whole(text.encode()).encode()
    try:
        atomic.write(path, page)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error})") from None
    return len(page)


def _refuse(path: Path, force: bool) -> None:
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"{path}: a report is a page; give a name that ends in .html")
    if path.is_dir() or (path.exists() and not force):
        raise UserError(f"{path} exists; give another name with -o, or --force to replace it")
    if not path.absolute().parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}")


def _add(data: Value, run: Run, say: Callable[[str], None]) -> None:
    """One run with all its parts, under a name that no other has."""
    taken = {each["head"]["id"] for each in data["runs"]}
    name, count = run.name, 1
    while name in taken:
        count += 1
        name = f"{run.name} ({count})"
    watch = Watch(run, name)
    try:
        _read(watch, say)
        data["runs"].append(
            {
                "head": watch.head,
                "trials": list(watch.trials.values()),
                "progress": watch.progress(time.time()),
            }
        )
        data["importances"][name] = {"of": _importances(run)}
        for part, found in _kept(watch, say).items():
            data[part][name] = found
    finally:
        watch.close()


def _importances(run: Run) -> Value:
    try:
        return importances.of(run)
    except UserError as error:  # the answers of a trial are gone: the others are still shown
        return {"of": 0, "targets": {}, "method": "", "error": str(error)}


def _read(watch: Watch, say: Callable[[str], None]) -> None:
    said = time.monotonic()
    for _ in watch.look():
        if time.monotonic() - said > 2:
            said = time.monotonic()
            say(f"{watch.name}: {watch.read} of {watch.total} trials read")
    if watch.error is not None:
        raise UserError(watch.error)
    watch.head["published"] = answers.published(watch.run.path)


def _kept(watch: Watch, say: Callable[[str], None]) -> Value:
    """Details, configs and pictures of the networks that people will look at."""
    details: Value = {}
    texts: Value = {}
    sheets: Value = {}
    room = ROOM
    ranked, standing = _ranked(watch)
    for place, number in enumerate(ranked):
        on_front = number in standing
        if room <= 0 and not on_front:
            break
        try:
            record, latency = watch.record(number)
            found = detail.of(watch.run, record, latency, *watch.run.shape())
        except (UserError, SpaceError) as error:
            say(f"{watch.name}: trial {number} is kept without its blocks ({error})")
            continue
        details[str(number)] = found
        room -= len(json.dumps(found))
        for row in standing.get(number, ()):
            texts |= dict(_config(watch.run, record, row, say))
            if place < PICTURED:
                sheets |= dict(_pictures(watch.run, record, row, len(found["exits"])))
    return {"details": details, "configs": texts, "pictures": sheets}


def _ranked(watch: Watch) -> tuple[list[int], dict[int, list[int]]]:
    """Trials, those of the front first and the best by the reward first; rows on the front."""
    trials = {n: trial for n, trial in watch.trials.items() if trial["p"]}
    points = [(n, point) for n, trial in sorted(trials.items()) for point in trial["p"]]
    facts = [
        {"accuracy": point[1], "latency_ms": point[2], "parameters": trials[n]["params"]}
        for n, point in points
    ]
    kept: set[int] = set()
    # The page opens with accuracy and latency, whatever the run optimises.
    for plane in {watch.run.objective().plane, ("accuracy", "latency_ms")}:
        values = [tuple(known[fact] for fact in plane) for known in facts]
        kept.update(front(values, tuple(DIRECTIONS[fact] for fact in plane)))
    standing: dict[int, list[int]] = {}
    for number, point in (points[at] for at in sorted(kept)):
        standing.setdefault(number, []).append(point[0])
    reward = watch.run.reward()
    best = {n: max(reward(p[1], p[2]) for p in trial["p"]) for n, trial in trials.items()}
    ranked = sorted(best, key=lambda n: (n not in standing, -best[n]))
    return ranked + sorted(set(watch.trials) - set(ranked)), standing


def _config(
    run: Run, record: TrialRecord, row: int, say: Callable[[str], None]
) -> Iterator[tuple[str, str]]:
    try:
        yield f"{record.trial}:{row}", configs.text(run, record, row)
    except UserError as error:
        say(f"{run.name}: no config of trial {record.trial} ({error})")


def _pictures(run: Run, record: TrialRecord, row: int, exits: int) -> Iterator[tuple[str, str]]:
    """Sheets as data addresses; of runs whose images are not here, none."""
    for number in range(1, exits + 1):
        try:
            sheet = pictures.leaving(run, record, row, number)
        except UserError:
            return
        address = "data:image/png;base64," + base64.b64encode(sheet).decode()
        yield f"{record.trial}:{row}:{number}", address
