"""Searches from start to end: settings resolved, a run made or opened, the loop driven."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas import plugins, starting
from nas import run as runs
from nas import settings as settings_of
from nas.bounds import Bounds
from nas.errors import UserError
from nas.executors import opening
from nas.feasible import refuse_empty
from nas.interruption import Interruption, Stopped
from nas.latency import devices, known, pricing, search_model
from nas.objective import Objective
from nas.progress import Progress, Silent
from nas.proposals import refuse_unfit
from nas.run import Run
from nas.settings import SearchSettings

if TYPE_CHECKING:
    from latency.source import LatencySource
    from nas.executors.protocol import Executor, Report
    from nas.executors.ray_session import Session
    from nas.loop import Loop
    from nas.store import Store
    from nas.underway import Task
    from search_spaces.space import SearchSpace


class Interrupted(KeyboardInterrupt):
    """The user stopped the search; `run` keeps every finished trial, the message how to go on.

    `run` is None where nothing was written yet.
    """

    def __init__(self, run: Run | None) -> None:
        how = f"go on with: {resume_command(run)}" if run else "nothing was written yet"
        super().__init__(f"stopped; {how}")
        self.run = run


def search(space: str = "msd", *, progress: Progress | None = None, **options: Any) -> Run:
    """Searches a space and returns the finished run.

    `options` are the fields of `SearchSettings`, such as trials=50, target_latency='2ms' (a plain
    number: milliseconds), max_time='2h' (a plain number: seconds), workers=1, executor='inline'.

    Raises UserError, SpaceError, ControllerError or LatencyError for wrong input, before anything
    is written; Interrupted after Ctrl-C.
    """
    return start(settings_of.parse({"space": space, **options}), progress or Silent())


def start(settings: SearchSettings, progress: Progress) -> Run:
    """Begins a new run and drives it to its end."""
    interruption = Interruption()
    # Listening from here on: a signal that comes amid heavy imports would be lost otherwise.
    with interruption.listening(), contextlib.ExitStack() as stack:
        try:
            run, workplace = _begun(settings, progress, interruption, stack)
        except Stopped:
            raise Interrupted(None) from None
        stack.enter_context(run.driving())
        try:
            store = stack.enter_context(_store(run, progress, interruption, create=True))
            _drive(run, workplace, store, progress, interruption)
        except Stopped:
            raise Interrupted(run) from None
    return run


@dataclass(frozen=True, slots=True)
class _Workplace:
    """What a run is driven with. `reports`: where the executor says how far trials are."""

    task: "Task"
    source: "LatencySource"
    executor: "Executor"
    reports: "_Reports"


class _Reports:
    """Passes on what an executor says, which is there before the loop that listens."""

    def __init__(self) -> None:
        self.listener: Loop | None = None

    def trial(self, report: "Report") -> None:
        if self.listener is not None:
            self.listener.on_report(report)

    def beat(self) -> None:
        if self.listener is not None:
            self.listener.beat()


def _begun(
    settings: SearchSettings,
    progress: Progress,
    interruption: Interruption,
    stack: contextlib.ExitStack,
) -> tuple[Run, _Workplace]:
    """Checks everything that can be wrong, finds the target, and writes the new run.

    What has to be closed goes to `stack`.
    """
    space = plugins.space(settings.space)
    _refuse_other_version(space, settings, "this search")
    sampler = settings.sampler(space)
    starts = starting.find(settings.start, space)
    objective = Objective.parse(settings.objective, runs.reward(settings, 1.0))
    refuse_unfit(sampler, space, objective.directions)
    if settings.name is not None:
        runs.refuse_existing(settings.out, settings.name)
    source = _source(settings, interruption, stack)
    task = _task(settings, progress)
    settings.rungs(task.recipe.epochs)  # raises for rungs beyond the last epoch
    starts = starting.buildable(starts, space, task.image, task.classes, progress.say)
    session = stack.enter_context(opening.session(settings, interruption))
    shape = search_model.Shape(space, task.image, task.classes)
    chosen = sum(start.named for start in starts) < settings.trials  # the named are trained anyway
    sizes = known.Sizes(shape, Bounds.of(settings))
    starting.refuse_larger(starts, sizes)
    if chosen:  # sizes are known before any device is asked
        refuse_empty(space, sizes, settings.seed, interruption.check, progress.say)
    task = _precise(settings, task, progress, interruption)
    model = search_model.find(settings, source, shape, progress.say, interruption.check)
    priced = pricing.guarded(model, source, None, progress, interruption)
    latency = pricing.facts(settings, priced, task, progress, interruption)
    resolved = _resolved(settings, task, latency["target_ms"])
    told = known.told(shape, source, model, objective, Bounds.of(resolved))
    if chosen:
        refuse_empty(space, told, settings.seed, interruption.check, progress.say)
    _refuse_unfit_storage(resolved)
    workplace = _workplace(settings, session, task, priced, interruption, stack)
    run = runs.create(resolved, latency, starts, model)
    pricing.begin(run, priced)
    progress.say(
        f"run {run.path}: {run.settings.trials} trials by {settings.controller} "
        f"on {task.data.source}, target latency {run.target_ms:.4g} ms ({latency['found']})"
    )
    if starts:
        progress.say(starting.reach(starts, settings.trials))
    return run, workplace


def _source(
    settings: SearchSettings, interruption: Interruption, stack: contextlib.ExitStack
) -> "LatencySource":
    """What estimates latency, closed with `stack`. Raises UserError and LatencyError."""
    asked = (settings.runtime, settings.device, settings.ray_address)
    source = stack.enter_context(devices.opened(*asked, interruption.check))
    interruption.listen_again()  # a device may be reached through Ray
    return source


def _workplace(
    settings: SearchSettings,
    session: "Session | None",
    task: "Task",
    source: "LatencySource",
    interruption: Interruption,
    stack: contextlib.ExitStack,
) -> _Workplace:
    reports = _Reports()
    executor = opening.executor(
        settings, session, task.data, interruption, reports.trial, reports.beat
    )
    return _Workplace(task, source, stack.enter_context(executor), reports)


def resume(
    run: Run | str | Path, trials: int | str | None = None, *, progress: Progress | None = None
) -> Run:
    """Goes on with a run: trials under way run again, then new ones until there are enough.

    `trials`: how many in all, or '+50' for so many more. Raises UserError if the run is being
    driven, and Interrupted after Ctrl-C.
    """
    found = run if isinstance(run, Run) else runs.open_run(run)
    progress, interruption = progress or Silent(), Interruption()
    with contextlib.ExitStack() as stack:
        stack.enter_context(interruption.listening())
        stack.enter_context(found.driving())
        settings = found.settings.model_copy(update={"trials": _total(found, trials)})
        _refuse_other_version(found.space(), settings, f"run {found.name}")
        try:
            source = _source(settings, interruption, stack)
            priced = pricing.again(found, source, progress, interruption)
            task = _task(settings, progress)
            store = stack.enter_context(_store(found, progress, interruption, create=False))
            _refuse_fewer(store, found.settings.trials, settings.trials)
            session = stack.enter_context(opening.session(settings, interruption))
            workplace = _workplace(settings, session, task, priced, interruption, stack)
            if settings != found.settings:
                found = Run(found.path, settings, found.latency)
                with runs.writing(found.path):
                    runs.save_settings(found)
            _drive(found, workplace, store, progress, interruption)
        except Stopped:
            raise Interrupted(found) from None
    return found


@contextlib.contextmanager
def _store(
    run: Run, progress: Progress, interruption: Interruption, create: bool
) -> "Iterator[Store]":
    from nas.room import Room
    from nas.store import Backoff, Store

    room = Room(progress.say, interruption.check)
    directions, backoff = run.objective().directions, Backoff(say=progress.say, room=room)
    store = Store(run.storage_url, run.name, directions, create=create, backoff=backoff)
    with contextlib.closing(store):
        yield store


def _refuse_other_version(space: "SearchSpace", settings: SearchSettings, what: str) -> None:
    """Raises UserError for options that mean something else in this installation."""
    if settings.space_version not in (None, space.version):
        raise UserError(
            f"{what} is of version {settings.space_version} of space {settings.space}; "
            f"this installation has version {space.version}"
        )


def _refuse_fewer(store: "Store", before: int, total: int) -> None:
    """Raises UserError for a smaller number of trials than there are."""
    there = store.asked
    if total < min(before, there):
        raise UserError(f"trials {total}: the run has {there} already; give more, or +N for N more")


def resume_command(run: Run) -> str:
    """What to type to go on with a run."""
    out = run.settings.out
    return f"nas resume {run.name}" + ("" if out == "results" else f" --out {out}")


def _total(run: Run, trials: int | str | None) -> int:
    text = str(run.settings.trials if trials is None else trials)
    number = text.removeprefix("+")
    if not (number.isascii() and number.isdigit() and int(number) > 0):
        raise UserError(f"trials {text!r}: give a number of trials in all, or +N for N more")
    return run.settings.trials + int(number) if text.startswith("+") else int(number)


def _task(settings: SearchSettings, progress: Progress) -> "Task":
    """The data, read once here so that what is wrong with them shows before any trial."""
    from nas.training.trial import cached
    from nas.underway import Task

    spec = settings.data_spec()
    dataset = cached(spec, progress.say)
    if dataset.note:
        progress.say(f"{dataset.name}: {dataset.note}")
    images = (len(dataset.train.labels), len(dataset.held_out.labels))
    progress.say("each network trains on {:,} images and is judged on {:,} others".format(*images))
    return Task(
        spec,
        settings.recipe(dataset.image, len(dataset.train)),
        dataset.image,
        len(dataset.classes),
    )


def _precise(
    settings: SearchSettings, task: "Task", progress: Progress, interruption: Interruption
) -> "Task":
    """The same with the precision in which this machine trains faster, where none is asked for.

    Once a run, and never again: another answer in its middle would change its results.
    """
    if settings.precision != "auto":
        return task
    from nas.training import processor

    # A GPU gains by it whatever the network; none may be here, where the search is driven from.
    found = "bfloat16" if settings.gpus_per_trial else processor.of_this_machine()
    interruption.check()
    if found != task.recipe.precision:
        progress.say(f"precision {found}: faster than {task.recipe.precision} here")
    return replace(task, recipe=replace(task.recipe, precision=found))


def _resolved(settings: SearchSettings, task: "Task", target_ms: float) -> SearchSettings:
    """All options as they will be used, so that the file alone repeats the search."""
    from nas import store

    recipe = {name: getattr(task.recipe, name) for name in settings_of.RECIPE}
    slowest = settings.max_latency or settings_of.SLOWEST * target_ms
    w = None if settings.hard else settings.soft_w
    storage = settings.storage and store.absolute(settings.storage)
    return settings.model_copy(
        update={
            **recipe,
            "space_version": plugins.space(settings.space).version,
            "storage": storage,
            "start": starting.absolute(settings.start),
            "latency_model": search_model.absolute(settings.latency_model),
            "device": devices.absolute(settings.device),
            "data": task.data.source,
            "data_root": task.data.root,
            "target_latency": target_ms,
            "max_latency": slowest,
            "w": w,
        }
    )


def _refuse_unfit_storage(settings: SearchSettings) -> None:
    from nas import store

    name = settings.name or runs.free_name(settings)
    file = store.sqlite_file(settings.storage) if settings.storage else Path(settings.out)
    if file is not None:
        store.refuse_network(file)
    if settings.storage is not None and store.holds(settings.storage, name):
        where = store.without_password(settings.storage)
        raise UserError(f"{where} already has a study {name!r}; choose another name")


def _drive(
    run: Run,
    workplace: _Workplace,
    store: "Store",
    progress: Progress,
    interruption: Interruption,
) -> None:
    from nas.loop import Loop
    from nas.underway import Pricer

    space, facts = run.space(), known.of_run(run, workplace.source)
    sampler = run.settings.sampler(space, facts)
    pricer = Pricer(space, workplace.task, workplace.source, run.settings.seed, facts.keep)
    loop = Loop(
        run,
        workplace.task,
        store,
        sampler,
        pricer,
        interruption,
        progress,
        time.monotonic,
    )
    workplace.reports.listener = loop
    try:
        with runs.writing(run.path):
            loop.go(workplace.executor)
            workplace.executor.close()  # the workers are idle: none disturbs a measurement
            pricing.measure_front(run, workplace.source, progress, interruption)
    finally:
        workplace.executor.close()  # no trial goes on once another driver may take the run
        progress.close()
    if interruption.requested:
        raise Interrupted(run)
